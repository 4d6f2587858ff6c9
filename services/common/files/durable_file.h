// Small files that must be whole or absent: caches of what another service
// said, keys, ready files.

#ifndef SALLYPORT_SERVICES_COMMON_FILES_DURABLE_FILE_H_
#define SALLYPORT_SERVICES_COMMON_FILES_DURABLE_FILE_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sallyport {

// Replaces `path` by `content`, mode 0600: written beside it, synced, renamed,
// and the folder synced, so that after a power cut either the old or the new
// content is there, whole. UNAVAILABLE with the system's words on failure.
absl::Status WriteDurableFile(const std::string& path,
                              std::string_view content);

// The whole file. NOT_FOUND when there is none, RESOURCE_EXHAUSTED when it has
// more than `max_bytes`, UNAVAILABLE when it cannot be read.
absl::StatusOr<std::string> ReadWholeFile(const std::string& path,
                                          size_t max_bytes);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_FILES_DURABLE_FILE_H_
