#include "services/common/digit_analysis/plan_index.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_entry.h"

namespace sallyport {
namespace {

std::string Lower(std::string_view text) {
  return absl::AsciiStrToLower(AbslView(text));
}

// Keys of claims; texts in lower case but for devices.
std::string DomainKey(std::string_view domain) {
  return absl::StrCat("d", AbslView(domain));
}
std::string DeviceKey(std::string_view device) {
  return absl::StrCat("p", AbslView(device));
}
std::string SubjectKey(std::string_view subject, std::string_view port) {
  return absl::StrCat("s", AbslView(port), " ", AbslView(subject));
}
std::string AddressKey(std::string_view address, std::string_view port) {
  return absl::StrCat("a", AbslView(port), " ", AbslView(address));
}

template <typename Map, typename Key>
auto Lookup(const Map& map, const Key& key) -> decltype(map.begin()->second) {
  const auto it = map.find(key);
  return it == map.end() ? nullptr : it->second;
}

template <typename Entry>
using ByName = absl::flat_hash_map<std::string_view, const Entry*>;
template <typename Entry>
using ByPair =
    absl::flat_hash_map<std::pair<std::string, std::string>, const Entry*>;

// One map for each alternative of PlanEntry.
template <typename Variant>
struct ByNameOfAll;
template <typename... Entries>
struct ByNameOfAll<std::variant<Entries...>> {
  using Maps = std::tuple<ByName<Entries>...>;
};

}  // namespace

struct PlanIndex::Maps {
  ByNameOfAll<PlanEntry>::Maps by_name;
  absl::flat_hash_map<std::string, const TenantEntry*> tenant_of_domain;
  ByPair<UserEntry> user_at;
  ByName<PhoneEntry> phone_by_device;
  ByPair<PeerEntry> peer_by_subject;
  ByPair<PeerEntry> peer_by_address;
  absl::flat_hash_map<std::string, std::string_view> realms;  // by domain
};

PlanIndex::~PlanIndex() = default;

PlanIndex::PlanIndex(std::shared_ptr<const PlanSnapshot> snapshot)
    : snapshot_(std::move(snapshot)), maps_(std::make_unique<Maps>()) {
  ForEachList(*snapshot_, [this](const auto& list) {
    using Entry = typename std::decay_t<decltype(list)>::value_type;
    ByName<Entry>& map = std::get<ByName<Entry>>(maps_->by_name);
    map.reserve(list.size());
    for (const Entry& entry : list) map.try_emplace(entry.name, &entry);
  });
  for (const TenantEntry& tenant : snapshot_->tenants) {
    for (const std::string& domain : tenant.domains) {
      maps_->tenant_of_domain.try_emplace(Lower(domain), &tenant);
    }
  }
  for (const UserEntry& user : snapshot_->users) {
    std::string domain = Lower(user.domain);
    std::string_view& realm = maps_->realms[domain];
    if (realm.empty()) realm = user.realm;
    maps_->user_at.try_emplace({user.username, std::move(domain)}, &user);
  }
  for (const PhoneEntry& phone : snapshot_->phones) {
    maps_->phone_by_device.try_emplace(phone.device_name, &phone);
  }
  for (const PeerEntry& peer : snapshot_->peers) {
    const std::string port = absl::StrCat(peer.incoming_port);
    for (const std::string& subject : peer.x509_subjects) {
      maps_->peer_by_subject.try_emplace({Lower(subject), port}, &peer);
    }
    if (peer.x509_subjects.empty() && !peer.fqdn.empty()) {
      maps_->peer_by_subject.try_emplace({Lower(peer.fqdn), port}, &peer);
    }
    bool has_prefix = false;
    for (const std::string& source : peer.source_addresses) {
      if (source.find('/') != std::string::npos) {
        has_prefix = true;
      } else {
        maps_->peer_by_address.try_emplace({Lower(source), port}, &peer);
      }
    }
    if (has_prefix) peers_with_prefixes_.push_back(&peer);
    if (peer.source_addresses.empty() && !peer.address.empty()) {
      maps_->peer_by_address.try_emplace({Lower(peer.address), port}, &peer);
    }
  }
}

PlanIndex::PlanIndex(Region region)
    : region_(std::move(region)), maps_(std::make_unique<Maps>()) {
  for (const PlanIndex* tenant : region_.in_order) {
    peers_with_prefixes_.insert(peers_with_prefixes_.end(),
                                tenant->peers_with_prefixes_.begin(),
                                tenant->peers_with_prefixes_.end());
  }
}

int64_t PlanIndex::version() const {
  return snapshot_ != nullptr ? snapshot_->version : region_.version;
}

const std::string& PlanIndex::checksum() const {
  return snapshot_ != nullptr ? snapshot_->checksum : region_.checksum;
}

const PlanIndex* PlanIndex::PartOf(std::string_view tenant) const {
  if (snapshot_ != nullptr) return this;
  return Lookup(region_.tenants, AbslView(tenant));
}

const PlanIndex* PlanIndex::Claimant(std::string_view key) const {
  const Region::Claimants* claimants = region_.claims.Find(key);
  return claimants == nullptr ? nullptr : PartOf(claimants->front());
}

std::vector<std::string> PlanIndex::Claims() const {
  std::vector<std::string> out;
  for (const auto& [domain, tenant] : maps_->tenant_of_domain) {
    out.push_back(DomainKey(domain));
  }
  for (const auto& [device, phone] : maps_->phone_by_device) {
    out.push_back(DeviceKey(device));
  }
  for (const auto& [subject, peer] : maps_->peer_by_subject) {
    out.push_back(SubjectKey(subject.first, subject.second));
  }
  for (const auto& [address, peer] : maps_->peer_by_address) {
    out.push_back(AddressKey(address.first, address.second));
  }
  std::sort(out.begin(), out.end());
  return out;
}

const TenantEntry* PlanIndex::OnlyTenant() const {
  if (snapshot_ == nullptr) {
    return region_.in_order.size() == 1 ? region_.in_order[0]->OnlyTenant()
                                        : nullptr;
  }
  return snapshot_->tenants.size() == 1 ? &snapshot_->tenants[0] : nullptr;
}

template <typename Entry>
const Entry* PlanIndex::Find(std::string_view name) const {
  const PlanIndex* part = PartOf(TenantOf(name));
  if (part == nullptr) return nullptr;
  return Lookup(std::get<ByName<Entry>>(part->maps_->by_name), name);
}

// Each alternative of PlanEntry.
template const TenantEntry* PlanIndex::Find(std::string_view) const;
template const DialPlanEntry* PlanIndex::Find(std::string_view) const;
template const PeerEntry* PlanIndex::Find(std::string_view) const;
template const UserEntry* PlanIndex::Find(std::string_view) const;
template const PhoneEntry* PlanIndex::Find(std::string_view) const;
template const PartitionEntry* PlanIndex::Find(std::string_view) const;
template const CallingSearchSpaceEntry* PlanIndex::Find(std::string_view) const;
template const RoutePatternEntry* PlanIndex::Find(std::string_view) const;
template const TrunkSecurityProfileEntry* PlanIndex::Find(
    std::string_view) const;
template const PhoneSecurityProfileEntry* PlanIndex::Find(
    std::string_view) const;
template const LineEntry* PlanIndex::Find(std::string_view) const;
template const ServerGroupEntry* PlanIndex::Find(std::string_view) const;
template const TranslationPatternEntry* PlanIndex::Find(std::string_view) const;
template const CalledPartyTransformationEntry* PlanIndex::Find(
    std::string_view) const;
template const CallingPartyTransformationEntry* PlanIndex::Find(
    std::string_view) const;
template const RouteListEntry* PlanIndex::Find(std::string_view) const;
template const LineGroupEntry* PlanIndex::Find(std::string_view) const;
template const HuntListEntry* PlanIndex::Find(std::string_view) const;
template const HuntPilotEntry* PlanIndex::Find(std::string_view) const;
template const VoicemailPilotEntry* PlanIndex::Find(std::string_view) const;
template const VoicemailProfileEntry* PlanIndex::Find(std::string_view) const;
template const VoicemailPortGroupEntry* PlanIndex::Find(std::string_view) const;
template const MessageWaitingNumberEntry* PlanIndex::Find(
    std::string_view) const;
template const DiallingRestrictionEntry* PlanIndex::Find(
    std::string_view) const;
template const SipProfileEntry* PlanIndex::Find(std::string_view) const;
template const SipCertificateEntry* PlanIndex::Find(std::string_view) const;
template const PhoneSystemEntry* PlanIndex::Find(std::string_view) const;
template const TlsContextEntry* PlanIndex::Find(std::string_view) const;

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
  const std::string key = Lower(domain);
  if (snapshot_ == nullptr) {
    const PlanIndex* part = Claimant(DomainKey(key));
    return part == nullptr ? nullptr : part->TenantOfDomain(domain);
  }
  return Lookup(maps_->tenant_of_domain, key);
}

