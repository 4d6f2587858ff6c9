// Any bytes: what is told of is one of the types, with addresses of its family.

#include "services/media_relay/core/icmp_error.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "absl/types/span.h"
#include "services/media_relay/core/endpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace relay = sallyport::media_relay;
  const auto bytes = absl::MakeConstSpan(data, size);
  const std::optional<relay::IcmpQuote> v4 = relay::ParseIcmpv4(bytes);
  if (v4.has_value() && (!v4->from.ip.is_v4() || !v4->to.ip.is_v4() ||
                         (v4->error.type != 3 && v4->error.type != 11))) {
    abort();
  }
  const std::optional<relay::IcmpQuote> v6 = relay::ParseIcmpv6(bytes);
  if (v6.has_value() && (!v6->from.ip.is_v6() || !v6->to.ip.is_v6() ||
                         v6->error.type < 1 || v6->error.type > 3)) {
    abort();
  }
  return 0;
}
