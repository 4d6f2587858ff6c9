#include "services/capf/core/est_message.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "services/common/bytes/byte_span.h"

// Whatever a server sends: an answer is read or refused, and one that was
// whole stays what it was when the connection then ends.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport;
  const std::string_view text = AsText(ByteSpan(data, size));
  const absl::Time now = absl::FromUnixSeconds(1795255200);
  const auto open = capf::ParseHttpAnswer(text, false, now);
  const auto ended = capf::ParseHttpAnswer(text, true, now);
  if (ended.ok() && !ended->has_value()) std::abort();
  if (open.ok() && open->has_value()) {
    if (!ended.ok() || (*ended)->body != (*open)->body) std::abort();
    (void)capf::CertificatesOfAnswer(**open).ok();
  }
  return 0;
}
