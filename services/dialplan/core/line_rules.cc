#include "services/dialplan/core/line_rules.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "services/common/digit_analysis/transform.h"
#include "services/dialplan/core/hunt_rules.h"
#include "services/dialplan/core/number_rules.h"
#include "services/dialplan/core/unique_keys.h"

namespace sallyport::dialplan {
namespace {

constexpr uint32_t kMaxCalls = 200;
// What the API names for a line that does not say (line.proto).
constexpr uint32_t kDefaultCalls = 4;

}  // namespace

void CheckLine(const RuleContext& c, const LineEntry& line) {
  if (NumberOfDirectory(line.directory_number).empty()) {
    c.Add("line.directory_number", "NUMBER_INVALID",
          "must be one number of 1 to 48 of 0-9, *, # and A-D, or \\+ and "
          "digits: no wildcards or separators");
  }
  c.AddStatus("line.external_phone_number_mask",
              CheckMask(line.external_phone_number_mask));
  CheckDistinct(c, "line.users", line.users);
  const struct {
    const char* path;
    const CallForward& forward;
  } forwards[] = {
      {"line.forward_all", line.forward_all},
      {"line.forward_busy", line.forward_busy},
      {"line.forward_no_answer", line.forward_no_answer},
      {"line.forward_unregistered", line.forward_unregistered},
  };
  for (const auto& [path, forward] : forwards) {
    CheckForward(c, path, forward, line.name, line.voicemail_profile);
  }
  if (line.max_calls > kMaxCalls) {
    c.Add("line.max_calls", "VALUE_OUT_OF_RANGE", "must be 0 to 200");
  }
  const uint32_t calls = line.max_calls == 0 ? kDefaultCalls : line.max_calls;
  if (line.busy_trigger > calls) {
    c.Add("line.busy_trigger", "VALUE_OUT_OF_RANGE",
          absl::StrCat("it would never be busy: it takes ", calls, " calls"));
  }
}

void CheckPhoneLines(const RuleContext& c, const PhoneEntry& phone) {
  CheckDistinct(c, "phone.lines", phone.lines);
  for (size_t i = 0; i < phone.lines.size(); ++i) {
    if (PhonesOfLine(c.plan, phone.lines[i]).size() < 2) continue;
    for (const std::string& referrer : c.plan.ReferrersOf(phone.lines[i])) {
      const LineGroupEntry* group = c.plan.Get<LineGroupEntry>(referrer);
      if (group != nullptr && group->algorithm == HuntAlgorithm::kBroadcast) {
        c.Add(ItemPath("phone.lines", i), "LINE_SHARED",
              absl::StrCat("another phone has it, and ", referrer,
                           " broadcasts to it"));
      }
    }
  }
}

}  // namespace sallyport::dialplan
