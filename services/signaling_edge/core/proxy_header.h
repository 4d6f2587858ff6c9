// The header of PROXY protocol version 2, by which a load balancer says whose
// connection it passes on. Version 1, the text form, is not spoken.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PROXY_HEADER_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PROXY_HEADER_H_

#include <cstddef>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/socket_address.h"

namespace sallyport::signaling_edge {

// Signature, version and command, family, length.
inline constexpr size_t kProxyPrefixSize = 16;
// Addresses and TLVs: more than any balancer has to say.
inline constexpr size_t kMaxProxyPayload = 4096;

struct ProxyHeader {
  // The client. None for LOCAL (the balancer's own health check) and for
  // UNSPEC: the connection's real end counts then.
  std::optional<SocketAddress> source;
};

// Whether octets begin as no SIP and no TLS does, but such a header. True of
// less than the whole signature as well, if it is at least its first line that
// no SIP has.
bool LooksLikeProxyHeader(std::string_view octets);

// Octets of the whole header, by its first kProxyPrefixSize ones. Errors, here
// and below, are INVALID_ARGUMENT with PROXY_HEADER_INVALID: no signature,
// another version, an unknown command or family, datagrams or local sockets,
// too long, or TLVs that do not end where the header does.
absl::StatusOr<size_t> ProxyHeaderSize(ByteSpan prefix);

// Of exactly the whole header. The meaning of TLVs is not looked at.
absl::StatusOr<ProxyHeader> ParseProxyHeader(ByteSpan header);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PROXY_HEADER_H_
