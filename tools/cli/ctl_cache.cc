#include "tools/cli/ctl_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/error_reason.h"

namespace sallyport::cli {
namespace {

constexpr size_t kMaxList = 4 * 1024 * 1024;

// A GUID of the name, as RFC 9562 section 5.5 makes one (version 5).
std::string GuidOf(const std::string& name) {
  Sha1Digest digest = Sha1(AsBytes(name));
  digest[6] = static_cast<uint8_t>((digest[6] & 0x0F) | 0x50);
  digest[8] = static_cast<uint8_t>((digest[8] & 0x3F) | 0x80);
  const std::string hex = HexEncode(ByteSpan(digest.data(), 16));
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-",
                      hex.substr(12, 4), "-", hex.substr(16, 4), "-",
                      hex.substr(20));
}

}  // namespace

std::string CtlCache::PathOf(const std::string& server) const {
  return absl::StrCat(folder_, "/", GuidOf("tftp://" + server), ".tlv");
}

absl::StatusOr<std::string> CtlCache::Read(const std::string& server) const {
  return ReadWholeFile(PathOf(server), kMaxList);
}

absl::Status CtlCache::Write(const std::string& server,
                             const std::string& list) const {
  mkdir(folder_.c_str(), 0700);
  return WriteDurableFile(PathOf(server), list);
}

absl::Status CtlCache::Remove(const std::string& server) const {
  if (unlink(PathOf(server).c_str()) == 0) return absl::OkStatus();
  return MakeError(absl::StatusCode::kNotFound, "CTL_NOT_CACHED",
                   absl::StrCat("no list of ", server, " is in ", folder_));
}

}  // namespace sallyport::cli
