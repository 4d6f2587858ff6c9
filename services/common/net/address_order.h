// In which order the addresses of a name with both families are tried: RFC 6724
// section 6.

#ifndef SALLYPORT_SERVICES_COMMON_NET_ADDRESS_ORDER_H_
#define SALLYPORT_SERVICES_COMMON_NET_ADDRESS_ORDER_H_

#include <functional>
#include <optional>
#include <vector>

#include "services/common/net/socket_address.h"

namespace sallyport {

// The address that packets to a destination leave by, port 0; nullopt if there
// is no way to it.
using SourceOf =
    std::function<std::optional<SocketAddress>(const SocketAddress& to)>;

// As the system's routes say now. Nothing is sent. Never blocks. Thread-safe.
std::optional<SocketAddress> SourceFor(const SocketAddress& to);

// By the rules 1 (what can be reached), 2 (of the scope of its source), 5 (of
// the label of its source), 6 (precedence, by the table of section 2.1) and 8
// (the smaller scope). What is alike for them stays as it was: rule 9 is left
// out, as the order within a family is the name server's. Rules 3, 4 and 7 ask
// for what an address does not show. `source` is asked once for each.
std::vector<SocketAddress> OrderAddresses(std::vector<SocketAddress> addresses,
                                          const SourceOf& source);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_NET_ADDRESS_ORDER_H_
