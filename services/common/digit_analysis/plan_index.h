// What a call needs to find in a snapshot, by hash.

#ifndef SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_INDEX_H_
#define SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_INDEX_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
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
  const TenantEntry* Tenant(absl::string_view name) const;
  const DialPlanEntry* DialPlan(absl::string_view name) const;
  const PeerEntry* Peer(absl::string_view name) const;
  const UserEntry* User(absl::string_view name) const;
  const PhoneEntry* Phone(absl::string_view name) const;
  const CallingSearchSpaceEntry* CallingSearchSpace(
      absl::string_view name) const;

  // The tenant that owns a SIP domain; `domain` in any case.
  const TenantEntry* TenantOfDomain(absl::string_view domain) const;
  // The user of a digest or an address of record. The username is compared
  // exactly (RFC 3261 section 19.1.4), the domain without regard to case.
  const UserEntry* UserAt(absl::string_view username,
                          absl::string_view domain) const;
  // The phone that a certificate's CN names; exact.
  const PhoneEntry* PhoneByDevice(absl::string_view device_name) const;
  // All users whose `device_name` it is.
  const std::vector<const UserEntry*>& UsersOfDevice(
      absl::string_view device_name) const;
  // The peer that a certificate's subject identifies on an incoming port: its
  // `x509_subjects`, or its FQDN if it names none. `subject` in any case.
  const PeerEntry* PeerBySubject(absl::string_view subject,
                                 uint32_t incoming_port) const;
  // The peer that calls in clear from an address literal on a port.
  const PeerEntry* PeerByAddress(absl::string_view address,
                                 uint32_t incoming_port) const;

 private:
  template <typename Entry>
  using ByName = absl::flat_hash_map<absl::string_view, const Entry*>;
  template <typename Entry>
  using ByPair =
      absl::flat_hash_map<std::pair<std::string, std::string>, const Entry*>;

  std::shared_ptr<const PlanSnapshot> snapshot_;
  ByName<TenantEntry> tenants_;
  ByName<DialPlanEntry> dial_plans_;
  ByName<PeerEntry> peers_;
  ByName<UserEntry> users_;
  ByName<PhoneEntry> phones_;
  ByName<CallingSearchSpaceEntry> calling_search_spaces_;
  absl::flat_hash_map<std::string, const TenantEntry*> tenant_of_domain_;
  ByPair<UserEntry> user_at_;
  ByName<PhoneEntry> phone_by_device_;
  absl::flat_hash_map<absl::string_view, std::vector<const UserEntry*>>
      users_of_device_;
  ByPair<PeerEntry> peer_by_subject_;
  ByPair<PeerEntry> peer_by_address_;
};

}  // namespace sallyport

#endif  // SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_INDEX_H_
