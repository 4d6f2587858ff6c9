// What a call needs to find in a snapshot, by hash.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_INDEX_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_INDEX_H_

#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "services/common/digit_analysis/plan_entry.h"
#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport {

// A snapshot with its indexes. Each lookup costs one hash, whatever the size
// of the plan; a null pointer means "there is none". Pointers live as long as
// the index. Where two entries claim one key the first by name has it: the
// checker of dialplan refuses such a plan. Immutable.
class PlanIndex {
 public:
  explicit PlanIndex(std::shared_ptr<const PlanSnapshot> snapshot);

  PlanIndex(const PlanIndex&) = delete;
  PlanIndex& operator=(const PlanIndex&) = delete;

  const PlanSnapshot& snapshot() const { return *snapshot_; }

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
  const Entry* Find(std::string_view name) const {
    const ByName<Entry>& map = std::get<ByName<Entry>>(by_name_);
    const auto it = map.find(name);
    return it == map.end() ? nullptr : it->second;
  }

  // The tenant that owns a SIP domain; `domain` in any case.
  const TenantEntry* TenantOfDomain(std::string_view domain) const;
  // The user of a digest or an address of record. The username is compared
  // exactly (RFC 3261 section 19.1.4), the domain without regard to case.
  const UserEntry* UserAt(std::string_view username,
                          std::string_view domain) const;
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

 private:
  template <typename Entry>
  using ByName = absl::flat_hash_map<std::string_view, const Entry*>;
  // One map for each alternative of PlanEntry.
  template <typename Variant>
  struct ByNameOfAll;
  template <typename... Entries>
  struct ByNameOfAll<std::variant<Entries...>> {
    using Maps = std::tuple<ByName<Entries>...>;
  };
  template <typename Entry>
  using ByPair =
      absl::flat_hash_map<std::pair<std::string, std::string>, const Entry*>;

  std::shared_ptr<const PlanSnapshot> snapshot_;
  ByNameOfAll<PlanEntry>::Maps by_name_;
  absl::flat_hash_map<std::string, const TenantEntry*> tenant_of_domain_;
  ByPair<UserEntry> user_at_;
  ByName<PhoneEntry> phone_by_device_;
  ByPair<PeerEntry> peer_by_subject_;
  ByPair<PeerEntry> peer_by_address_;
  std::vector<const PeerEntry*> peers_with_prefixes_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_INDEX_H_
