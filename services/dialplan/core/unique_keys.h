// What at most one resource may hold.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_UNIQUE_KEYS_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_UNIQUE_KEYS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/common/digit_analysis/plan_entry.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/entry_pattern.h"

namespace sallyport::dialplan {

// One thing that its holder has for itself, in the whole installation; what is
// unique in less than that has its place in the key.
struct UniqueKey {
  std::string field;  // of the holder: "peer.fqdn"
  std::string key;    // "subject/gw.example.test:5061"
};

// The keys that an entry holds. `peer` is the entry with its defaults resolved
// if it is a peer, else null. Patterns are compared by what they match, not by
// how they are written: "[12]X" and "[21]X" are one. Pure.
std::vector<UniqueKey> UniqueKeysOf(const PlanEntry& entry,
                                    const PeerEntry* peer);

// The key of a number that reaches a user or line in the null partition.
std::string NumberKey(std::string_view tenant, std::string_view number);

// The key of a pattern of exactly this number, of any kind that takes calls,
// in `space`: a partition, or a tenant for its null partition. Likewise one of
// another table.
std::string ExactPatternKey(std::string_view space, std::string_view number);
std::string ExactPatternKey(EntryPattern::Table table, std::string_view space,
                            std::string_view number);

// What the keys of all patterns of a table and space begin with whose first
// elements are the single symbols `digits`, but for those with '@'.
std::string PatternKeyPrefix(EntryPattern::Table table, std::string_view space,
                             std::string_view digits);

// Where a pattern with wildcards is to be looked for: its table and space, LF,
// and the digits that it begins with. Nothing for other entries.
std::optional<std::string> WildcardPlace(const PlanEntry& entry);
std::string WildcardPlace(EntryPattern::Table table, std::string_view space,
                          std::string_view digits);

// The same of a pattern of one number that takes calls, and of a line that
// forwards all of them: its place has all of its digits. Nothing for other
// entries, other lines and lamp numbers among them, which are many.
std::optional<std::string> ExactPlace(const PlanEntry& entry);

// The number that a directory number, which is a pattern of one number, is:
// "\\+1201" is "+1201". Empty if it is none.
std::string NumberOfDirectory(std::string_view directory_number);

// What is wrong when a second one holds such a key, for programs and for
// people ("the same pattern in the same partition is held").
std::string_view ReasonOfKey(std::string_view key);
std::string_view DescriptionOfKey(std::string_view key);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_UNIQUE_KEYS_H_
