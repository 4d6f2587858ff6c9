#include "services/common/files/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "services/common/net/unique_fd.h"

namespace sallyport {
namespace {

absl::Status Failed(const std::string& path, const char* what) {
  const int error = errno;
  const absl::Status system = absl::ErrnoToStatus(error, what);
  if (error == ENOENT) {
    return absl::NotFoundError(absl::StrCat(path, ": ", system.message()));
  }
  return absl::UnavailableError(absl::StrCat(path, ": ", system.message()));
}

absl::Status WriteAll(int fd, std::string_view content,
                      const std::string& path) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Failed(path, "write");
    content.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

// A rename is durable once the folder that holds the name is.
absl::Status SyncFolder(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder =
      slash == std::string::npos ? "." : path.substr(0, slash + 1);
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) return Failed(folder, "fsync");
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteDurableFile(const std::string& path,
                              std::string_view content) {
  std::string beside = absl::StrCat(path, ".XXXXXX");
  UniqueFd fd(::mkostemp(beside.data(), O_CLOEXEC));  // mode 0600
  if (!fd.valid()) return Failed(path, "create");
  absl::Cleanup remove = [&] { ::unlink(beside.c_str()); };
  if (absl::Status s = WriteAll(fd.get(), content, path); !s.ok()) return s;
  if (::fsync(fd.get()) != 0) return Failed(path, "fsync");
  if (::rename(beside.c_str(), path.c_str()) != 0) {
    return Failed(path, "rename");
  }
  std::move(remove).Cancel();
  return SyncFolder(path);
}

absl::StatusOr<std::string> ReadWholeFile(const std::string& path,
                                          size_t max_bytes) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return Failed(path, "open");
  std::string content;
  char buffer[16384];
  while (true) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed(path, "read");
    if (n == 0) return content;
    if (content.size() + static_cast<size_t>(n) > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, ": has more than ", max_bytes, " bytes"));
    }
    content.append(buffer, static_cast<size_t>(n));
  }
}

}  // namespace sallyport
