#include "services/capf/core/est_message.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/http/http_response.h"

// Whatever a server sends as certificates.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport;
  const std::string_view text = AsText(ByteSpan(data, size));
  const absl::Time now = absl::FromUnixSeconds(1795255200);
  const auto answer = ParseHttpResponse(text, true, now);
  if (answer.ok() && answer->has_value()) {
    (void)capf::CertificatesOfAnswer(**answer).ok();
  }
  return 0;
}
