#include "services/common/config/config_faults.h"

#include "absl/strings/str_cat.h"

namespace sallyport {

void ConfigFaults::Add(std::string_view field, std::string_view description) {
  violations_.push_back({std::string(field), std::string(description)});
}

void ConfigFaults::Require(std::string_view field, std::string_view value) {
  if (value.empty()) Add(field, "is required");
}

absl::Status ConfigFaults::ToStatus() const {
  if (violations_.empty()) return absl::OkStatus();
  std::string message;
  for (const FieldViolation& violation : violations_) {
    absl::StrAppend(&message, message.empty() ? "" : "; ", violation.field, " ",
                    violation.description);
  }
  return MakeError(absl::StatusCode::kInvalidArgument, "CONFIG_INVALID",
                   message, violations_);
}

}  // namespace sallyport
