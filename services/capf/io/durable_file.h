// Files that are whole or not there, and stay.

#ifndef SALLYPORT_SERVICES_CAPF_IO_DURABLE_FILE_H_
#define SALLYPORT_SERVICES_CAPF_IO_DURABLE_FILE_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sallyport::capf {

// Writes a file of mode 0600 that must not exist: the content under another
// name, fsync, link into place, fsync of the folder. Folders are made, 0700.
// ALREADY_EXISTS if somebody was first; his file is untouched.
absl::Status CreateDurableFile(const std::string& path,
                               std::string_view content);

// The same, but takes the place of what is there.
absl::Status ReplaceDurableFile(const std::string& path,
                                std::string_view content);

// Gone, and gone after a power cut too. One that is not there is no error.
absl::Status RemoveDurableFile(const std::string& path);

// nullopt if there is no such file. At most `limit` octets; more is
// FAILED_PRECONDITION.
absl::StatusOr<std::optional<std::string>> ReadSmallFile(
    const std::string& path, size_t limit = 1 << 20);

// FAILED_PRECONDITION, reason FILE_MODE, if others than the owner can read it.
absl::Status CheckPrivate(const std::string& path);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_DURABLE_FILE_H_
