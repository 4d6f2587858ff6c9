// Voicemail, of a plan_snapshot.h: pilots, profiles, port groups and the
// numbers that light and clear the lamp.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_VOICEMAIL_ENTRIES_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_VOICEMAIL_ENTRIES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "services/common/digit_analysis/peer_entries.h"

namespace sallyport {

struct VoicemailPilotEntry {
  std::string name;    // tenants/{tenant}/voicemailPilots/{voicemail_pilot}
  std::string number;  // of a hunt pilot, or of a pattern to the voicemail
  std::string calling_search_space;  // that reaches the number
  bool is_default = false;           // of the tenant

  bool operator==(const VoicemailPilotEntry&) const = default;
};

struct VoicemailProfileEntry {
  std::string name;  // tenants/{tenant}/voicemailProfiles/{profile}
  std::string voicemail_pilot;
  std::string mailbox_mask;  // applied to the directory number; may be empty
  bool is_default = false;   // of the tenant
  bool use_last_redirecting_number = false;  // false: the first

  bool operator==(const VoicemailProfileEntry&) const = default;
};

// How a voicemail server is connected.
enum class VoicemailIntegration : uint8_t { kSip, kSccp };

struct VoicemailPort {
  std::string device_name;  // such as "CiscoUM1-VI1"
  std::string line;
  bool answers_calls = false;
  bool notifies = false;
  bool sends_message_waiting = false;
  bool records_and_plays = false;  // at phones (TRAP)
  bool disabled = false;

  bool operator==(const VoicemailPort&) const = default;
};

struct VoicemailServer {
  std::string host;
  bool tftp = false;  // else a call manager
  uint32_t port = 0;  // 0 = that of what it is

  bool operator==(const VoicemailServer&) const = default;
};

// By which a voicemail server proves itself on SIP trunks (CUC-13).
struct SipCertificateEntry {
  std::string name;          // tenants/{tenant}/sipCertificates/{certificate}
  std::string subject_name;  // lower case

  bool operator==(const SipCertificateEntry&) const = default;
};

// What port groups are integrations of (CUC-16).
struct PhoneSystemEntry {
  std::string name;  // tenants/{tenant}/phoneSystems/{phone_system}
  bool disabled = false;

  bool operator==(const PhoneSystemEntry&) const = default;
};

struct VoicemailPortGroupEntry {
  std::string name;  // tenants/{tenant}/voicemailPortGroups/{port_group}
  std::string peer;
  VoicemailIntegration integration = VoicemailIntegration::kSip;
  std::vector<VoicemailPort> ports;
  DeviceSecurityMode device_security_mode = DeviceSecurityMode::kNonSecure;
  std::string message_waiting_on_number;
  std::string message_waiting_off_number;
  std::string line_group;               // that holds the ports' lines
  std::string device_name_prefix;       // empty = not checked
  bool secure_rtp = false;              // of a SIP trunk
  std::string sip_certificate_subject;  // empty = the peer's names
  std::vector<VoicemailServer> servers;
  std::string sip_certificate;  // instead of the subject; may be empty
  std::string phone_system;     // may be empty

  bool operator==(const VoicemailPortGroupEntry&) const = default;
};

struct MessageWaitingNumberEntry {
  std::string name;  // tenants/{tenant}/messageWaitingNumbers/{number}
  std::string number;
  std::string partition;             // empty = the null partition
  std::string calling_search_space;  // in which the line is looked up
  bool lights = true;                // false: it clears the lamp

  bool operator==(const MessageWaitingNumberEntry&) const = default;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_VOICEMAIL_ENTRIES_H_
