#include "services/common/digit_analysis/plan_defaults.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/digit_analysis/number.h"

namespace sallyport {
namespace {

constexpr uint32_t kSipPort = 5060;
constexpr uint32_t kSipTlsPort = 5061;
constexpr uint32_t kMaxContacts = 4;
constexpr absl::Duration kNonceValidity = absl::Seconds(600);

template <typename Map>
auto FindOrNull(const Map& map, std::string_view key)
    -> decltype(map.begin()->second) {
  const auto it = map.find(key);
  return it == map.end() ? nullptr : it->second;
}

bool IsSecure(const DialPlanEntry* plan) {
  return plan != nullptr && plan->security_mode != SecurityMode::kUnsecured;
}

template <typename T>
void SetIfUnset(T& field, const T& value) {
  if (field == T{}) field = value;
}

void Resolve(OptionsMonitoring& monitoring) {
  SetIfUnset(monitoring.interval, absl::Seconds(60));
  SetIfUnset(monitoring.out_of_service_interval, absl::Seconds(120));
  SetIfUnset(monitoring.retry_interval, absl::Milliseconds(500));
  SetIfUnset(monitoring.retries, uint32_t{6});
}

void Resolve(DialPlanEntry& plan) {
  SetIfUnset(plan.max_call_duration, absl::Hours(12));
  SetIfUnset(plan.interdigit_timeout, absl::Seconds(15));
  if (plan.srtp_suites.empty()) {
    plan.srtp_suites = {PlanSrtpSuite::kAesCm128HmacSha1_80};
  }
}

void Resolve(PhoneSecurityProfileEntry& profile) {
  SetIfUnset(profile.transport,
             profile.device_security_mode == DeviceSecurityMode::kEncrypted
                 ? SipTransport::kTls
                 : SipTransport::kTcp);
  SetIfUnset(profile.sip_phone_port, kSipPort);
  SetIfUnset(profile.nonce_validity, kNonceValidity);
  SetIfUnset(profile.rsa_key_size, uint32_t{2048});
  SetIfUnset(profile.ec_key_size, uint32_t{256});
}

// What a phone has of its profile (protocols.md section 9.1).
void TakeProfile(const PhoneSecurityProfileEntry& profile, PhoneEntry& phone) {
  phone.lsc_alone =
      profile.device_security_mode == DeviceSecurityMode::kEncrypted &&
      !profile.digest;
  phone.nonce_validity = profile.nonce_validity;
}

// Without its certificate a phone is not told from the user's other ones, so
// that what one of them may do the user may, and the shortest time holds.
void TakeProfile(const PhoneSecurityProfileEntry& profile, UserEntry& user) {
  if (profile.allow_digest_without_certificate) {
    user.allow_without_certificate = true;
  }
  user.nonce_validity =
      user.nonce_validity == absl::ZeroDuration()
          ? profile.nonce_validity
          : std::min(user.nonce_validity, profile.nonce_validity);
}

void Resolve(ServerGroupEntry& group) {
  for (ServerGroupMember& member : group.members) {
    SetIfUnset(member.port, kSipPort);
    SetIfUnset(member.secure_port, kSipTlsPort);
  }
  Resolve(group.monitoring);
}

void Resolve(const VoicemailProfileEntry* tenants_default, LineEntry& line) {
  SetIfUnset(line.no_answer_duration, absl::Seconds(12));
  SetIfUnset(line.max_calls, uint32_t{4});
  SetIfUnset(line.busy_trigger, uint32_t{2});
  if (tenants_default != nullptr) {
    SetIfUnset(line.voicemail_profile, tenants_default->name);
  }
  for (CallForward* forward :
       {&line.forward_all, &line.forward_busy, &line.forward_no_answer,
        &line.forward_unregistered}) {
    if (forward->IsSet()) {
      SetIfUnset(forward->calling_search_space, line.calling_search_space);
    }
  }
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

void ResolveTrunkProfileDefaults(TrunkSecurityProfileEntry& profile) {
  const bool encrypted =
      profile.device_security_mode == DeviceSecurityMode::kEncrypted;
  if (profile.incoming_transports.empty()) {
    profile.incoming_transports =
        encrypted
            ? std::vector<SipTransport>{SipTransport::kTls}
            : std::vector<SipTransport>{SipTransport::kTcp, SipTransport::kUdp};
  }
  SetIfUnset(profile.outgoing_transport,
             encrypted ? SipTransport::kTls : SipTransport::kTcp);
  SetIfUnset(profile.nonce_validity, kNonceValidity);
  SetIfUnset(profile.incoming_port, encrypted ? kSipTlsPort : kSipPort);
}

void ResolvePeerDefaults(const PeerSurroundings& around, PeerEntry& peer) {
  const DialPlanEntry* plan = around.plan;
  peer.dial_plan = std::string(DialPlanOf(around.tenant, peer));
  if (around.profile != nullptr) {
    TrunkSecurityProfileEntry full = *around.profile;
    ResolveTrunkProfileDefaults(full);
    SetIfUnset(peer.transport, full.outgoing_transport);
    SetIfUnset(peer.incoming_port, full.incoming_port);
    SetIfUnset(peer.x509_subjects, full.x509_subjects);
    peer.nonce_validity = full.nonce_validity;
    peer.incoming_transports = full.incoming_transports;
  }
  SetIfUnset(peer.transport,
             IsSecure(plan) ? SipTransport::kTls : SipTransport::kTcp);
  SetIfUnset(peer.port,
             peer.transport == SipTransport::kTls ? kSipTlsPort : kSipPort);
  SetIfUnset(peer.incoming_port, IsSecure(plan) ? kSipTlsPort : kSipPort);
  if (plan != nullptr) {
    SetIfUnset(peer.calling_search_space, plan->calling_search_space);
  }
  SetIfUnset(peer.rerouting_search_space, peer.calling_search_space);
  SetIfUnset(peer.outside_refer_search_space, peer.rerouting_search_space);
  if (around.sip_profile != nullptr) {
    if (!peer.own_monitoring) peer.monitoring = around.sip_profile->monitoring;
    peer.sip = around.sip_profile->settings;
  }
  Resolve(peer.monitoring);
  if (around.context != nullptr) {
    SetIfUnset(peer.trust_store, around.context->active.trust_store);
    peer.tls = around.context->active.tls;
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
  SetIfUnset(user.max_contacts, kMaxContacts);
  if (plan != nullptr) {
    SetIfUnset(user.dialling_restriction, plan->dialling_restriction);
  }
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
  absl::flat_hash_map<std::string_view, const PhoneSecurityProfileEntry*>
      phone_profiles;
  for (PhoneSecurityProfileEntry& p : snapshot.phone_security_profiles) {
    Resolve(p);
    phone_profiles.try_emplace(p.name, &p);
  }
  absl::flat_hash_map<std::string_view, UserEntry*> users;
  for (UserEntry& user : snapshot.users) users.try_emplace(user.name, &user);
  absl::flat_hash_map<std::string_view, const PhoneEntry*> phone_of_user;
  for (PhoneEntry& phone : snapshot.phones) {
    phone.dial_plan = std::string(
        DialPlanOf(FindOrNull(tenants, TenantOf(phone.name)), phone));
    const auto* profile =
        FindOrNull(phone_profiles, phone.phone_security_profile);
    if (profile != nullptr) TakeProfile(*profile, phone);
    if (phone.owner_user.empty()) continue;
    phone_of_user.try_emplace(phone.owner_user, &phone);
    const auto owner = users.find(phone.owner_user);
    if (profile != nullptr && !phone.disabled && owner != users.end()) {
      TakeProfile(*profile, *owner->second);
    }
  }
  absl::flat_hash_map<std::string_view, const TrunkSecurityProfileEntry*>
      profiles;
  for (TrunkSecurityProfileEntry& profile : snapshot.trunk_security_profiles) {
    ResolveTrunkProfileDefaults(profile);
    profiles.try_emplace(profile.name, &profile);
  }
  absl::flat_hash_map<std::string_view, const SipProfileEntry*> sip_profiles;
  for (const SipProfileEntry& profile : snapshot.sip_profiles) {
    sip_profiles.try_emplace(profile.name, &profile);
  }
  absl::flat_hash_map<std::string_view, const TlsContextEntry*> context_of_peer;
  for (const TlsContextEntry& context : snapshot.tls_contexts) {
    for (const std::string& peer : context.active.peers) {
      context_of_peer.try_emplace(peer, &context);
    }
  }
  for (PeerEntry& peer : snapshot.peers) {
    const TenantEntry* tenant = FindOrNull(tenants, TenantOf(peer.name));
    ResolvePeerDefaults(
        {.tenant = tenant,
         .plan = FindOrNull(plans, DialPlanOf(tenant, peer)),
         .profile = FindOrNull(profiles, peer.trunk_security_profile),
         .sip_profile = FindOrNull(sip_profiles, peer.sip_profile),
         .context = FindOrNull(context_of_peer, peer.name)},
        peer);
  }
  for (UserEntry& user : snapshot.users) {
    const TenantEntry* tenant = FindOrNull(tenants, TenantOf(user.name));
    const PhoneEntry* phone = FindOrNull(phone_of_user, user.name);
    ResolveUserDefaults(tenant, phone,
                        FindOrNull(plans, DialPlanOf(tenant, phone, user)),
                        user);
  }
  absl::flat_hash_map<std::string_view, const VoicemailProfileEntry*> mailboxes;
  for (const VoicemailProfileEntry& profile : snapshot.voicemail_profiles) {
    if (profile.is_default) {
      mailboxes.try_emplace(TenantOf(profile.name), &profile);
    }
  }
  for (DialPlanEntry& plan : snapshot.dial_plans) Resolve(plan);
  for (ServerGroupEntry& group : snapshot.server_groups) Resolve(group);
  for (LineEntry& line : snapshot.lines) {
    Resolve(FindOrNull(mailboxes, TenantOf(line.name)), line);
  }
  for (LineGroupEntry& group : snapshot.line_groups) {
    SetIfUnset(group.ring_no_answer_reversion, absl::Seconds(10));
  }
  for (HuntPilotEntry& pilot : snapshot.hunt_pilots) {
    SetIfUnset(pilot.maximum_hunt_time, absl::Seconds(1800));
    if (!pilot.queue.has_value()) continue;
    SetIfUnset(pilot.queue->max_callers, uint32_t{50});
    SetIfUnset(pilot.queue->max_wait, absl::Seconds(1800));
    SetIfUnset(pilot.queue->prompt, std::string("default"));
  }
}

}  // namespace sallyport
