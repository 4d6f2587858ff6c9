// What a call needs to find in a snapshot, by hash.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_INDEX_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_INDEX_H_

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/shared_map.h"
#include "services/common/status/check.h"

namespace sallyport {

// A snapshot with its indexes, or those of a region's tenants together. Each
// lookup costs one hash or two, whatever the size of the plan; a null pointer
// means "there is none". Pointers live as long as the index. Where two entries
// claim one key the first by name has it: the checker of dialplan refuses such
// a plan. Immutable.
class PlanIndex {
 public:
  // Tenants that are indexed each by itself, as RegionPlan keeps them.
  struct Region {
    // Who has a key that only one can have, in order of their names.
    using Claimants = absl::InlinedVector<std::string, 1>;

    int64_t version = 0;
    std::string checksum;
    // By name, and in order of it; they must outlive the index.
    absl::flat_hash_map<std::string, const PlanIndex*> tenants;
    std::vector<const PlanIndex*> in_order;
    SharedMap<Claimants> claims;
  };

  explicit PlanIndex(std::shared_ptr<const PlanSnapshot> snapshot);
  explicit PlanIndex(Region region);
  ~PlanIndex();

  PlanIndex(const PlanIndex&) = delete;
  PlanIndex& operator=(const PlanIndex&) = delete;

  // Of an index that is of one.
  const PlanSnapshot& snapshot() const {
    SP_CHECK(snapshot_ != nullptr);
    return *snapshot_;
  }
  int64_t version() const;
  const std::string& checksum() const;
  // That of one tenant; itself if it is of one snapshot, null if it has no such
  // tenant. The same object for as long as the tenant has not changed.
  const PlanIndex* PartOf(std::string_view tenant) const;

  // Calls `visit` with each entry of a kind, in order of name:
  // ForEach<PeerEntry>([](const PeerEntry& peer) { ... }).
  template <typename Entry, typename Visitor>
  void ForEach(Visitor visit) const {
    for (const PlanIndex* tenant : region_.in_order) {
      tenant->ForEach<Entry>(visit);
    }
    if (snapshot_ == nullptr) return;
    ForEachList(*snapshot_, [&visit](const auto& list) {
      using Listed = typename std::decay_t<decltype(list)>::value_type;
      if constexpr (std::is_same_v<Listed, Entry>) {
        for (const Entry& entry : list) visit(entry);
      }
    });
  }
  // The tenant, if there is one and no other.
  const TenantEntry* OnlyTenant() const;

  // By resource name.
  const TenantEntry* Tenant(std::string_view name) const;
  const DialPlanEntry* DialPlan(std::string_view name) const;
  const PeerEntry* Peer(std::string_view name) const;
  const UserEntry* User(std::string_view name) const;
  const PhoneEntry* Phone(std::string_view name) const;
  const CallingSearchSpaceEntry* CallingSearchSpace(
      std::string_view name) const;
  // The same of any kind: Find<LineEntry>("tenants/t/lines/l").
  template <typename Entry>
  const Entry* Find(std::string_view name) const;

  // The tenant that owns a SIP domain; `domain` in any case.
  const TenantEntry* TenantOfDomain(std::string_view domain) const;
  // The user of a digest or an address of record. The username is compared
  // exactly (RFC 3261 section 19.1.4), the domain without regard to case.
  const UserEntry* UserAt(std::string_view username,
                          std::string_view domain) const;
  // The realm of the first user that has the domain, which is in any case;
  // empty if none has it.
  std::string_view RealmOf(std::string_view domain) const;
  // The phone that a certificate's CN names; exact.
  const PhoneEntry* PhoneByDevice(std::string_view device_name) const;
  // The user that registers from the phone; null if it names none.
  const UserEntry* UserOfDevice(std::string_view device_name) const;
  // The security mode of a dial plan, by name; kSecured if there is none such,
  // so that a fault here never opens a leg.
  SecurityMode ModeOf(std::string_view dial_plan) const;
  // The peer that a certificate's subject identifies on an incoming port: its
  // `x509_subjects`, or its FQDN if it names none. `subject` in any case.
  const PeerEntry* PeerBySubject(std::string_view subject,
                                 uint32_t incoming_port) const;
  // The peer that calls in clear from an address on a port: by a literal in
  // its `source_addresses`, or by its `address` if there are none. Prefixes
  // are not looked at: peers_with_prefixes() lists them.
  const PeerEntry* PeerByAddress(std::string_view address,
                                 uint32_t incoming_port) const;
  // Peers that call in clear from prefixes ("192.0.2.0/24"), for an owner that
  // can compare addresses.
  const std::vector<const PeerEntry*>& peers_with_prefixes() const {
    return peers_with_prefixes_;
  }

  // The keys of an index of one snapshot that only one tenant of a region can
  // have: domains, devices, subjects and addresses. Sorted.
  std::vector<std::string> Claims() const;

 private:
  // What is found by what. Not here, as many files read this one.
  struct Maps;

  // The first tenant that has the key, or null.
  const PlanIndex* Claimant(std::string_view key) const;

  const std::shared_ptr<const PlanSnapshot> snapshot_;  // or null, then
  const Region region_;
  const std::unique_ptr<Maps> maps_;
  std::vector<const PeerEntry*> peers_with_prefixes_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_INDEX_H_
