#include "services/common/digit_analysis/plan_table.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/digit_analysis/numbering_plan.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

absl::Status Named(const std::string& name, const absl::Status& status) {
  return MakeError(status.code(), ReasonOf(status),
                   absl::StrCat(name, ": ", status.message()));
}

}  // namespace

absl::StatusOr<std::string> NumberOfPattern(std::string_view text) {
  if (text.substr(0, 2) == "\\+") text.remove_prefix(1);
  SP_ASSIGN_OR_RETURN(const Number number, Number::Parse(text));
  return number.text();
}

void ForEachPattern(const PlanSnapshot& snapshot,
                    absl::FunctionRef<void(const PatternRef&)> visit) {
  static const std::string& null_partition = *new std::string;
  uint32_t index = 0;
  for (const RoutePatternEntry& e : snapshot.route_patterns) {
    const uint32_t i = index++;
    if (!e.sip_domain.empty() && e.pattern.empty()) continue;
    visit({PatternKind::kRoutePattern, i, &e.name, &e.partition, e.pattern,
           e.numbering_plan, e.urgent_priority, e.disabled});
  }
  index = 0;
  for (const TranslationPatternEntry& e : snapshot.translation_patterns) {
    visit({PatternKind::kTranslationPattern, index++, &e.name, &e.partition,
           e.pattern, e.numbering_plan, e.urgent_priority, e.disabled});
  }
  index = 0;
  for (const HuntPilotEntry& e : snapshot.hunt_pilots) {
    visit({PatternKind::kHuntPilot, index++, &e.name, &e.partition, e.pattern,
           "", e.urgent_priority});
  }
  index = 0;
  for (const MessageWaitingNumberEntry& e : snapshot.message_waiting_numbers) {
    visit({PatternKind::kMessageWaitingNumber, index++, &e.name, &e.partition,
           e.number, ""});
  }
  index = 0;
  for (const LineEntry& e : snapshot.lines) {
    visit({PatternKind::kLine, index++, &e.name, &e.partition,
           e.directory_number, ""});
  }
  index = 0;
  for (const UserEntry& e : snapshot.users) {
    for (const std::string& text : PatternsOfUser(e)) {
      visit({PatternKind::kUser, index, &e.name, &null_partition, text, ""});
    }
    ++index;
  }
}

// Fills a table. Thread-compatible.
class PlanTable::Compiler {
 public:
  Compiler(const PlanSnapshot& snapshot, PlanTable& table)
      : snapshot_(snapshot), table_(table) {}

  absl::Status Run() {
    for (const TenantEntry& tenant : snapshot_.tenants) {
      table_.null_space_.try_emplace(tenant.name, next_space_++);
    }
    spaces_.reserve(snapshot_.partitions.size());
    for (const PartitionEntry& partition : snapshot_.partitions) {
      if (partition.disabled) continue;
      spaces_.try_emplace(partition.name, next_space_++);
    }
    for (const CallingSearchSpaceEntry& css : snapshot_.calling_search_spaces) {
      Spaces& spaces = table_.search_spaces_[css.name];
      for (const std::string& partition : css.partitions) {
        const auto it = spaces_.find(partition);
        if (it != spaces_.end()) spaces.push_back(it->second);
      }
    }
    ForEachPattern(snapshot_, [this](const PatternRef& ref) {
      if (status_.ok() && !ref.disabled) status_ = Add(ref);
    });
    if (!status_.ok()) return status_;
    AddDomains();
    SP_RETURN_IF_ERROR(
        AddChanges(snapshot_.called_party_transformations, table_.called_));
    SP_RETURN_IF_ERROR(
        AddChanges(snapshot_.calling_party_transformations, table_.calling_));
    table_.calls_ = std::move(builder_).Build();
    table_.rows_.shrink_to_fit();
    return absl::OkStatus();
  }

 private:
  // Nothing: its partition is disabled.
  std::optional<uint32_t> SpaceOf(std::string_view name,
                                  const std::string& partition) const {
    if (partition.empty()) {
      const auto it = table_.null_space_.find(AbslView(TenantOf(name)));
      if (it == table_.null_space_.end()) return std::nullopt;
      return it->second;
    }
    const auto it = spaces_.find(partition);
    if (it == spaces_.end()) return std::nullopt;
    return it->second;
  }

