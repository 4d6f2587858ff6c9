#include "services/capf/io/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "services/common/net/errno_status.h"
#include "services/common/net/unique_fd.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

absl::Status WriteAll(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t n = write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "write");
    content.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

std::filesystem::path FolderOf(const std::string& path) {
  const std::filesystem::path folder =
      std::filesystem::path(path).parent_path();
  return folder.empty() ? std::filesystem::path(".") : folder;
}

absl::Status SyncFolder(const std::string& path) {
  const UniqueFd fd(
      open(FolderOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "open folder");
  if (fsync(fd.get()) != 0) return ErrnoStatus(errno, "fsync folder");
  return absl::OkStatus();
}

// A file beside `path` with the content, durable, of mode 0600. Its name is
// nobody else's: replicas that share a folder may have one process id.
absl::StatusOr<std::string> WriteTemporary(const std::string& path,
                                           std::string_view content) {
  std::error_code error;
  const std::filesystem::path folder = FolderOf(path);
  if (std::filesystem::create_directories(folder, error)) {
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all,
                                 error);
  }
  std::string temporary = path + ".new.XXXXXX";
  const UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "open");
  absl::Status status = WriteAll(fd.get(), content);
  if (status.ok() && fsync(fd.get()) != 0) status = ErrnoStatus(errno, "fsync");
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  return temporary;
}

}  // namespace

absl::Status CreateDurableFile(const std::string& path,
                               std::string_view content) {
  SP_ASSIGN_OR_RETURN(const std::string temporary,
                      WriteTemporary(path, content));
  absl::Status status;
  // link() fails if the name is taken; rename() would not.
  if (link(temporary.c_str(), path.c_str()) != 0) {
    status = errno == EEXIST ? absl::AlreadyExistsError(path)
                             : ErrnoStatus(errno, "link");
  }
  unlink(temporary.c_str());
  SP_RETURN_IF_ERROR(status);
  return SyncFolder(path);
}

absl::Status ReplaceDurableFile(const std::string& path,
                                std::string_view content) {
  SP_ASSIGN_OR_RETURN(const std::string temporary,
                      WriteTemporary(path, content));
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    const absl::Status status = ErrnoStatus(errno, "rename");
    unlink(temporary.c_str());
    return status;
  }
  return SyncFolder(path);
}

absl::Status RemoveDurableFile(const std::string& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, "unlink");
  }
  return SyncFolder(path);
}

absl::StatusOr<std::optional<std::string>> ReadSmallFile(
    const std::string& path, size_t limit) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT) return std::nullopt;
    return ErrnoStatus(errno, "open");
  }
  std::string content;
  char buffer[4096];
  while (true) {
    const ssize_t n = read(fd.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "read");
    if (n == 0) return content;
    content.append(buffer, static_cast<size_t>(n));
    if (content.size() > limit) {
      return absl::FailedPreconditionError("file is too long");
    }
  }
}

absl::Status CheckPrivate(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, "stat");
  if ((info.st_mode & 077) != 0) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "FILE_MODE",
                     "a key file is open to others than its owner");
  }
  return absl::OkStatus();
}

}  // namespace sallyport::capf
