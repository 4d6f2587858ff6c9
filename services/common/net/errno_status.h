// System call failures as absl::Status.

#ifndef SALLYPORT_SERVICES_COMMON_NET_ERRNO_STATUS_H_
#define SALLYPORT_SERVICES_COMMON_NET_ERRNO_STATUS_H_

#include <string_view>

#include "absl/status/status.h"

namespace sallyport {

// "bind: Address already in use". Exhausted descriptors, memory and ports are
// RESOURCE_EXHAUSTED; a peer that is gone or unreachable is UNAVAILABLE; a
// timeout is DEADLINE_EXCEEDED; a taken address is ALREADY_EXISTS; else
// absl::ErrnoToStatusCode decides.
absl::Status ErrnoStatus(int error, std::string_view call);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_NET_ERRNO_STATUS_H_