const UserEntry* PlanIndex::UserAt(std::string_view username,
                                   std::string_view domain) const {
  std::string key = Lower(domain);
  if (snapshot_ == nullptr) {
    // A user's domain is its tenant's.
    const PlanIndex* part = Claimant(DomainKey(key));
    return part == nullptr ? nullptr : part->UserAt(username, domain);
  }
  return Lookup(maps_->user_at,
                std::make_pair(std::string(username), std::move(key)));
}

std::string_view PlanIndex::RealmOf(std::string_view domain) const {
  const std::string key = Lower(domain);
  if (snapshot_ == nullptr) {
    const PlanIndex* part = Claimant(DomainKey(key));
    return part == nullptr ? std::string_view() : part->RealmOf(domain);
  }
  const auto it = maps_->realms.find(key);
  return it == maps_->realms.end() ? std::string_view() : it->second;
}

const PhoneEntry* PlanIndex::PhoneByDevice(std::string_view device_name) const {
  if (snapshot_ == nullptr) {
    const PlanIndex* part = Claimant(DeviceKey(device_name));
    return part == nullptr ? nullptr : part->PhoneByDevice(device_name);
  }
  return Lookup(maps_->phone_by_device, device_name);
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
  std::string text = Lower(subject);
  std::string port = absl::StrCat(incoming_port);
  if (snapshot_ == nullptr) {
    const PlanIndex* part = Claimant(SubjectKey(text, port));
    return part == nullptr ? nullptr
                           : part->PeerBySubject(subject, incoming_port);
  }
  return Lookup(maps_->peer_by_subject,
                std::make_pair(std::move(text), std::move(port)));
}

const PeerEntry* PlanIndex::PeerByAddress(std::string_view address,
                                          uint32_t incoming_port) const {
  std::string text = Lower(address);
  std::string port = absl::StrCat(incoming_port);
  if (snapshot_ == nullptr) {
    const PlanIndex* part = Claimant(AddressKey(text, port));
    return part == nullptr ? nullptr
                           : part->PeerByAddress(address, incoming_port);
  }
  return Lookup(maps_->peer_by_address,
                std::make_pair(std::move(text), std::move(port)));
}

}  // namespace sallyport
