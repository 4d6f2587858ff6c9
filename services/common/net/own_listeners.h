// Which sockets this process listens on, as the kernel has them.

#ifndef SALLYPORT_SERVICES_COMMON_NET_OWN_LISTENERS_H_
#define SALLYPORT_SERVICES_COMMON_NET_OWN_LISTENERS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace sallyport {

// Ports next to each other of one address. A value.
struct OwnListener {
  bool udp = false;
  std::string ip;  // without brackets; "0.0.0.0" and "::" for all
  uint16_t first_port = 0;
  uint16_t last_port = 0;

  bool operator==(const OwnListener&) const = default;
};

// Every TCP socket that accepts, and every UDP socket that has a port and is
// connected to nobody; each address and port once, in order. Takes some
// microseconds for each descriptor of the process. Empty where /proc is not
// mounted.
std::vector<OwnListener> OwnListeners();

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_NET_OWN_LISTENERS_H_
