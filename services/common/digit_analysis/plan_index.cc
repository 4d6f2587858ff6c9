#include "services/common/digit_analysis/plan_index.h"

#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"

namespace sallyport {
namespace {

std::string Lower(std::string_view text) {
  return absl::AsciiStrToLower(AbslView(text));
}

template <typename Map, typename Key>
auto Lookup(const Map& map, const Key& key) -> decltype(map.begin()->second) {
  const auto it = map.find(key);
  return it == map.end() ? nullptr : it->second;
}

}  // namespace

PlanIndex::PlanIndex(std::shared_ptr<const PlanSnapshot> snapshot)
    : snapshot_(std::move(snapshot)) {
  ForEachList(*snapshot_, [this](const auto& list) {
    using Entry = typename std::decay_t<decltype(list)>::value_type;
    ByName<Entry>& map = std::get<ByName<Entry>>(by_name_);
    map.reserve(list.size());
    for (const Entry& entry : list) map.try_emplace(entry.name, &entry);
  });
  for (const TenantEntry& tenant : snapshot_->tenants) {
    for (const std::string& domain : tenant.domains) {
      tenant_of_domain_.try_emplace(Lower(domain), &tenant);
    }
  }
  for (const UserEntry& user : snapshot_->users) {
    user_at_.try_emplace({user.username, Lower(user.domain)}, &user);
  }
  for (const PhoneEntry& phone : snapshot_->phones) {
    phone_by_device_.try_emplace(phone.device_name, &phone);
  }
  for (const PeerEntry& peer : snapshot_->peers) {
    const std::string port = absl::StrCat(peer.incoming_port);
    for (const std::string& subject : peer.x509_subjects) {
      peer_by_subject_.try_emplace({Lower(subject), port}, &peer);
    }
    if (peer.x509_subjects.empty() && !peer.fqdn.empty()) {
      peer_by_subject_.try_emplace({Lower(peer.fqdn), port}, &peer);
    }
    bool has_prefix = false;
    for (const std::string& source : peer.source_addresses) {
      if (source.find('/') != std::string::npos) {
        has_prefix = true;
      } else {
        peer_by_address_.try_emplace({Lower(source), port}, &peer);
      }
    }
    if (has_prefix) peers_with_prefixes_.push_back(&peer);
    if (peer.source_addresses.empty() && !peer.address.empty()) {
      peer_by_address_.try_emplace({Lower(peer.address), port}, &peer);
    }
  }
}

const TenantEntry* PlanIndex::Tenant(std::string_view name) const {
  return Find<TenantEntry>(name);
}

const DialPlanEntry* PlanIndex::DialPlan(std::string_view name) const {
  return Find<DialPlanEntry>(name);
}

const PeerEntry* PlanIndex::Peer(std::string_view name) const {
  return Find<PeerEntry>(name);
}

const UserEntry* PlanIndex::User(std::string_view name) const {
  return Find<UserEntry>(name);
}

const PhoneEntry* PlanIndex::Phone(std::string_view name) const {
  return Find<PhoneEntry>(name);
}

const CallingSearchSpaceEntry* PlanIndex::CallingSearchSpace(
    std::string_view name) const {
  return Find<CallingSearchSpaceEntry>(name);
}

const TenantEntry* PlanIndex::TenantOfDomain(std::string_view domain) const {
  return Lookup(tenant_of_domain_, Lower(domain));
}

const UserEntry* PlanIndex::UserAt(std::string_view username,
                                   std::string_view domain) const {
  return Lookup(user_at_, std::make_pair(std::string(username), Lower(domain)));
}

const PhoneEntry* PlanIndex::PhoneByDevice(std::string_view device_name) const {
  return Lookup(phone_by_device_, device_name);
}

const UserEntry* PlanIndex::UserOfDevice(std::string_view device_name) const {
  const PhoneEntry* phone = PhoneByDevice(device_name);
  return phone == nullptr ? nullptr : User(phone->owner_user);
}

SecurityMode PlanIndex::ModeOf(std::string_view dial_plan) const {
  const DialPlanEntry* plan = DialPlan(dial_plan);
  return plan == nullptr ? SecurityMode::kSecured : plan->security_mode;
}

const PeerEntry* PlanIndex::PeerBySubject(std::string_view subject,
                                          uint32_t incoming_port) const {
  return Lookup(peer_by_subject_,
                std::make_pair(Lower(subject), absl::StrCat(incoming_port)));
}

const PeerEntry* PlanIndex::PeerByAddress(std::string_view address,
                                          uint32_t incoming_port) const {
  return Lookup(peer_by_address_,
                std::make_pair(Lower(address), absl::StrCat(incoming_port)));
}

}  // namespace sallyport
