#include "services/signaling_edge/core/proxy_header.h"

#include <cstddef>
#include <cstdint>

#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"

// Any octets: no crash, a stable reason, and what is read whole is as long as
// its first octets said.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace edge = sallyport::signaling_edge;
  const sallyport::ByteSpan octets(data, size);
  const auto header = edge::ParseProxyHeader(octets);
  if (!header.ok()) {
    SP_CHECK(sallyport::ReasonOf(header.status()) == "PROXY_HEADER_INVALID");
    return 0;
  }
  const auto told = edge::ProxyHeaderSize(octets.first(edge::kProxyPrefixSize));
  SP_CHECK(told.ok() && *told == size);
  SP_CHECK(edge::LooksLikeProxyHeader(sallyport::AsText(octets)));
  if (header->source.has_value()) {
    SP_CHECK(!header->source->is_unspecified());
    SP_CHECK(header->source->Canonical() == *header->source);
  }
  return 0;
}
