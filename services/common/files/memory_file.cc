#include "services/common/files/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sallyport {
namespace {

absl::Status Failed(const char* what) {
  return absl::UnavailableError(absl::ErrnoToStatus(errno, what).message());
}

}  // namespace

absl::Status MemoryFile::Replace(std::string_view content) {
  UniqueFd fresh(memfd_create("sallyport", MFD_CLOEXEC));
  if (!fresh.valid()) return Failed("memfd_create");
  while (!content.empty()) {
    const ssize_t n = write(fresh.get(), content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Failed("write");
    content.remove_prefix(static_cast<size_t>(n));
  }
  if (!fd_.valid()) {
    fd_ = std::move(fresh);
    return absl::OkStatus();
  }
  // In one step, under the number that the path names.
  if (dup3(fresh.get(), fd_.get(), O_CLOEXEC) < 0) return Failed("dup3");
  return absl::OkStatus();
}

std::string MemoryFile::path() const {
  return absl::StrCat("/proc/self/fd/", fd_.get());
}

}  // namespace sallyport
