#include "services/common/http/http_response.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/check.h"

// Whatever a server sends: an answer is read or refused, and one that was
// whole stays what it was when the connection then ends.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport;
  const std::string_view text = AsText(ByteSpan(data, size));
  const absl::Time now = absl::FromUnixSeconds(1795255200);
  const auto open = ParseHttpResponse(text, false, now);
  const auto ended = ParseHttpResponse(text, true, now);
  SP_CHECK(!ended.ok() || ended->has_value());
  if (open.ok() && open->has_value()) {
    SP_CHECK(ended.ok() && (*ended)->body == (*open)->body);
    SP_CHECK((*open)->body.size() <= size);
  }
  return 0;
}
