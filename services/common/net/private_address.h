// Addresses that are reached from some networks alone.

#ifndef SALLYPORT_SERVICES_COMMON_NET_PRIVATE_ADDRESS_H_
#define SALLYPORT_SERVICES_COMMON_NET_PRIVATE_ADDRESS_H_

#include "services/common/net/socket_address.h"

namespace sallyport {

// Loopback, private, link-local, shared (RFC 6598), unspecified and multicast
// ones: whoever may have a service connect to addresses that he names would
// otherwise look into networks that only the service sees. Pure.
bool IsPrivateAddress(const SocketAddress& address);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_NET_PRIVATE_ADDRESS_H_
