// Whether the kernel may give our relay ports to other programs (AVE-23).

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_KERNEL_PORTS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_KERNEL_PORTS_H_

#include <cstdint>
#include <string_view>

namespace sallyport::media_relay {

// How many of the ports first..last the kernel may choose for any socket on
// this host. `range` and `reserved` are the texts of the sysctls
// net.ipv4.ip_local_port_range and ip_local_reserved_ports ("8080,9000-9100").
int UnreservedPorts(std::string_view range, std::string_view reserved,
                    uint16_t first, uint16_t last);

// Reads both and logs a warning when there are any. The relay tries another
// port when one is taken, so this costs speed, not calls.
void WarnOfKernelPorts(uint16_t first, uint16_t last);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_KERNEL_PORTS_H_
