// Whether the kernel may give our relay ports to other programs (AVE-23).

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_KERNEL_PORTS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_KERNEL_PORTS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace sallyport::media_relay {

// How many of the ports first..last the kernel may choose for any socket on
// this host. `range` and `reserved` are the texts of the sysctls
// net.ipv4.ip_local_port_range and ip_local_reserved_ports ("8080,9000-9100").
int UnreservedPorts(std::string_view range, std::string_view reserved,
                    uint16_t first, uint16_t last);

// The ports first..last that sockets of this network namespace have, each once
// and in order. `tables` are the texts of /proc/net/udp, udp6, tcp and tcp6;
// connections that merely wait for their end (TIME_WAIT) have no port.
std::vector<uint16_t> HeldPorts(const std::vector<std::string>& tables,
                                uint16_t first, uint16_t last);

// Before the relay opens any: reads all of them. What is not ours alone is
// logged as a warning, since the relay tries another port when one is taken and
// this costs speed, not calls. With `exclusive` it is FAILED_PRECONDITION
// instead, reason RELAY_PORTS_NOT_EXCLUSIVE.
absl::Status CheckKernelPorts(uint16_t first, uint16_t last, bool exclusive);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_KERNEL_PORTS_H_
