#include "services/dialplan/core/number_rules.h"

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/digit_analysis/numbering_plan.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/transform.h"

namespace sallyport::dialplan {

std::optional<DialPattern> CheckPattern(const RuleContext& c,
                                        const std::string& field,
                                        const std::string& pattern,
                                        const std::string& numbering_plan) {
  const std::string plan_field =
      field.substr(0, field.find('.')) + ".numbering_plan";
  if (FindNumberingPlan(numbering_plan) == nullptr) {
    c.Add(plan_field, "NUMBERING_PLAN_UNKNOWN",
          "there is no numbering plan of that name");
    return std::nullopt;
  }
  if (!numbering_plan.empty() && !absl::StrContains(pattern, '@')) {
    c.Add(plan_field, "PATTERN_HAS_NO_AT", "there is no '@' in the pattern");
  }
  // With '@' it stands for several, that differ in nothing that is asked here.
  auto parsed = ParsePatterns(pattern, numbering_plan);
  if (parsed.ok()) return std::move(parsed->front());
  c.AddStatus(field, parsed.status());
  return std::nullopt;
}

void CheckCalledChange(const RuleContext& c, const std::string& path,
                       const Transformation& change,
                       const DialPattern* pattern) {
  const DiscardRule rule = RuleOf(change.discard);
  const std::string field = path + ".discard_digits";
  if (pattern != nullptr) {
    if (rule.needs_dot() && !pattern->has_dot()) {
      c.Add(field, "PATTERN_HAS_NO_DOT", "PreDot needs a '.' in the pattern");
    }
    if (rule.needs_at() && pattern->form() == nullptr) {
      c.Add(field, "PATTERN_HAS_NO_AT",
            "the instruction needs '@' in the pattern");
    }
  }
  c.AddStatus(path + ".transform_mask", CheckMask(change.called_mask));
  c.AddStatus(path + ".prefix_digits", CheckPrefix(change.called_prefix));
}

void CheckCallingChange(const RuleContext& c, const std::string& path,
                        const Transformation& change) {
  c.AddStatus(path + ".transform_mask", CheckMask(change.calling_mask));
  c.AddStatus(path + ".prefix_digits", CheckPrefix(change.calling_prefix));
}

void CheckNumber(const RuleContext& c, const std::string& field,
                 const std::string& number) {
  const absl::StatusOr<Number> parsed = Number::Parse(number);
  if (!parsed.ok()) {
    c.AddStatus(field, parsed.status());
  } else if (parsed->text() != number) {
    c.Add(field, "NUMBER_INVALID", "write it without separators");
  }
}

void CheckForward(const RuleContext& c, const std::string& path,
                  const CallForward& forward, std::string_view owner,
                  const std::string& profile) {
  if (!forward.IsSet()) {
    if (!forward.calling_search_space.empty()) {
      c.Add(path + ".number", "DESTINATION_REQUIRED",
            "give a number or voicemail, or leave the forwarding out");
    }
    return;
  }
  if (!forward.voicemail) {
    CheckNumber(c, path + ".number", forward.number);
    return;
  }
  if (profile.empty() &&
      DefaultVoicemailProfile(c.plan, TenantOf(owner)) == nullptr) {
    c.Add(path + ".voicemail", "VOICEMAIL_PROFILE_REQUIRED",
          "there is no voicemail profile, and the tenant has no default one");
  }
}

void CheckDistinct(const RuleContext& c, const char* field,
                   const std::vector<std::string>& items) {
  std::set<std::string_view> seen;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!seen.insert(items[i]).second) {
      c.Add(ItemPath(field, i), "DUPLICATE_VALUE", "it is given twice");
    }
  }
}

void CheckChosenPeer(const RuleContext& c, const std::string& field,
                     const std::string& name) {
  const PeerEntry* peer = c.plan.Get<PeerEntry>(name);
  if (peer == nullptr) return;  // told as a reference
  if (peer->status == PeerStatus::kDisabled) {
    c.Add(field, "PEER_DISABLED", absl::StrCat(name, " is disabled"));
  }
  if (!peer->outcalls_allowed) {
    c.Add(field, "OUTCALLS_NOT_ALLOWED",
          absl::StrCat(name, " may not be called: outcalls_allowed"));
  }
}

const VoicemailProfileEntry* DefaultVoicemailProfile(const Plan& plan,
                                                     std::string_view tenant) {
  const auto& holders =
      plan.HoldersOf(absl::StrCat("default-profile/", AbslView(tenant)));
  return holders.empty() ? nullptr
                         : plan.Get<VoicemailProfileEntry>(*holders.begin());
}

}  // namespace sallyport::dialplan
