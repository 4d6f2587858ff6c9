// The server half of STUN as a keep-alive on a SIP port (RFC 5626 section 8,
// RFC 5389): binding requests without credentials, and nothing else of STUN.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_STUN_KEEP_ALIVE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_STUN_KEEP_ALIVE_H_

#include <optional>
#include <string>
#include <string_view>

#include "services/common/net/socket_address.h"

namespace sallyport::signaling_edge {

// Whether a datagram is STUN and not SIP: the two bits, the magic cookie, and
// a length that is right (RFC 5389 section 8).
bool IsStun(std::string_view datagram);

// The answer to a binding request that came from `from`: XOR-MAPPED-ADDRESS,
// or 420 with the attributes that must be understood and are not. Nothing for
// anything else, as the multiplexed use has no other (RFC 5626 section 8).
// Never longer than 60 octets.
std::optional<std::string> AnswerStun(std::string_view datagram,
                                      const SocketAddress& from);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_STUN_KEEP_ALIVE_H_
