#include "services/dialplan/core/trunk_profile_rules.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/dialplan/core/host_text.h"
#include "services/dialplan/core/peer_rules.h"

namespace sallyport::dialplan {
namespace {

constexpr uint32_t kSipPort = 5060;
constexpr uint32_t kSipTlsPort = 5061;
constexpr size_t kMaxSubjects = 4096;  // octets, all names together

using Profile = TrunkSecurityProfileEntry;

bool IsEncrypted(const Profile& profile) {
  return profile.device_security_mode == DeviceSecurityMode::kEncrypted;
}

void CheckTransports(const RuleContext& c, const Profile& profile) {
  const bool encrypted = IsEncrypted(profile);
  const char* const what =
      encrypted ? "an ENCRYPTED trunk takes TLS only"
                : "a trunk that is not ENCRYPTED takes TCP and UDP only";
  std::set<SipTransport> seen;
  for (size_t i = 0; i < profile.incoming_transports.size(); ++i) {
    const SipTransport transport = profile.incoming_transports[i];
    const std::string field =
        ItemPath("trunk_security_profile.incoming_transports", i);
    if (transport == SipTransport::kUnset) {
      c.Add(field, "VALUE_REQUIRED", "say which transport");
    } else if ((transport == SipTransport::kTls) != encrypted) {
      c.Add(field, "TRANSPORT_NOT_OF_MODE", what);
    }
    if (!seen.insert(transport).second) {
      c.Add(field, "DUPLICATE_VALUE", "it is given twice");
    }
  }
  if (profile.outgoing_transport != SipTransport::kUnset &&
      (profile.outgoing_transport == SipTransport::kTls) != encrypted) {
    c.Add("trunk_security_profile.outgoing_transport", "TRANSPORT_NOT_OF_MODE",
          what);
  }
}

void CheckPort(const RuleContext& c, const Profile& written) {
  constexpr char kField[] = "trunk_security_profile.incoming_port";
  if (written.incoming_port > 65535) {
    c.Add(kField, "VALUE_OUT_OF_RANGE", "must be 0 to 65535");
    return;
  }
  Profile profile = written;
  ResolveTrunkProfileDefaults(profile);
  const bool encrypted = IsEncrypted(profile);
  if (encrypted && profile.incoming_port == kSipPort) {
    c.Add(kField, "INCOMING_PORT_IS_CLEAR", "5060 is in clear");
  }
  if (!encrypted && profile.incoming_port == kSipTlsPort) {
    c.Add(kField, "INCOMING_PORT_IS_TLS", "5061 takes TLS only");
  }
  // TLS trunks may share a port, but TLS and clear ones may not.
  const std::string prefix =
      std::string(TenantOf(profile.name)) + "/trunkSecurityProfiles/";
  for (const Profile* each : c.plan.Under<Profile>(prefix)) {
    if (each->name == profile.name) continue;
    Profile other = *each;
    ResolveTrunkProfileDefaults(other);
    if (other.incoming_port == profile.incoming_port &&
        IsEncrypted(other) != encrypted) {
      c.Add(kField, "PORT_SHARED_BY_TLS_AND_CLEAR",
            absl::StrCat(other.name, " has it ",
                         encrypted ? "in clear" : "over TLS"));
    }
  }
}

void CheckSubjects(const RuleContext& c, const Profile& profile) {
  constexpr char kField[] = "trunk_security_profile.x509_subject_names";
  size_t octets = 0;
  for (size_t i = 0; i < profile.x509_subjects.size(); ++i) {
    octets += profile.x509_subjects[i].size() + 1;
    if (!IsSubjectName(profile.x509_subjects[i])) {
      c.Add(ItemPath(kField, i), "SUBJECT_NAME_INVALID",
            "must be a host name or sip: and a host name, without wildcard");
    }
  }
  if (octets > kMaxSubjects) {
    c.Add(kField, "VALUE_TOO_LONG", "together longer than 4096 octets");
  }
  if (!profile.x509_subjects.empty() && !IsEncrypted(profile)) {
    c.Add(kField, "SUBJECT_NAMES_NEED_TLS",
          "a trunk that is not ENCRYPTED shows no certificate");
  }
}

// The field of a profile that stands behind a fault of a peer with it.
std::string FieldBehind(const std::string& reason) {
  const std::string prefix = "trunk_security_profile.";
  if (reason == "PEER_SUBJECT_NOT_UNIQUE") return prefix + "x509_subject_names";
  if (reason == "DIGEST_USER_REQUIRED") {
    return prefix + "enable_digest_authentication";
  }
  if (reason == "UNSOLICITED_NOTIFICATION_NOT_ACCEPTED") {
    return prefix + "accept_unsolicited_notification";
  }
  if (reason == "PEER_ADDRESS_NOT_UNIQUE" || reason == "PEER_SOURCES_OVERLAP" ||
      reason == "PEER_INCOMING_PORT_IS_TLS" ||
      reason == "PEER_INCOMING_PORT_IS_CLEAR") {
    return prefix + "incoming_port";
  }
  return prefix + "device_security_mode";
}

}  // namespace

void CheckTrunkProfile(const RuleContext& c, const Profile& profile) {
  if (profile.device_security_mode == DeviceSecurityMode::kAuthenticated) {
    c.Add("trunk_security_profile.device_security_mode",
          "NULL_CIPHER_NOT_ALLOWED",
          "AUTHENTICATED is TLS with a NULL cipher, which no edge speaks");
  }
  CheckTransports(c, profile);
  CheckPort(c, profile);
  CheckSubjects(c, profile);
  if (profile.application_level_authorization && !profile.digest) {
    c.Add("trunk_security_profile.enable_application_level_authorization",
          "DIGEST_REQUIRED", "it needs digest authentication");
  }
  if (profile.nonce_validity != absl::ZeroDuration() &&
      (profile.nonce_validity < absl::Seconds(1) ||
       profile.nonce_validity > absl::Hours(24))) {
    c.Add("trunk_security_profile.nonce_validity", "VALUE_OUT_OF_RANGE",
          "must be 1 s to 24 h, or zero");
  }
  const Profile* old = c.Before<Profile>();
  if (old == nullptr || *old == profile) return;
  for (const std::string& user : c.plan.ReferrersOf(profile.name)) {
    if (c.plan.Get<PeerEntry>(user) == nullptr) continue;
    for (const PlanFault& fault : FaultsOfPeer(c.plan, user)) {
      c.Add(FieldBehind(fault.reason), fault.reason,
            absl::StrCat(user, ": ", fault.description));
    }
  }
}

void CheckGroupSecurity(const RuleContext& c, const ServerGroupEntry& group) {
  const ServerGroupEntry* old = c.Before<ServerGroupEntry>();
  if (old == nullptr || *old == group) return;
  for (const std::string& user : c.plan.ReferrersOf(group.name)) {
    if (c.plan.Get<PeerEntry>(user) == nullptr) continue;
    for (const PlanFault& fault : FaultsOfPeer(c.plan, user)) {
      if (fault.field != "peer.server_group") continue;
      c.Add("server_group.members", fault.reason,
            absl::StrCat(user, ": ", fault.description));
    }
  }
}

}  // namespace sallyport::dialplan
