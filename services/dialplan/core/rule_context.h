// What a rule of the plan looks at, and where it puts what it finds.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_RULE_CONTEXT_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_RULE_CONTEXT_H_

#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "services/dialplan/core/plan.h"
#include "services/dialplan/core/plan_fault.h"
#include "services/dialplan/core/rule_effort.h"

namespace sallyport::dialplan {

// One write under check. Thread-compatible.
struct RuleContext {
  const Plan& plan;          // with what is written
  const PlanRecord* before;  // what stood in its place; null: it is new
  PlanFaults& faults;
  RuleEffort* effort = nullptr;  // null: of this write alone

  void Add(std::string field, std::string_view reason,
           std::string description) const;
  // A fault that a parser of digit_analysis found; OK is none.
  void AddStatus(std::string field, const absl::Status& status) const;

  // What stood in its place, if that was of the same kind.
  template <typename Entry>
  const Entry* Before() const {
    return before == nullptr ? nullptr : std::get_if<Entry>(&before->entry);
  }
};

// "peer.source_addresses[3]", with `rest` behind it.
template <typename... Pieces>
std::string ItemPath(const char* field, size_t i, Pieces... rest) {
  return absl::StrCat(field, "[", i, "]", rest...);
}

// Letters, digits and those of `extra`, at least one.
bool IsWord(std::string_view text, std::string_view extra);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_RULE_CONTEXT_H_
