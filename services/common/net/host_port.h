// A host and a port as text.

#ifndef SALLYPORT_SERVICES_COMMON_NET_HOST_PORT_H_
#define SALLYPORT_SERVICES_COMMON_NET_HOST_PORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport {

struct HostPort {
  std::string host;  // a name or an address, without brackets
  uint16_t port = 0;

  bool operator==(const HostPort&) const = default;
};

// Of "host:port" and "[v6]:port", and of "host" and "[v6]" when `if_none` is a
// port. Nothing for anything else, ports of 0 and above 65535 included.
std::optional<HostPort> SplitHostPort(std::string_view text,
                                      uint16_t if_none = 0);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_NET_HOST_PORT_H_
