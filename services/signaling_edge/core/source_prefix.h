// Addresses and prefixes of configuration.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SOURCE_PREFIX_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SOURCE_PREFIX_H_

#include <string_view>

#include "services/common/net/socket_address.h"

namespace sallyport::signaling_edge {

// Whether `prefix` is an address, or one with "/length".
bool IsPrefix(std::string_view prefix);

// Whether `address` is in "192.0.2.0/24" or is the literal itself.
bool InPrefix(const SocketAddress& address, std::string_view prefix);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SOURCE_PREFIX_H_
