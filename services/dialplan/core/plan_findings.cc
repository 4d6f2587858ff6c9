#include "services/dialplan/core/plan_findings.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/dialplan/core/cover_rules.h"
#include "services/dialplan/core/entry_pattern.h"
#include "services/dialplan/core/loop_rules.h"
#include "services/dialplan/core/number_walk.h"
#include "services/dialplan/core/rule_context.h"
#include "services/dialplan/core/unique_keys.h"
#include "services/dialplan/core/voicemail_rules.h"

namespace sallyport::dialplan {
namespace {

using State = CoverAnswer::State;

// Search spaces that are looked at for one pattern, and patterns counted in a
// partition.
constexpr size_t kMaxSpaces = 64;
constexpr size_t kMaxCounted = 1000;

// The search spaces that show a partition.
std::vector<const CallingSearchSpaceEntry*> SpacesWith(
    const Plan& plan, const std::string& partition) {
  std::vector<const CallingSearchSpaceEntry*> out;
  const auto& all = plan.ReferrersOf(partition);
  const std::string prefix =
      absl::StrCat(AbslView(TenantOf(partition)), "/callingSearchSpaces/");
  for (auto it = all.lower_bound(prefix);
       it != all.end() && it->compare(0, prefix.size(), prefix) == 0; ++it) {
    if (const auto* css = plan.Get<CallingSearchSpaceEntry>(*it)) {
      out.push_back(css);
    }
  }
  return out;
}

// "12", or "1000 or more"; 0 is none.
size_t CountPatternsIn(const Plan& plan, const std::string& partition) {
  size_t out = 0;
  for (const std::string& name : plan.ReferrersOf(partition)) {
    const RecordPtr record = plan.Find(name);
    if (record != nullptr && PatternOf(record->entry).has_value() &&
        ++out == kMaxCounted) {
      break;
    }
  }
  return out;
}

std::string CountText(size_t count) {
  return absl::StrCat(count, count == kMaxCounted ? " or more" : "");
}

// Thread-compatible.
class Finder {
 public:
  Finder(const Plan& plan, const PlanRecord& record, RuleEffort& effort)
      : plan_(plan), record_(record), effort_(effort) {}

  std::vector<NamedFault> Find() {
    std::visit(*this, record_.entry);
    if (const auto pattern = PatternOf(record_.entry)) OfPattern(*pattern);
    return std::move(out_);
  }

  void operator()(const PartitionEntry& partition) {
    const bool shown = !SpacesWith(plan_, partition.name).empty();
    if (shown && !partition.disabled) return;
    const size_t patterns = CountPatternsIn(plan_, partition.name);
    if (patterns == 0) return;
    if (!shown) {
      Add("partition.name", "PARTITION_NOT_SHOWN",
          absl::StrCat("no search space has it, so that no call reaches the ",
                       CountText(patterns), " patterns and numbers in it"));
    } else {
      Add("partition.disabled", "PARTITION_DISABLED",
          absl::StrCat("no call reaches the ", CountText(patterns),
                       " patterns and numbers in it"));
    }
  }

  void operator()(const CallingSearchSpaceEntry& css) {
    if (!plan_.ReferrersOf(css.name).empty()) return;
    Add("calling_search_space.name", "SEARCH_SPACE_UNUSED",
        "nobody calls by it: no resource names it");
  }

  void operator()(const PeerEntry& peer) {
    // UM-74.
    if (peer.ipsec_enabled != peer.network_link.ipsec_at_peer) {
      Add(peer.ipsec_enabled ? "peer.network_link.ipsec_at_peer"
                             : "peer.ipsec_enabled",
          "IPSEC_ONE_SIDED",
          peer.ipsec_enabled
              ? "there is an IPsec policy of ours and none at the peer"
              : "there is an IPsec policy at the peer and none of ours");
    }
    if (peer.kind != PeerKind::kIpGateway && peer.kind != PeerKind::kIpPbx) {
      return;
    }
    // UM-75, UM-76.
    constexpr char kCost[] =
        "in voice mail 1 second of every 3 was found to be lost so: gateways "
        "and PBXs are to be exempt";
    if (peer.ipsec_enabled) {
      Add("peer.ipsec_enabled", "IPSEC_GATEWAY_NOT_EXEMPT", kCost);
    }
    if (peer.network_link.network_encryption == NetworkEncryption::kCovered) {
      Add("peer.network_link.network_encryption",
          "NETWORK_ENCRYPTION_COVERS_GATEWAY", kCost);
    }
  }

