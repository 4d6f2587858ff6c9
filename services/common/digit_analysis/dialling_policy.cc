#include "services/common/digit_analysis/dialling_policy.h"

#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/numbering_plan.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

constexpr uint32_t BitOf(TollClass toll_class) {
  return uint32_t{1} << static_cast<uint32_t>(toll_class);
}

}  // namespace

std::string_view TollClassName(TollClass toll_class) {
  switch (toll_class) {
    case TollClass::kInternal:
      return "internal";
    case TollClass::kEmergency:
      return "emergency";
    case TollClass::kLocal:
      return "local";
    case TollClass::kNational:
      return "national";
    case TollClass::kInternational:
      return "international";
    case TollClass::kPremium:
      return "premium";
  }
  return "unknown";
}

absl::StatusOr<DiallingPolicy> DiallingPolicy::Compile(
    const PlanSnapshot& snapshot) {
  DiallingPolicy out;
  for (const DiallingRestrictionEntry& entry : snapshot.dialling_restrictions) {
    Restriction restriction;
    for (const TollClass allowed : entry.allowed) {
      restriction.allowed |= BitOf(allowed);
    }
    for (const DiallingRule& rule : entry.rules) {
      auto patterns = ParsePatterns(rule.number_mask, "");
      if (!patterns.ok()) {
        return MakeError(
            patterns.status().code(), ReasonOf(patterns.status()),
            absl::StrCat(entry.name, ": ", patterns.status().message()));
      }
      restriction.rules.push_back({*std::move(patterns), &rule});
    }
    restriction.entry = &entry;
    out.restrictions_.try_emplace(entry.name, std::move(restriction));
  }
  return out;
}

const DiallingRestrictionEntry* DiallingPolicy::Find(
    std::string_view restriction) const {
  const auto it = restrictions_.find(restriction);
  return it == restrictions_.end() ? nullptr : it->second.entry;
}

DiallingPolicy::Verdict DiallingPolicy::Check(std::string_view restriction,
                                              std::string_view number,
                                              TollClass toll_class, bool inside,
                                              bool explain) const {
  // A call for help is not a matter of policy.
  if (toll_class == TollClass::kEmergency) return {true, ""};
  const auto it = restrictions_.find(restriction);
  if (it == restrictions_.end()) {
    if (inside || toll_class == TollClass::kInternal) return {true, ""};
    return {false, absl::StrCat("the caller has no dialling restriction that "
                                "allows calls of toll class ",
                                AbslView(TollClassName(toll_class)))};
  }
  for (const Rule& rule : it->second.rules) {
    bool matches = false;
    for (const DialPattern& pattern : rule.patterns) {
      matches = matches || (!number.empty() && pattern.Matches(number));
    }
    if (!matches) continue;
    if (rule.rule->allow && !explain) return {true, ""};
    return {rule.rule->allow,
            absl::StrCat("rule ", rule.rule->number_mask,
                         rule.rule->group.empty() ? "" : " of group ",
                         rule.rule->group, " of ", AbslView(restriction),
                         rule.rule->allow ? " allows it" : " denies it")};
  }
  if (inside) return {true, ""};
  const bool allowed = (it->second.allowed & BitOf(toll_class)) != 0;
  if (allowed && !explain) return {true, ""};
  return {allowed, absl::StrCat(AbslView(restriction),
                                allowed ? " allows" : " does not allow",
                                " calls of toll class ",
                                AbslView(TollClassName(toll_class)))};
}

}  // namespace sallyport
