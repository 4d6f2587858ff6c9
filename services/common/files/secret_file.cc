#include "services/common/files/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/hmac.h"
#include "services/common/net/unique_fd.h"

namespace sallyport {
namespace {

constexpr size_t kLeastRoom = 4096;

absl::Status Failed(const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path));
}

// A larger one in place of `text`, of which nothing is left.
void Grow(std::string& text, size_t size) {
  std::string larger(size, '\0');
  std::copy(text.begin(), text.end(), larger.begin());
  Cleanse(text);
  text = std::move(larger);
}

}  // namespace

absl::StatusOr<Secret> ReadSecretFile(const std::string& path,
                                      size_t max_bytes) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info = {};
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0) return Failed(path);
  // What is no regular file has no size, and a file may grow meanwhile. One
  // octet more tells its end.
  const auto told = static_cast<size_t>(std::max<off_t>(info.st_size, 0));
  std::string text(std::min(std::max(told, kLeastRoom), max_bytes) + 1, '\0');
  const absl::Cleanup cleanse = [&text] { Cleanse(text); };
  size_t size = 0;
  for (;;) {
    const ssize_t n = ::read(fd.get(), &text[size], text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed(path);
    if (n == 0) break;
    size += static_cast<size_t>(n);
    if (size > max_bytes) {
      return absl::InvalidArgumentError(absl::StrCat(path, " is too long"));
    }
    if (size == text.size()) Grow(text, std::min(2 * size, max_bytes + 1));
  }
  return Secret::CopyOf(std::string_view(text).substr(0, size));
}

std::string DigestOfSecretFiles(const std::vector<std::string>& paths,
                                size_t max_bytes) {
  std::string out;
  for (const std::string& path : paths) {
    const absl::StatusOr<Secret> content = ReadSecretFile(path, max_bytes);
    const ByteSpan octets =
        content.ok() ? content->DangerousBytes() : ByteSpan();
    absl::StrAppend(&out, ToString(HmacSha256(AsBytes("watched"), octets)));
  }
  return out;
}

}  // namespace sallyport