  void operator()(const UserEntry& user) {
    const std::string_view tenant = TenantOf(user.name);
    for (size_t i = 0; i < user.phone_numbers.size(); ++i) {
      for (const std::string& name :
           plan_.HoldersOf(ExactPatternKey(tenant, user.phone_numbers[i]))) {
        const RecordPtr other = plan_.Find(name);
        if (other == nullptr ||
            std::holds_alternative<LineEntry>(other->entry) ||
            PatternOf(other->entry)->disabled) {
          continue;
        }
        Add(ItemPath("user.phone_numbers", i), "USER_NUMBER_OVERRULED",
            absl::StrCat(name, " takes every call to this number"));
      }
    }
  }

  void operator()(const VoicemailPilotEntry& pilot) {
    const NumberWalk walk = WalkNumber(
        plan_, TenantOf(pilot.name), pilot.calling_search_space, pilot.number);
    if (walk.end == NumberWalk::End::kNowhere) {
      Add("voicemail_pilot.number", "PILOT_NUMBER_NOT_TAKEN",
          "nothing takes this number in its search space, so that calls to "
          "voicemail are refused");
    }
    CheckRules([&](const RuleContext& c) { CheckPilotLoop(c, pilot); });
  }
  void operator()(const VoicemailPortGroupEntry& group) {
    CheckRules([&](const RuleContext& c) { FindInPortGroup(c, group); });
  }
  void operator()(const TranslationPatternEntry& entry) {
    CheckRules([&](const RuleContext& c) { CheckTranslationLoop(c, entry); });
  }
  void operator()(const LineEntry& line) {
    CheckRules([&](const RuleContext& c) { CheckLineLoops(c, line); });
  }
  void operator()(const HuntPilotEntry& pilot) {
    CheckRules([&](const RuleContext& c) { CheckHuntPilotLoops(c, pilot); });
  }
  template <typename Entry>
  void operator()(const Entry&) {}

 private:
  void Add(std::string field, std::string_view reason, std::string what) {
    out_.push_back({record_.name(),
                    {std::move(field), std::string(reason), std::move(what)}});
  }

  // What an older release has taken, or a rule has to say beside faults.
  template <typename Check>
  void CheckRules(Check check) {
    PlanFaults faults;
    const size_t unchecked = effort_.unchecked.size();
    check(RuleContext{plan_, nullptr, faults, &effort_});
    for (PlanFault& fault : faults) {
      out_.push_back({record_.name(), std::move(fault)});
    }
    for (size_t i = unchecked; i < effort_.unchecked.size(); ++i) {
      out_.push_back(effort_.unchecked[i]);
    }
    effort_.unchecked.resize(unchecked);
  }

  Cover Ask(CoverQuery query) {
    CoverBudget budget = effort_.Take();
    const Cover cover = CoverOf(plan_, record_, query, budget);
    effort_.GiveBack(budget);
    return cover;
  }

