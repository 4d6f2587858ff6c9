#include "services/dialplan/core/rule_context.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "services/common/status/error_reason.h"

namespace sallyport::dialplan {

void RuleContext::Add(std::string field, std::string_view reason,
                      std::string description) const {
  faults.push_back(
      {std::move(field), std::string(reason), std::move(description)});
}

void RuleContext::AddStatus(std::string field,
                            const absl::Status& status) const {
  if (status.ok()) return;
  Add(std::move(field), ReasonOf(status), std::string(status.message()));
}

bool IsWord(std::string_view text, std::string_view extra) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           extra.find(c) != std::string_view::npos;
  });
}

}  // namespace sallyport::dialplan
