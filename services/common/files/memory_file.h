// A file that is only in memory, for what reads by a path what must not lie on
// a disk.

#ifndef SALLYPORT_SERVICES_COMMON_FILES_MEMORY_FILE_H_
#define SALLYPORT_SERVICES_COMMON_FILES_MEMORY_FILE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "services/common/net/unique_fd.h"

namespace sallyport {

// Only this process opens it, and it is gone with it. Thread-compatible; who
// reads it may do so on any thread.
class MemoryFile {
 public:
  // Replaces the content: who opened the path before reads the old one to its
  // end, who opens it from now on the new one, and nobody a mixture.
  // UNAVAILABLE with the system's words on failure.
  absl::Status Replace(std::string_view content);

  // After the first Replace(): always the same. Needs /proc.
  std::string path() const;

 private:
  UniqueFd fd_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_FILES_MEMORY_FILE_H_