  void OfPattern(const EntryPattern& pattern) {
    if (pattern.disabled || pattern.is_number) return;
    CoverQuery own;
    own.spaces.emplace_back(SpaceOf(pattern, record_.name()));
    own.with_numbers = true;
    std::vector<CoverQuery> queries;
    if (pattern.partition.empty()) {
      queries.push_back(own);
    } else {
      const std::string partition(pattern.partition);
      const auto* entry = plan_.Get<PartitionEntry>(partition);
      if (entry == nullptr || entry->disabled) return;  // told of itself
      for (const auto* css : SpacesWith(plan_, partition)) {
        if (queries.size() == kMaxSpaces) break;
        CoverQuery query;
        query.with_numbers = true;
        for (const std::string& name : css->partitions) {
          const auto* one = plan_.Get<PartitionEntry>(name);
          if (one != nullptr && !one->disabled) query.spaces.push_back(name);
        }
        query.spaces.emplace_back(TenantOf(record_.name()));
        queries.push_back(std::move(query));
      }
      if (queries.empty()) return;  // told of the partition
    }
    Cover last;
    for (const CoverQuery& query : queries) {
      last = Ask(query);
      if (last.state == State::kOpen) return;
      if (last.state == State::kUnknown) {
        return Add(std::string(pattern.field), "PATTERN_NOT_CHECKED",
                   "whether other patterns leave it a number was not found "
                   "out: there are too many of them");
      }
    }
    // In every one something else wins: is it so in its own partition?
    const std::string field(pattern.field);
    const Cover numbers = Ask(own);
    if (numbers.state != State::kCovered) {
      return Add(field, "PATTERN_OVERRULED",
                 absl::StrCat("in every search space that shows it all its "
                              "numbers are taken by others, such as ",
                              NamesText(last.winners)));
    }
    own.with_numbers = false;
    const Cover patterns = Ask(own);
    if (patterns.state != State::kCovered) {
      return Add(field, "PATTERN_COVERED_BY_NUMBERS",
                 absl::StrCat("numbers of its partition leave it none: ",
                              NamesText(numbers.winners)));
    }
    Add(field, "PATTERN_NEVER_CHOSEN",
        absl::StrCat("no call ever takes it: ", NamesText(patterns.winners),
                     " of the same partition match every number that it "
                     "matches, more closely or as closely and first"));
  }

  const Plan& plan_;
  const PlanRecord& record_;
  RuleEffort& effort_;
  std::vector<NamedFault> out_;
};

}  // namespace

std::vector<NamedFault> FindingsOf(const Plan& plan, const PlanRecord& record,
                                   RuleEffort& effort) {
  return Finder(plan, record, effort).Find();
}

std::set<std::string> TouchedBy(const Plan& plan,
                                const std::vector<PlanDifference>& changes,
                                size_t limit) {
  std::set<std::string> out;
  const auto add = [&](const std::string& name) {
    if (out.size() < limit && plan.Find(name) != nullptr) out.insert(name);
  };
  std::set<std::string> partitions;
  std::set<std::string> tenants;
  for (const PlanDifference& change : changes) {
    for (const RecordPtr& record : {change.after, change.before}) {
      if (record == nullptr) continue;
      add(record->name());
      tenants.insert(std::string(TenantOf(record->name())));
      for (const Reference& reference : record->references) {
        if (reference.collection == "callingSearchSpaces") {
          add(reference.target);
        }
      }
      if (const auto pattern = PatternOf(record->entry)) {
        // Of a number the partition is known to be used.
        if (!pattern->partition.empty()) add(std::string(pattern->partition));
      } else if (const auto* css =
                     std::get_if<CallingSearchSpaceEntry>(&record->entry)) {
        partitions.insert(css->partitions.begin(), css->partitions.end());
      } else if (std::holds_alternative<PartitionEntry>(record->entry)) {
        partitions.insert(record->name());
      }
    }
  }
  for (const std::string& tenant : tenants) {
    for (const auto* pilot :
         plan.Under<VoicemailPilotEntry>(tenant + "/voicemailPilots/")) {
      add(pilot->name);
    }
    // What their cluster is may have changed with the tenant.
    for (const auto* group : plan.Under<VoicemailPortGroupEntry>(
             tenant + "/voicemailPortGroups/")) {
      add(group->name);
    }
  }
  for (const std::string& partition : partitions) {
    add(partition);
    for (const std::string& name : plan.ReferrersOf(partition)) {
      if (out.size() >= limit) break;
      const RecordPtr record = plan.Find(name);
      if (record == nullptr) continue;
      const auto pattern = PatternOf(record->entry);
      if (pattern.has_value() && !pattern->is_number) add(name);
    }
  }
  return out;
}

}  // namespace sallyport::dialplan
