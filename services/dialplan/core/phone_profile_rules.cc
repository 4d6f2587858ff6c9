#include "services/dialplan/core/phone_profile_rules.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/common/digit_analysis/plan_defaults.h"

namespace sallyport::dialplan {
namespace {

using Profile = PhoneSecurityProfileEntry;

constexpr uint32_t kRsaSizes[] = {0, 1024, 2048, 3072, 4096};
constexpr uint32_t kEcSizes[] = {0, 256, 384, 521};

template <size_t kCount>
bool IsOneOf(uint32_t value, const uint32_t (&values)[kCount]) {
  return std::find(std::begin(values), std::end(values), value) !=
         std::end(values);
}

bool IsEncrypted(const Profile& profile) {
  return profile.device_security_mode == DeviceSecurityMode::kEncrypted;
}

bool IsMixed(const TenantEntry* tenant) {
  return tenant != nullptr &&
         tenant->cluster_security_mode == ClusterSecurityMode::kMixed;
}

void CheckTransport(const RuleContext& c, const Profile& profile) {
  constexpr char kField[] = "phone_security_profile.transport";
  if (profile.transport == SipTransport::kUnset) return;
  if ((profile.transport == SipTransport::kTls) != IsEncrypted(profile)) {
    c.Add(kField, "TRANSPORT_NOT_OF_MODE",
          IsEncrypted(profile)
              ? "an ENCRYPTED phone speaks TLS"
              : "a phone that is not ENCRYPTED speaks TCP or UDP");
  } else if (profile.protocol == PhoneProtocol::kSccp &&
             profile.transport == SipTransport::kUdp) {
    c.Add(kField, "TRANSPORT_NOT_OF_PROTOCOL", "SCCP runs over TCP or TLS");
  }
}

void CheckKeys(const RuleContext& c, const Profile& profile) {
  if (!IsOneOf(profile.rsa_key_size, kRsaSizes)) {
    c.Add("phone_security_profile.rsa_key_size", "KEY_SIZE_NOT_ALLOWED",
          profile.rsa_key_size == 512
              ? "512 bits can be factored by anybody"
              : "must be 1024, 2048, 3072 or 4096, or zero");
  }
  if (!IsOneOf(profile.ec_key_size, kEcSizes)) {
    c.Add("phone_security_profile.ec_key_size", "KEY_SIZE_NOT_ALLOWED",
          "must be 256, 384 or 521, or zero");
  }
  if (profile.rsa_key_size != 0 && profile.key_order == CapfKeyOrder::kEcOnly) {
    c.Add("phone_security_profile.rsa_key_size", "KEY_SIZE_NOT_OF_KEY_ORDER",
          "the key order is EC Only");
  }
  if (profile.ec_key_size != 0 && profile.key_order == CapfKeyOrder::kRsaOnly) {
    c.Add("phone_security_profile.ec_key_size", "KEY_SIZE_NOT_OF_KEY_ORDER",
          "the key order is RSA Only");
  }
}

void CheckDigest(const RuleContext& c, const Profile& profile) {
  if (profile.nonce_validity != absl::ZeroDuration() &&
      (profile.nonce_validity < absl::Seconds(1) ||
       profile.nonce_validity > absl::Hours(24))) {
    c.Add("phone_security_profile.nonce_validity", "VALUE_OUT_OF_RANGE",
          "must be 1 s to 24 h, or zero");
  }
  if (profile.digest && !profile.tftp_encrypted_config &&
      !profile.exclude_digest_credentials) {
    c.Add("phone_security_profile.exclude_digest_credentials",
          "DIGEST_CREDENTIALS_IN_CLEAR",
          "the configuration file would carry them in clear: encrypt it, or "
          "leave them out");
  }
  constexpr char kField[] =
      "phone_security_profile.allow_digest_without_certificate";
  if (!profile.allow_digest_without_certificate) return;
  if (!IsEncrypted(profile)) {
    c.Add(kField, "CERTIFICATE_NEEDS_TLS",
          "a phone that is not ENCRYPTED shows no certificate anyway");
  } else if (!profile.digest) {
    c.Add(kField, "DIGEST_REQUIRED",
          "a phone with neither certificate nor digest proves nothing");
  }
}

// How a phone's profile and plan disagree; empty if they do not (UM-100).
std::string Disagreement(const Plan& plan, const PhoneEntry& phone) {
  const Profile* profile = plan.Get<Profile>(phone.phone_security_profile);
  const TenantEntry* tenant = plan.Get<TenantEntry>(TenantOf(phone.name));
  const DialPlanEntry* dial_plan =
      plan.Get<DialPlanEntry>(DialPlanOf(tenant, phone));
  if (profile == nullptr || dial_plan == nullptr) return "";
  const bool secured = dial_plan->security_mode != SecurityMode::kUnsecured;
  if (secured == IsEncrypted(*profile)) return "";
  return secured ? "the profile is not ENCRYPTED, and its dial plan is secured"
                 : "the profile is ENCRYPTED, and its dial plan is UNSECURED";
}

// CCE-48: a profile is of one type of phone, or of all ("Universal"). A phone
// of which the model is not known may be of any.
bool FitsPhone(const Profile& profile, const PhoneEntry& phone) {
  const std::string& type = profile.phone_type;
  if (type.empty() || phone.model.empty() ||
      absl::StartsWithIgnoreCase(type, "Universal")) {
    return true;
  }
  return absl::EqualsIgnoreCase(type, phone.model) ||
         absl::EndsWithIgnoreCase(type, absl::StrCat(" ", phone.model));
}

}  // namespace

void CheckPhoneProfile(const RuleContext& c, const Profile& profile) {
  constexpr char kMode[] = "phone_security_profile.device_security_mode";
  if (profile.device_security_mode == DeviceSecurityMode::kAuthenticated) {
    c.Add(kMode, "NULL_CIPHER_NOT_ALLOWED",
          "AUTHENTICATED is TLS with a NULL cipher, which no edge speaks");
  }
  const TenantEntry* tenant = c.plan.Get<TenantEntry>(TenantOf(profile.name));
  if (!IsMixed(tenant)) {
    if (IsEncrypted(profile)) {
      c.Add(kMode, "CLUSTER_NOT_MIXED",
            "the tenant's cluster security mode is NON_SECURE");
    }
    if (profile.tftp_encrypted_config) {
      c.Add("phone_security_profile.tftp_encrypted_config", "CLUSTER_NOT_MIXED",
            "the tenant's cluster security mode is NON_SECURE: there are no "
            "trust lists");
    }
  }
  CheckTransport(c, profile);
  if (profile.sip_phone_port > 65535) {
    c.Add("phone_security_profile.sip_phone_port", "VALUE_OUT_OF_RANGE",
          "must be 0 to 65535");
  }
  CheckKeys(c, profile);
  CheckDigest(c, profile);
  const Profile* old = c.Before<Profile>();
  if (old == nullptr) return;
  if (old->phone_type != profile.phone_type) {
    for (const std::string& user : c.plan.ReferrersOf(profile.name)) {
      const PhoneEntry* phone = c.plan.Get<PhoneEntry>(user);
      if (phone != nullptr && !FitsPhone(profile, *phone)) {
        c.Add("phone_security_profile.phone_type", "PROFILE_NOT_OF_PHONE_TYPE",
              absl::StrCat(user, " is a ", phone->model));
      }
    }
  }
  if (old->device_security_mode == profile.device_security_mode) return;
  for (const std::string& user : c.plan.ReferrersOf(profile.name)) {
    const PhoneEntry* phone = c.plan.Get<PhoneEntry>(user);
    if (phone == nullptr) continue;
    if (const std::string why = Disagreement(c.plan, *phone); !why.empty()) {
      c.Add(kMode, "PROFILE_MODE_NOT_OF_PLAN", absl::StrCat(user, ": ", why));
    }
  }
}

void CheckPhoneSecurity(const RuleContext& c, const PhoneEntry& phone) {
  if (const std::string why = Disagreement(c.plan, phone); !why.empty()) {
    c.Add("phone.phone_security_profile", "PROFILE_MODE_NOT_OF_PLAN", why);
  }
  const Profile* profile = c.plan.Get<Profile>(phone.phone_security_profile);
  if (profile != nullptr && !FitsPhone(*profile, phone)) {
    c.Add("phone.phone_security_profile", "PROFILE_NOT_OF_PHONE_TYPE",
          absl::StrCat("it is for phones of type ", profile->phone_type,
                       ", and this one is a ", phone.model));
  }
}

void CheckPhonesOf(const RuleContext& c, const std::string& field,
                   const std::string& tenant) {
  // By profile: most phones of a large tenant have one of a few.
  for (const Profile* profile :
       c.plan.Under<Profile>(tenant + "/phoneSecurityProfiles/")) {
    for (const std::string& user : c.plan.ReferrersOf(profile->name)) {
      const PhoneEntry* phone = c.plan.Get<PhoneEntry>(user);
      if (phone == nullptr) continue;
      if (const std::string why = Disagreement(c.plan, *phone); !why.empty()) {
        c.Add(field, "PROFILE_MODE_NOT_OF_PLAN", absl::StrCat(user, ": ", why));
      }
    }
  }
}

void CheckProfilesOfCluster(const RuleContext& c, const TenantEntry& tenant) {
  if (IsMixed(&tenant)) return;
  for (const Profile* profile :
       c.plan.Under<Profile>(tenant.name + "/phoneSecurityProfiles/")) {
    if (IsEncrypted(*profile) || profile->tftp_encrypted_config) {
      c.Add("tenant.cluster_security_mode", "CLUSTER_SECURITY_MODE_IN_USE",
            absl::StrCat(profile->name, " needs a MIXED cluster"));
    }
  }
}

}  // namespace sallyport::dialplan
