// What a resource matches, whatever its kind.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_ENTRY_PATTERN_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_ENTRY_PATTERN_H_

#include <optional>
#include <string>
#include <string_view>

#include "services/common/digit_analysis/plan_entry.h"

namespace sallyport::dialplan {

// The pattern of an entry, which must outlive it.
struct EntryPattern {
  // Patterns compete with those of their own table.
  enum class Table { kCalls, kCalledChanges, kCallingChanges };

  Table table = Table::kCalls;
  std::string text;            // for DialPattern::Parse
  std::string_view partition;  // empty: the null partition
  std::string_view numbering_plan;
  bool disabled = false;
  // One of many numbers, such as an extension, that come and go by themselves.
  bool is_number = false;
  int rank = 0;            // the less wins between equals of one partition
  std::string_view field;  // "route_pattern.pattern"

  bool operator==(const EntryPattern&) const = default;
};

// Nothing for entries that have none: users, whose numbers are several, and
// route patterns by sip_domain among them. Pure.
std::optional<EntryPattern> PatternOf(const PlanEntry& entry);

// Whether what `after` takes is what `before` took; null: nothing did. Pure.
bool TakesTheSame(const PlanEntry* before, const PlanEntry& after);

// Where entries of a table and a partition are: the partition, or for the null
// partition the tenant of `name`.
std::string_view SpaceOf(const EntryPattern& pattern, std::string_view name);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_ENTRY_PATTERN_H_
