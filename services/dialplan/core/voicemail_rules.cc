#include "services/dialplan/core/voicemail_rules.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/transform.h"
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
    }
    if (port.line.empty()) {
      if (sccp) c.Add(at(".line"), "VALUE_REQUIRED", "an SCCP port has a line");
    } else if (std::find(lines.begin(), lines.end(), port.line) !=
               lines.end()) {
      c.Add(at(".line"), "DUPLICATE_VALUE", "it is given twice");
    }
    lines.push_back(port.line);
    if (!port.answers_calls && !port.notifies && !port.sends_message_waiting) {
      c.Add(ItemPath("voicemail_port_group.ports", i), "VALUE_REQUIRED",
            "the port must answer calls, notify or send message waiting");
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

void CheckPortGroup(const RuleContext& c,
                    const VoicemailPortGroupEntry& group) {
  const PeerEntry* peer = c.plan.Get<PeerEntry>(group.peer);
  if (group.peer.empty()) {
    c.Add("voicemail_port_group.peer", "VALUE_REQUIRED",
          "name the peer that is the voicemail server");
  } else if (peer != nullptr && peer->kind != PeerKind::kVoicemail) {
    c.Add("voicemail_port_group.peer", "PEER_NOT_VOICEMAIL",
          absl::StrCat(group.peer, " is no voicemail server"));
  }
  if (group.device_security_mode == DeviceSecurityMode::kAuthenticated) {
    c.Add("voicemail_port_group.device_security_mode",
          "NULL_CIPHER_NOT_ALLOWED",
          "it means TLS with a NULL cipher, which TLS 1.3 has not");
  }
  if (peer != nullptr &&
      group.device_security_mode == DeviceSecurityMode::kEncrypted &&
      group.integration == VoicemailIntegration::kSip) {
    const DialPlanEntry* plan =
        c.plan.Get<DialPlanEntry>(c.plan.Effective(*peer).dial_plan);
    if (plan != nullptr && plan->security_mode == SecurityMode::kUnsecured) {
      c.Add("voicemail_port_group.device_security_mode",
            "SECURITY_MODE_MISMATCH",
            absl::StrCat(plan->name, " of its peer is UNSECURED"));
    }
  }
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