  absl::Status Add(const PatternRef& ref) {
    const std::optional<uint32_t> space = SpaceOf(*ref.name, *ref.partition);
    if (!space.has_value()) return absl::OkStatus();
    Row row{ref.index, 0, ref.kind, ref.urgent};
    if (ref.kind >= PatternKind::kMessageWaitingNumber) {
      absl::StatusOr<std::string> number = NumberOfPattern(ref.text);
      if (!number.ok()) return Named(*ref.name, number.status());
      builder_.AddNumber(*space, *number);
      table_.rows_.push_back(row);
      return absl::OkStatus();
    }
    const auto patterns = ParsePatterns(ref.text, ref.numbering_plan);
    if (!patterns.ok()) return Named(*ref.name, patterns.status());
    for (const DialPattern& pattern : *patterns) {
      builder_.Add(*space, pattern);
      table_.rows_.push_back(row);
      ++row.form;
    }
    return absl::OkStatus();
  }

  void AddDomains() {
    for (uint32_t i = 0; i < snapshot_.route_patterns.size(); ++i) {
      const RoutePatternEntry& entry = snapshot_.route_patterns[i];
      if (entry.sip_domain.empty() || entry.disabled) continue;
      if (const auto space = SpaceOf(entry.name, entry.partition)) {
        table_.domains_.try_emplace({*space, entry.sip_domain}, i);
      }
    }
  }

  template <typename Entry>
  absl::Status AddChanges(const std::vector<Entry>& entries, Changes& out) {
    RouteTable::Builder builder;
    for (uint32_t i = 0; i < entries.size(); ++i) {
      const auto space = SpaceOf(entries[i].name, entries[i].partition);
      if (!space.has_value()) continue;
      const auto patterns =
          ParsePatterns(entries[i].pattern, entries[i].numbering_plan);
      if (!patterns.ok()) return Named(entries[i].name, patterns.status());
      uint16_t form = 0;
      for (const DialPattern& pattern : *patterns) {
        builder.Add(*space, pattern);
        out.rows.push_back({i, form++});
      }
    }
    out.table = std::move(builder).Build();
    return absl::OkStatus();
  }

  const PlanSnapshot& snapshot_;
  PlanTable& table_;
  absl::Status status_;
  RouteTable::Builder builder_;
  uint32_t next_space_ = 0;
  absl::flat_hash_map<std::string_view, uint32_t> spaces_;  // by partition
};

absl::StatusOr<PlanTable> PlanTable::Compile(const PlanSnapshot& snapshot) {
  PlanTable table;
  SP_RETURN_IF_ERROR(Compiler(snapshot, table).Run());
  return table;
}

void PlanTable::AddSearchSpace(std::string_view search_space,
                               Spaces& spaces) const {
  const auto it = search_spaces_.find(AbslView(search_space));
  if (it == search_spaces_.end()) return;
  spaces.insert(spaces.end(), it->second.begin(), it->second.end());
}

void PlanTable::AddNullPartition(std::string_view tenant,
                                 Spaces& spaces) const {
  const auto it = null_space_.find(AbslView(tenant));
  if (it != null_space_.end()) spaces.push_back(it->second);
}

std::optional<PlanTable::Found> PlanTable::Find(const Spaces& spaces,
                                                std::string_view number) const {
  const auto match = calls_.Find(spaces, number);
  if (!match.has_value()) return std::nullopt;
  const Row& row = rows_[match->row];
  return Found{row.kind, row.index, row.urgent, row.form};
}

std::optional<uint32_t> PlanTable::FindDomain(const Spaces& spaces,
                                              std::string_view host) const {
  if (domains_.empty()) return std::nullopt;
  std::string domain(host);
  for (;;) {
    for (const uint32_t space : spaces) {
      const auto it = domains_.find(std::make_pair(space, domain));
      if (it != domains_.end()) return it->second;
    }
    // ".b.test" takes every host below it, but not "b.test" itself.
    const size_t dot = domain.find('.', domain[0] == '.' ? 1 : 0);
    if (dot == std::string::npos) return std::nullopt;
    domain.erase(0, dot);
  }
}

std::optional<PlanTable::FoundChange> PlanTable::FindIn(
    const Changes& changes, const Spaces& spaces, std::string_view number) {
  const auto match = changes.table.Find(spaces, number);
  if (!match.has_value()) return std::nullopt;
  return changes.rows[match->row];
}

std::optional<PlanTable::FoundChange> PlanTable::FindCalledChange(
    const Spaces& spaces, std::string_view number) const {
  return FindIn(called_, spaces, number);
}

std::optional<PlanTable::FoundChange> PlanTable::FindCallingChange(
    const Spaces& spaces, std::string_view number) const {
  return FindIn(calling_, spaces, number);
}

size_t PlanTable::memory() const {
  size_t out = calls_.memory() + called_.table.memory() +
               calling_.table.memory() + rows_.capacity() * sizeof(Row);
  for (const auto& [name, spaces] : search_spaces_) {
    out += name.capacity() + sizeof(spaces);
  }
  return out;
}

}  // namespace sallyport
