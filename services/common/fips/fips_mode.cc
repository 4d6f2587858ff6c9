#include "services/common/fips/fips_mode.h"

#include "services/common/files/durable_file.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

constexpr char kOn[] = "on\n";
constexpr char kOff[] = "off\n";
constexpr size_t kMaxFile = 16;

}  // namespace

absl::Status NotAllowedInFipsMode(std::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, kNotAllowedInFipsMode,
                   what);
}

absl::StatusOr<bool> ReadFipsMode(const std::string& file) {
  const absl::StatusOr<std::string> text = ReadWholeFile(file, kMaxFile);
  if (absl::IsNotFound(text.status())) return false;
  if (text.ok() && (*text == kOn || *text == kOff)) return *text == kOn;
  return MakeError(absl::StatusCode::kFailedPrecondition, "FIPS_MODE_UNKNOWN",
                   file + " does not say whether FIPS mode is on");
}

absl::Status WriteFipsMode(const std::string& file, bool on) {
  return WriteDurableFile(file, on ? kOn : kOff);
}

}  // namespace sallyport
