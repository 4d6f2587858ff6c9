#include "services/dialplan/core/entry_pattern.h"

#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "services/common/digit_analysis/plan_defaults.h"

namespace sallyport::dialplan {
namespace {

using Table = EntryPattern::Table;

// The ranks are those of PatternKind.
struct Maker {
  std::optional<EntryPattern> operator()(const RoutePatternEntry& e) const {
    if (!e.sip_domain.empty()) return std::nullopt;
    return EntryPattern{
        Table::kCalls, e.pattern, e.partition, e.numbering_plan,
        e.disabled,    false,     0,           "route_pattern.pattern"};
  }
  std::optional<EntryPattern> operator()(
      const TranslationPatternEntry& e) const {
    return EntryPattern{
        Table::kCalls, e.pattern, e.partition, e.numbering_plan,
        e.disabled,    false,     1,           "translation_pattern.pattern"};
  }
  std::optional<EntryPattern> operator()(const HuntPilotEntry& e) const {
    return EntryPattern{
        Table::kCalls, e.pattern, e.partition, "",
        false,         false,     2,           "hunt_pilot.pattern"};
  }
  std::optional<EntryPattern> operator()(
      const MessageWaitingNumberEntry& e) const {
    const bool global = e.number.substr(0, 1) == "+";
    return EntryPattern{Table::kCalls,
                        absl::StrCat(global ? "\\" : "", e.number),
                        e.partition,
                        "",
                        false,
                        true,
                        3,
                        "message_waiting_number.number"};
  }
  std::optional<EntryPattern> operator()(const LineEntry& e) const {
    return EntryPattern{Table::kCalls,
                        e.directory_number,
                        e.partition,
                        "",
                        false,
                        true,
                        4,
                        "line.directory_number"};
  }
  std::optional<EntryPattern> operator()(
      const CalledPartyTransformationEntry& e) const {
    return EntryPattern{Table::kCalledChanges,
                        e.pattern,
                        e.partition,
                        e.numbering_plan,
                        false,
                        false,
                        0,
                        "called_party_transformation.pattern"};
  }
  std::optional<EntryPattern> operator()(
      const CallingPartyTransformationEntry& e) const {
    return EntryPattern{Table::kCallingChanges,
                        e.pattern,
                        e.partition,
                        e.numbering_plan,
                        false,
                        false,
                        0,
                        "calling_party_transformation.pattern"};
  }
  template <typename Entry>
  std::optional<EntryPattern> operator()(const Entry&) const {
    return std::nullopt;
  }
};

}  // namespace

std::optional<EntryPattern> PatternOf(const PlanEntry& entry) {
  return std::visit(Maker{}, entry);
}

bool TakesTheSame(const PlanEntry* before, const PlanEntry& after) {
  return before != nullptr && PatternOf(*before) == PatternOf(after);
}

std::string_view SpaceOf(const EntryPattern& pattern, std::string_view name) {
  return pattern.partition.empty() ? TenantOf(name) : pattern.partition;
}

}  // namespace sallyport::dialplan
