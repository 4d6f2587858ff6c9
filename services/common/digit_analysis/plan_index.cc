#include "services/common/digit_analysis/plan_index.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace sallyport {
namespace {

template <typename Map, typename Key>
auto Lookup(const Map& map, const Key& key) -> decltype(map.begin()->second) {
  const auto it = map.find(key);
  return it == map.end() ? nullptr : it->second;
}

template <typename Entry>
absl::flat_hash_map<absl::string_view, const Entry*> IndexByName(
    const std::vector<Entry>& entries) {
  absl::flat_hash_map<absl::string_view, const Entry*> out;
  out.reserve(entries.size());
  for (const Entry& entry : entries) out.try_emplace(entry.name, &entry);
  return out;
}

}  // namespace

PlanIndex::PlanIndex(std::shared_ptr<const PlanSnapshot> snapshot)
    : snapshot_(std::move(snapshot)),
      tenants_(IndexByName(snapshot_->tenants)),
      dial_plans_(IndexByName(snapshot_->dial_plans)),
      peers_(IndexByName(snapshot_->peers)),
      users_(IndexByName(snapshot_->users)),
      phones_(IndexByName(snapshot_->phones)),
      calling_search_spaces_(IndexByName(snapshot_->calling_search_spaces)) {
  for (const TenantEntry& tenant : snapshot_->tenants) {
    for (const std::string& domain : tenant.domains) {
      tenant_of_domain_.try_emplace(absl::AsciiStrToLower(domain), &tenant);
    }
  }
  for (const UserEntry& user : snapshot_->users) {
    user_at_.try_emplace({user.username, absl::AsciiStrToLower(user.domain)},
                         &user);
    if (!user.device_name.empty()) {
      users_of_device_[user.device_name].push_back(&user);
    }
  }
  for (const PhoneEntry& phone : snapshot_->phones) {
    phone_by_device_.try_emplace(phone.device_name, &phone);
  }
  for (const PeerEntry& peer : snapshot_->peers) {
    const std::string port = absl::StrCat(peer.incoming_port);
    for (const std::string& subject : peer.x509_subjects) {
      peer_by_subject_.try_emplace({absl::AsciiStrToLower(subject), port},
                                   &peer);
    }
    if (peer.x509_subjects.empty() && !peer.fqdn.empty()) {
      peer_by_subject_.try_emplace({absl::AsciiStrToLower(peer.fqdn), port},
                                   &peer);
    }
    if (!peer.address.empty()) {
      peer_by_address_.try_emplace({absl::AsciiStrToLower(peer.address), port},
                                   &peer);
    }
  }
}

const TenantEntry* PlanIndex::Tenant(absl::string_view name) const {
  return Lookup(tenants_, name);
}

const DialPlanEntry* PlanIndex::DialPlan(absl::string_view name) const {
  return Lookup(dial_plans_, name);
}

const PeerEntry* PlanIndex::Peer(absl::string_view name) const {
  return Lookup(peers_, name);
}

const UserEntry* PlanIndex::User(absl::string_view name) const {
  return Lookup(users_, name);
}

const PhoneEntry* PlanIndex::Phone(absl::string_view name) const {
  return Lookup(phones_, name);
}

const CallingSearchSpaceEntry* PlanIndex::CallingSearchSpace(
    absl::string_view name) const {
  return Lookup(calling_search_spaces_, name);
}

const TenantEntry* PlanIndex::TenantOfDomain(absl::string_view domain) const {
  return Lookup(tenant_of_domain_, absl::AsciiStrToLower(domain));
}

const UserEntry* PlanIndex::UserAt(absl::string_view username,
                                   absl::string_view domain) const {
  return Lookup(user_at_, std::make_pair(std::string(username),
                                         absl::AsciiStrToLower(domain)));
}

const PhoneEntry* PlanIndex::PhoneByDevice(
    absl::string_view device_name) const {
  return Lookup(phone_by_device_, device_name);
}

const std::vector<const UserEntry*>& PlanIndex::UsersOfDevice(
    absl::string_view device_name) const {
  static const std::vector<const UserEntry*>& none =
      *new std::vector<const UserEntry*>;
  const auto it = users_of_device_.find(device_name);
  return it == users_of_device_.end() ? none : it->second;
}

const PeerEntry* PlanIndex::PeerBySubject(absl::string_view subject,
                                          uint32_t incoming_port) const {
  return Lookup(peer_by_subject_, std::make_pair(absl::AsciiStrToLower(subject),
                                                 absl::StrCat(incoming_port)));
}

const PeerEntry* PlanIndex::PeerByAddress(absl::string_view address,
                                          uint32_t incoming_port) const {
  return Lookup(peer_by_address_, std::make_pair(absl::AsciiStrToLower(address),
                                                 absl::StrCat(incoming_port)));
}

}  // namespace sallyport
