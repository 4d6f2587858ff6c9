// All that is configured, with the indexes that its rules need.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_H_

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/plan_entry.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/plan_fault.h"
#include "services/dialplan/core/unique_keys.h"

namespace sallyport::dialplan {

// A field that names another resource.
struct Reference {
  std::string field;       // "peer.dial_plan", "phone.lines[2]"
  std::string target;      // "tenants/t/dialPlans/d"
  std::string collection;  // what it must be one of: "dialPlans"

  bool operator==(const Reference&) const = default;
};

// One resource as it is stored.
struct PlanRecord {
  PlanEntry entry;                    // as written, defaults unresolved
  std::vector<Reference> references;  // all that its body makes
  std::string body;  // the API's form of it, without etag, times and secrets
  std::string etag;
  absl::Time create_time = absl::UnixEpoch();
  absl::Time update_time = absl::UnixEpoch();
  // Faults of its fields alone, found before it came here; null: none. Such a
  // record is checked and taken out again, never kept.
  std::shared_ptr<const PlanFaults> shape_faults;

  const std::string& name() const { return NameOf(entry); }
};
using RecordPtr = std::shared_ptr<const PlanRecord>;

// The SIP certificate of an instance of signaling_edge, as it says itself.
struct EdgeCertificate {
  std::string edge;          // instance id
  bool client_auth = false;  // its extended key usage allows it

  bool operator==(const EdgeCertificate&) const = default;
};

// What is known of the instances of signaling_edge; not part of the plan.
struct EdgeSurvey {
  std::vector<EdgeCertificate> certificates;  // of those that answered
  // Their ids, if all that are configured to be asked have answered; unset:
  // who else there is, is not known.
  std::optional<std::vector<std::string>> instances;
};

// The state that rules are checked on: a resource is put in, the checker looks
// at the result, and the caller takes it out again if it is at fault. Every
// change costs as much as what it touches, not as much as the plan, but for
// tenants, dial plans and trunk security profiles, which touch their members.
// Thread-compatible.
class Plan {
 public:
  using Records = std::map<std::string, RecordPtr, std::less<>>;

  const Records& records() const { return records_; }
  // Null if there is none.
  RecordPtr Find(std::string_view name) const;
  // Null if there is none, or it is of another kind.
  template <typename Entry>
  const Entry* Get(std::string_view name) const {
    const auto it = records_.find(name);
    return it == records_.end() ? nullptr
                                : std::get_if<Entry>(&it->second->entry);
  }
  // All entries of one kind whose names begin with `prefix`.
  template <typename Entry>
  std::vector<const Entry*> Under(std::string_view prefix) const {
    std::vector<const Entry*> out;
    for (auto it = records_.lower_bound(prefix);
         it != records_.end() &&
         it->first.compare(0, prefix.size(), prefix) == 0;
         ++it) {
      if (const Entry* entry = std::get_if<Entry>(&it->second->entry)) {
        out.push_back(entry);
      }
    }
    return out;
  }

  // Puts a record in or replaces it; returns what was there, or null.
  RecordPtr Put(RecordPtr record);
  // Takes a record out; returns it, or null.
  RecordPtr Remove(std::string_view name);
  // Undoes a Put or Remove of `name`, which returned `before`.
  void Restore(const std::string& name, RecordPtr before);

  // Names of those that refer to `name`, in order.
  const std::set<std::string>& ReferrersOf(std::string_view name) const;
  // The keys that a resource holds, and the holders of a key, in order.
  const std::vector<UniqueKey>& KeysOf(std::string_view name) const;
  const std::set<std::string>& HoldersOf(std::string_view key) const;

  // What a resource of the plan matches, read once; empty if it has no pattern,
  // one that cannot be read, or a mere number (EntryPattern::is_number).
  const std::vector<DialPattern>& PatternsOf(const PlanRecord& record) const;
  // The records of patterns at a place that WildcardPlace() names.
  const std::set<const PlanRecord*>& WildcardsAt(
      const std::string& place) const;
  // Whether there are any at places, or holders of keys, that begin so.
  bool HasWildcardsUnder(const std::string& place) const;
  bool HasHoldersUnder(const std::string& key_prefix) const;
  // Calls `visit` with those at places, and the holders of keys, that begin so
  // until it returns false.
  void ForEachWildcardUnder(
      const std::string& place,
      absl::FunctionRef<bool(const PlanRecord& record)> visit) const;
  // The same of those that ExactPlace() names.
  void ForEachExactUnder(
      const std::string& place,
      absl::FunctionRef<bool(const PlanRecord& record)> visit) const;
  void ForEachHolderUnder(
      const std::string& key_prefix,
      absl::FunctionRef<bool(const std::string& name)> visit) const;

  // Those other than `name` whose source addresses share some with those of
  // `key`, on the same port, without being the same: that is told of the key
  // itself. Empty for a key of another kind.
  std::set<std::string> OverlappingSources(std::string_view name,
                                           const UniqueKey& key) const;
  // How many entries of a kind, by its index in PlanEntry, a tenant has.
  size_t CountOf(std::string_view tenant, size_t kind) const;

  const EdgeSurvey& edge_survey() const { return edge_survey_; }
  void set_edge_survey(EdgeSurvey survey) { edge_survey_ = std::move(survey); }
  // FIPS mode: no user may have MD5 from now on (IMP-70).
  bool approved_only() const { return approved_only_; }
  void set_approved_only(bool on) { approved_only_ = on; }

  // Entries with their defaults resolved.
  PeerEntry Effective(const PeerEntry& peer) const;
  UserEntry Effective(const UserEntry& user) const;
  // The TLS context in force for a peer, or null.
  const TlsContextEntry* ContextOf(const std::string& peer) const;
  // The phone that a user owns, or null.
  const PhoneEntry* PhoneOf(const UserEntry& user) const;

 private:
  size_t& CountIn(const PlanRecord& record);
  void Index(const PlanRecord& record);
  void Unindex(const PlanRecord& record);
  void IndexKeys(const PlanRecord& record);
  void UnindexKeys(const std::string& name);
  // Peers whose keys depend on the tenant, dial plan or profile `changed`.
  void ReindexMembers(const PlanEntry& changed);

  Records records_;
  std::map<std::string, std::set<std::string>, std::less<>> referrers_;
  std::map<std::string, std::vector<UniqueKey>, std::less<>> keys_;
  std::map<std::string, std::set<std::string>, std::less<>> holders_;
  using ByPlace = std::map<std::string, std::set<const PlanRecord*>>;
  static void ForEachUnder(
      const ByPlace& places, const std::string& place,
      absl::FunctionRef<bool(const PlanRecord& record)> visit);

  absl::flat_hash_map<const PlanRecord*, std::vector<DialPattern>> patterns_;
  ByPlace wildcards_;
  ByPlace exacts_;
  // By tenant, then by kind.
  std::map<std::string, std::array<size_t, std::variant_size_v<PlanEntry>>,
           std::less<>>
      counts_;
  EdgeSurvey edge_survey_;
  bool approved_only_ = false;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_H_
