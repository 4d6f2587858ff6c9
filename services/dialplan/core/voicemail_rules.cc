#include "services/dialplan/core/voicemail_rules.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/transform.h"
#include "services/dialplan/core/host_text.h"
#include "services/dialplan/core/number_rules.h"

namespace sallyport::dialplan {
namespace {

template <typename Entry>
std::vector<const Entry*> AllOf(const Plan& plan, std::string_view name,
                                const char* collection) {
  return plan.Under<Entry>(std::string(TenantOf(name)) + "/" + collection +
                           "/");
}

// CUC-47: the numbers of a port group are configured ones.
void CheckLampNumber(const RuleContext& c, const VoicemailPortGroupEntry& group,
                     const std::string& field, const std::string& number,
                     bool lights) {
  if (number.empty()) return;
  for (const auto* known : AllOf<MessageWaitingNumberEntry>(
           c.plan, group.name, "messageWaitingNumbers")) {
    if (known->number == number && known->lights == lights) return;
  }
  c.Add("voicemail_port_group." + field, "MESSAGE_WAITING_NUMBER_UNKNOWN",
        absl::StrCat("there is no message waiting number ", number, " that ",
                     lights ? "lights" : "clears", " the lamp"));
}

// Ports that answer come first: the others must not be hunted before them.
void CheckPortLines(const RuleContext& c,
                    const VoicemailPortGroupEntry& group) {
  const LineGroupEntry* hunted = c.plan.Get<LineGroupEntry>(group.line_group);
  if (hunted == nullptr) return;
  if (hunted->algorithm != HuntAlgorithm::kTopDown &&
      hunted->algorithm != HuntAlgorithm::kCircular) {
    c.Add("voicemail_port_group.line_group", "VOICEMAIL_HUNT_ALGORITHM",
          "voicemail ports are hunted TOP_DOWN or CIRCULAR");
  }
  const auto place_of = [&](const VoicemailPort& port) {
    return std::find(hunted->lines.begin(), hunted->lines.end(), port.line) -
           hunted->lines.begin();
  };
  const auto end = static_cast<std::ptrdiff_t>(hunted->lines.size());
  std::ptrdiff_t last_answering = -1;
  for (const VoicemailPort& port : group.ports) {
    const std::ptrdiff_t place = place_of(port);
    if (port.answers_calls && place < end) {
      last_answering = std::max(last_answering, place);
    }
  }
  for (size_t i = 0; i < group.ports.size(); ++i) {
    const VoicemailPort& port = group.ports[i];
    if (port.line.empty()) continue;
    const std::ptrdiff_t place = place_of(port);
    const std::string field =
        ItemPath("voicemail_port_group.ports", i, ".line");
    if (place == end) {
      // CUC-52
      if (port.answers_calls) {
        c.Add(field, "LINE_NOT_IN_GROUP",
              absl::StrCat("the port answers calls, and its line is not in ",
                           group.line_group));
      }
    } else if (!port.answers_calls && place < last_answering) {
      c.Add(field, "VOICEMAIL_PORT_ORDER",
            "it does not answer, so its line comes after those that do");
    }
  }
}

bool IsEncrypted(const VoicemailPortGroupEntry& group) {
  return group.device_security_mode == DeviceSecurityMode::kEncrypted;
}

// The device names of a group are its prefix and a number (CUC-40, CUC-41).
bool HasPrefix(const std::string& device_name, const std::string& prefix) {
  if (prefix.empty()) return true;
  return device_name.size() > prefix.size() &&
         device_name.compare(0, prefix.size(), prefix) == 0 &&
         std::all_of(device_name.begin() + static_cast<long>(prefix.size()),
                     device_name.end(),
                     [](char digit) { return digit >= '0' && digit <= '9'; });
}

// The subject of the SIP certificate that a group names, or its own.
std::string SubjectOf(const Plan& plan, const VoicemailPortGroupEntry& group) {
  const auto* certificate =
      plan.Get<SipCertificateEntry>(group.sip_certificate);
  return certificate != nullptr && group.sip_certificate_subject.empty()
             ? certificate->subject_name
             : group.sip_certificate_subject;
}

// CUC-14, CUC-18, CUC-24: what a trunk to voicemail proves itself by is a name
// by which its peer is known.
void CheckShownCertificate(const RuleContext& c,
                           const VoicemailPortGroupEntry& group,
                           const PeerEntry& configured) {
  const char* const kField =
      group.sip_certificate.empty()
          ? "voicemail_port_group.sip_certificate_subject"
          : "voicemail_port_group.sip_certificate";
  const std::string subject = SubjectOf(c.plan, group);
  const PeerEntry peer = c.plan.Effective(configured);
  std::vector<std::string> names = peer.x509_subjects;
  if (names.empty() && !peer.fqdn.empty()) names = {peer.fqdn};
  if (subject.empty()) {
    if (names.empty()) {
      c.Add(kField, "SIP_CERTIFICATE_REQUIRED",
            "an ENCRYPTED trunk shows a certificate, and no name of it is "
            "known");
    }
  } else if (std::find(names.begin(), names.end(), subject) == names.end()) {
    c.Add(kField, "SIP_CERTIFICATE_SUBJECT_MISMATCH",
          absl::StrCat(group.peer, " is recognised by ",
                       absl::StrJoin(names, ", ")));
  }
}

// CUC-02, CUC-11, CUC-17, CUC-18.
void CheckGroupSecurity(const RuleContext& c,
                        const VoicemailPortGroupEntry& group,
                        const PeerEntry* peer) {
  constexpr char kMode[] = "voicemail_port_group.device_security_mode";
  constexpr char kRtp[] = "voicemail_port_group.secure_rtp";
  if (group.device_security_mode == DeviceSecurityMode::kAuthenticated) {
    c.Add(kMode, "NULL_CIPHER_NOT_ALLOWED",
          "it means TLS with a NULL cipher, which TLS 1.3 has not");
  }
  const TenantEntry* tenant = c.plan.Get<TenantEntry>(TenantOf(group.name));
  if (IsEncrypted(group) && tenant != nullptr &&
      tenant->voicemail_encryption_disabled) {
    c.Add(kMode, "VOICEMAIL_ENCRYPTION_DISABLED",
          "the tenant has encryption of voicemail disabled");
  }
  const bool sip = group.integration == VoicemailIntegration::kSip;
  if (group.secure_rtp && !sip) {
    c.Add(kRtp, "VALUE_CONFLICT",
          "ports of SCCP have SRTP as their security mode says");
  } else if (group.secure_rtp && !IsEncrypted(group)) {
    c.Add(kRtp, "SECURE_RTP_NEEDS_ENCRYPTED",
          "keys of SRTP go over TLS alone: choose ENCRYPTED");
  }
  if (peer == nullptr || !sip || !IsEncrypted(group)) return;
  CheckShownCertificate(c, group, *peer);
  const DialPlanEntry* plan =
      c.plan.Get<DialPlanEntry>(c.plan.Effective(*peer).dial_plan);
  if (plan == nullptr) return;
  if (plan->security_mode == SecurityMode::kUnsecured) {
    c.Add(kMode, "SECURITY_MODE_MISMATCH",
          absl::StrCat(plan->name, " of its peer is UNSECURED"));
  } else if (group.secure_rtp &&
             plan->security_mode != SecurityMode::kSecured) {
    c.Add(kRtp, "SECURITY_MODE_MISMATCH",
          absl::StrCat(plan->name,
                       " of its peer is SIP_SECURED: its media is "
                       "RTP"));
  }
}

void CheckServers(const RuleContext& c, const VoicemailPortGroupEntry& group) {
  for (size_t i = 0; i < group.servers.size(); ++i) {
    const VoicemailServer& server = group.servers[i];
    const auto at = [&](const char* field) {
      return ItemPath("voicemail_port_group.servers", i, field);
    };
    if (server.host.empty()) {
      c.Add(at(".host"), "VALUE_REQUIRED", "a host name or an address");
    } else if (!IsHostName(server.host) && !IsAddress(server.host)) {
      c.Add(at(".host"), "HOST_INVALID", "must be a host name or an address");
    }
    if (server.port > 65535) {
      c.Add(at(".port"), "VALUE_OUT_OF_RANGE", "must be 0 to 65535");
    }
    if (std::find(group.servers.begin(),
                  group.servers.begin() + static_cast<long>(i),
                  server) != group.servers.begin() + static_cast<long>(i)) {
      c.Add(ItemPath("voicemail_port_group.servers", i), "DUPLICATE_VALUE",
            "it is given twice");
    }
  }
}

void CheckPorts(const RuleContext& c, const VoicemailPortGroupEntry& group) {
  const bool sccp = group.integration == VoicemailIntegration::kSccp;
  if (sccp && group.ports.empty()) {
    c.Add("voicemail_port_group.ports", "VALUE_REQUIRED",
          "SCCP needs at least one port");
  }
  std::vector<std::string> lines;
  for (size_t i = 0; i < group.ports.size(); ++i) {
    const VoicemailPort& port = group.ports[i];
    const auto at = [&](const char* field) {
      return ItemPath("voicemail_port_group.ports", i, field);
    };
    if (port.device_name.empty()) {
      if (sccp) {
        c.Add(at(".device_name"), "VALUE_REQUIRED",
              "an SCCP port registers by its device name");
      }
    } else if (port.device_name.size() > 128 ||
               !IsWord(port.device_name, ".-_")) {
      c.Add(at(".device_name"), "DEVICE_NAME_INVALID",
            "must be 1 to 128 letters, digits and . - _");
    } else if (!HasPrefix(port.device_name, group.device_name_prefix)) {
      c.Add(at(".device_name"), "DEVICE_NAME_NOT_OF_PREFIX",
            absl::StrCat("must be ", group.device_name_prefix,
                         " and a number, as at the voicemail server"));
    }
    if (port.line.empty()) {
      if (sccp) c.Add(at(".line"), "VALUE_REQUIRED", "an SCCP port has a line");
    } else if (std::find(lines.begin(), lines.end(), port.line) !=
               lines.end()) {
      c.Add(at(".line"), "DUPLICATE_VALUE", "it is given twice");
    }
    lines.push_back(port.line);
    if (!port.answers_calls && !port.notifies && !port.sends_message_waiting &&
        !port.records_and_plays) {
      c.Add(ItemPath("voicemail_port_group.ports", i), "VALUE_REQUIRED",
            "the port must answer calls, notify, send message waiting, or "
            "record and play");
    }
  }
}

}  // namespace

std::vector<std::string> PortGroupsOf(const Plan& plan,
                                      const MessageWaitingNumberEntry& number) {
  std::vector<std::string> out;
  for (const auto* group : AllOf<VoicemailPortGroupEntry>(
           plan, number.name, "voicemailPortGroups")) {
    if ((number.lights ? group->message_waiting_on_number
                       : group->message_waiting_off_number) == number.number) {
      out.push_back(group->name);
    }
  }
  return out;
}

void CheckVoicemailEncryption(const RuleContext& c, const TenantEntry& tenant) {
  if (!tenant.voicemail_encryption_disabled) return;
  for (const auto* group : c.plan.Under<VoicemailPortGroupEntry>(
           tenant.name + "/voicemailPortGroups/")) {
    if (!IsEncrypted(*group)) continue;
    c.Add("tenant.voicemail_encryption", "VOICEMAIL_ENCRYPTION_IN_USE",
          absl::StrCat(group->name, " is ENCRYPTED"));
  }
}

void FindInPortGroup(const RuleContext& c,
                     const VoicemailPortGroupEntry& group) {
  if (!IsEncrypted(group)) return;
  const TenantEntry* tenant = c.plan.Get<TenantEntry>(TenantOf(group.name));
  if (tenant != nullptr &&
      tenant->cluster_security_mode != ClusterSecurityMode::kMixed) {
    c.Add("voicemail_port_group.device_security_mode", "CLUSTER_NOT_MIXED",
          "its ports stay out of service: the tenant's cluster security mode "
          "is NON_SECURE");
  }
  const bool any_tftp =
      std::any_of(group.servers.begin(), group.servers.end(),
                  [](const VoicemailServer& server) { return server.tftp; });
  if (!group.servers.empty() && !any_tftp) {
    c.Add("voicemail_port_group.servers", "TFTP_SERVER_MISSING",
          "the voicemail server takes the call managers' certificates from a "
          "TFTP server, and is told of none");
  }
}

void CheckVoicemailPilot(const RuleContext& c,
                         const VoicemailPilotEntry& pilot) {
  CheckNumber(c, "voicemail_pilot.number", pilot.number);
}

void CheckVoicemailProfile(const RuleContext& c,
                           const VoicemailProfileEntry& profile) {
  if (profile.voicemail_pilot.empty()) {
    c.Add("voicemail_profile.voicemail_pilot", "VALUE_REQUIRED",
          "name a voicemail pilot");
  }
  c.AddStatus("voicemail_profile.mailbox_mask",
              CheckMask(profile.mailbox_mask));
}

// CUC-13.
void CheckSipCertificate(const RuleContext& c,
                         const SipCertificateEntry& certificate) {
  constexpr char kField[] = "sip_certificate.subject_name";
  if (certificate.subject_name.empty()) {
    c.Add(kField, "VALUE_REQUIRED", "a certificate has a subject name");
    return;
  }
  if (!IsSubjectName(certificate.subject_name)) {
    c.Add(kField, "SUBJECT_NAME_INVALID",
          "must be a host name or sip: and a host name, without wildcard");
  }
  for (const auto* other : AllOf<SipCertificateEntry>(c.plan, certificate.name,
                                                      "sipCertificates")) {
    if (other->name != certificate.name &&
        other->subject_name == certificate.subject_name) {
      c.Add(kField, "SUBJECT_NAME_NOT_UNIQUE",
            absl::StrCat(other->name, " has it"));
    }
  }
  // What a change of it would strand.
  const auto* old = c.Before<SipCertificateEntry>();
  if (old == nullptr || *old == certificate) return;
  for (const std::string& name : c.plan.ReferrersOf(certificate.name)) {
    const auto* group = c.plan.Get<VoicemailPortGroupEntry>(name);
    if (group == nullptr) continue;
    PlanFaults faults;
    CheckPortGroup({c.plan, nullptr, faults}, *group);
    for (const PlanFault& fault : faults) {
      if (fault.field != "voicemail_port_group.sip_certificate") continue;
      c.Add(kField, fault.reason, absl::StrCat(name, ": ", fault.description));
    }
  }
}

void CheckPortGroup(const RuleContext& c,
                    const VoicemailPortGroupEntry& group) {
  if (!group.sip_certificate.empty() &&
      !group.sip_certificate_subject.empty()) {
    c.Add("voicemail_port_group.sip_certificate_subject", "VALUE_CONFLICT",
          "the SIP certificate that is named has it");
  }
  if (!group.sip_certificate.empty() &&
      group.integration != VoicemailIntegration::kSip) {
    c.Add("voicemail_port_group.sip_certificate", "VALUE_CONFLICT",
          "ports of SCCP show certificates of their own");
  }
  const PeerEntry* peer = c.plan.Get<PeerEntry>(group.peer);
  if (group.peer.empty()) {
    c.Add("voicemail_port_group.peer", "VALUE_REQUIRED",
          "name the peer that is the voicemail server");
  } else if (peer != nullptr && peer->kind != PeerKind::kVoicemail) {
    c.Add("voicemail_port_group.peer", "PEER_NOT_VOICEMAIL",
          absl::StrCat(group.peer, " is no voicemail server"));
  }
  CheckGroupSecurity(c, group, peer);
  CheckServers(c, group);
  CheckPorts(c, group);
  CheckPortLines(c, group);
  CheckLampNumber(c, group, "message_waiting_on_number",
                  group.message_waiting_on_number, /*lights=*/true);
  CheckLampNumber(c, group, "message_waiting_off_number",
                  group.message_waiting_off_number, /*lights=*/false);
  if (!group.message_waiting_on_number.empty() &&
      group.message_waiting_on_number == group.message_waiting_off_number) {
    c.Add("voicemail_port_group.message_waiting_off_number", "VALUE_CONFLICT",
          "the same number cannot light and clear the lamp");
  }
}

void CheckMessageWaiting(const RuleContext& c,
                         const MessageWaitingNumberEntry& number) {
  CheckNumber(c, "message_waiting_number.number", number.number);
  const MessageWaitingNumberEntry* old = c.Before<MessageWaitingNumberEntry>();
  if (old == nullptr ||
      (old->number == number.number && old->lights == number.lights)) {
    return;
  }
  for (const std::string& group : PortGroupsOf(c.plan, *old)) {
    c.Add(old->number != number.number ? "message_waiting_number.number"
                                       : "message_waiting_number.indicator",
          "NUMBER_IN_USE", group + " uses it as it was");
  }
}

}  // namespace sallyport::dialplan
