// The cores that this process may run on.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_ALLOWED_PROCESSORS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_ALLOWED_PROCESSORS_H_

#include <vector>

namespace sallyport::media_relay {

// In order; empty if the kernel does not tell. Thread-safe.
std::vector<int> AllowedProcessors();

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_ALLOWED_PROCESSORS_H_
