#include "services/common/digit_analysis/plan_defaults.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "services/common/digit_analysis/number.h"

namespace sallyport {
namespace {

constexpr uint32_t kSipPort = 5060;
constexpr uint32_t kSipTlsPort = 5061;
constexpr uint32_t kMaxContacts = 4;

template <typename Map>
auto FindOrNull(const Map& map, std::string_view key)
    -> decltype(map.begin()->second) {
  const auto it = map.find(key);
  return it == map.end() ? nullptr : it->second;
}

bool IsSecure(const DialPlanEntry* plan) {
  return plan != nullptr && plan->security_mode != SecurityMode::kUnsecured;
}

}  // namespace

std::string_view TenantOf(std::string_view name) {
  constexpr std::string_view kPrefix = "tenants/";
  if (name.substr(0, kPrefix.size()) != kPrefix) return {};
  const size_t slash = name.find('/', kPrefix.size());
  return slash == std::string_view::npos ? name : name.substr(0, slash);
}

std::string_view DialPlanOf(const TenantEntry* tenant, const PeerEntry& peer) {
  if (!peer.dial_plan.empty()) return peer.dial_plan;
  return tenant == nullptr ? std::string_view() : tenant->default_dial_plan;
}

std::string_view DialPlanOf(const TenantEntry* tenant,
                            const PhoneEntry& phone) {
  if (!phone.dial_plan.empty()) return phone.dial_plan;
  return tenant == nullptr ? std::string_view() : tenant->default_dial_plan;
}

std::string_view DialPlanOf(const TenantEntry* tenant, const PhoneEntry* phone,
                            const UserEntry& user) {
  if (!user.dial_plan.empty()) return user.dial_plan;
  if (phone != nullptr) return DialPlanOf(tenant, *phone);
  return tenant == nullptr ? std::string_view() : tenant->default_dial_plan;
}

void ResolvePeerDefaults(const TenantEntry* tenant, const DialPlanEntry* plan,
                         PeerEntry& peer) {
  peer.dial_plan = std::string(DialPlanOf(tenant, peer));
  if (peer.transport == SipTransport::kUnset) {
    peer.transport = IsSecure(plan) ? SipTransport::kTls : SipTransport::kTcp;
  }
  if (peer.port == 0) {
    peer.port = peer.transport == SipTransport::kTls ? kSipTlsPort : kSipPort;
  }
  if (peer.incoming_port == 0) {
    peer.incoming_port = IsSecure(plan) ? kSipTlsPort : kSipPort;
  }
  if (peer.calling_search_space.empty() && plan != nullptr) {
    peer.calling_search_space = plan->calling_search_space;
  }
}

void ResolveUserDefaults(const TenantEntry* tenant, const PhoneEntry* phone,
                         const DialPlanEntry* plan, UserEntry& user) {
  user.dial_plan = std::string(DialPlanOf(tenant, phone, user));
  if (user.domain.empty() && tenant != nullptr && !tenant->domains.empty()) {
    user.domain = tenant->domains[0];
  }
  if (user.realm.empty()) user.realm = user.domain;
  // The phone's comes first: the user's own is for where it has none.
  if (phone != nullptr && !phone->calling_search_space.empty()) {
    user.calling_search_space = phone->calling_search_space;
  }
  if (user.calling_search_space.empty() && plan != nullptr) {
    user.calling_search_space = plan->calling_search_space;
  }
  if (user.max_contacts == 0) user.max_contacts = kMaxContacts;
}

std::vector<std::string> PatternsOfUser(const UserEntry& user) {
  std::vector<std::string> out;
  const auto add = [&out](const std::string& number) {
    std::string pattern = number;
    if (number[0] == '+') pattern.insert(0, 1, '\\');
    if (std::find(out.begin(), out.end(), pattern) == out.end()) {
      out.push_back(std::move(pattern));
    }
  };
  for (const std::string& text : user.phone_numbers) {
    const absl::StatusOr<Number> number = Number::Parse(text);
    if (number.ok()) add(number->text());
  }
  // A name such as "dad" would parse as the DTMF digits A to D.
  const absl::StatusOr<Number> number = Number::Parse(user.username);
  if (number.ok() && number->text() == user.username) add(number->text());
  return out;
}

void ResolveDefaults(PlanSnapshot& snapshot) {
  absl::flat_hash_map<std::string_view, const TenantEntry*> tenants;
  for (const TenantEntry& tenant : snapshot.tenants) {
    tenants.try_emplace(tenant.name, &tenant);
  }
  absl::flat_hash_map<std::string_view, const DialPlanEntry*> plans;
  for (const DialPlanEntry& plan : snapshot.dial_plans) {
    plans.try_emplace(plan.name, &plan);
  }
  absl::flat_hash_map<std::string_view, const PhoneEntry*> phone_of_user;
  for (PhoneEntry& phone : snapshot.phones) {
    phone.dial_plan = std::string(
        DialPlanOf(FindOrNull(tenants, TenantOf(phone.name)), phone));
    if (!phone.owner_user.empty()) {
      phone_of_user.try_emplace(phone.owner_user, &phone);
    }
  }
  for (PeerEntry& peer : snapshot.peers) {
    const TenantEntry* tenant = FindOrNull(tenants, TenantOf(peer.name));
    ResolvePeerDefaults(tenant, FindOrNull(plans, DialPlanOf(tenant, peer)),
                        peer);
  }
  for (UserEntry& user : snapshot.users) {
    const TenantEntry* tenant = FindOrNull(tenants, TenantOf(user.name));
    const PhoneEntry* phone = FindOrNull(phone_of_user, user.name);
    ResolveUserDefaults(tenant, phone,
                        FindOrNull(plans, DialPlanOf(tenant, phone, user)),
                        user);
  }
}

}  // namespace sallyport
