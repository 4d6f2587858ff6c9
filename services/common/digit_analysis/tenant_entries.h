// Tenants and dial plans of a plan_snapshot.h.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_TENANT_ENTRIES_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_TENANT_ENTRIES_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace sallyport {

// What a leg must be protected by (UM-91). The default is the one of UM-94.
enum class SecurityMode : uint8_t {
  kUnsecured,   // SIP in clear, RTP
  kSipSecured,  // mutual TLS, RTP
  kSecured,     // mutual TLS, SRTP
};

// Whether phones may use security profiles at all (protocols.md section 9).
enum class ClusterSecurityMode : uint8_t { kNonSecure, kMixed };

// How a dial plan's users are addressed (protocols.md section 7.1).
enum class UriType : uint8_t { kTelExtn, kE164, kSipName };

// Where the media of a dial plan's calls runs.
enum class MediaMode : uint8_t {
  kAnchored,     // through a media relay
  kPassThrough,  // end to end; both legs have the same security mode
};

// An SRTP suite that a SECURED leg offers and accepts (RFC 4568, RFC 7714,
// RFC 6188).
enum class PlanSrtpSuite : uint8_t {
  kAesCm128HmacSha1_80,
  kAesCm128HmacSha1_32,
  kAeadAes128Gcm,
  kAeadAes256Gcm,
  kAes256CmHmacSha1_80,
};

// How a SECURED leg comes to its SRTP keys.
enum class SrtpKeying : uint8_t {
  kSdes,  // by a=crypto (RFC 4568)
  kDtls,  // by a handshake of the media itself (RFC 5763)
};

// Upper bounds for one tenant; 0 = no bound but the installation's own.
struct TenantLimits {
  uint32_t max_calls = 0;  // at each edge, as the next two
  uint32_t max_calls_per_second = 0;
  uint32_t max_registrations = 0;  // contacts of all users
  uint32_t max_allocations = 0;    // of TURN
  uint32_t max_peers = 0;          // that may be configured
  uint32_t max_patterns = 0;       // route and translation patterns, likewise

  bool operator==(const TenantLimits&) const = default;
};

struct TenantEntry {
  std::string name;                  // tenants/{tenant}
  std::vector<std::string> domains;  // SIP domains, lower case, each one's own
  std::string default_dial_plan;     // of peers, phones, users that name none
  // The first generation's rules: no SECURED mode (UM-83).
  bool rtm_profile = false;
  ClusterSecurityMode cluster_security_mode = ClusterSecurityMode::kNonSecure;
  std::string login_banner;
  TenantLimits limits;
  // Voicemail port groups are non-secure (CUC-02).
  bool voicemail_encryption_disabled = false;
  // Edges that follow the first generation's rules, whatever the profile.
  std::vector<std::string> rtm_edges;

  // UM-01.
  bool IsRtm(std::string_view edge) const {
    return rtm_profile || std::find(rtm_edges.begin(), rtm_edges.end(), edge) !=
                              rtm_edges.end();
  }

  bool operator==(const TenantEntry&) const = default;
};

struct DialPlanEntry {
  std::string name;  // tenants/{tenant}/dialPlans/{dial_plan}
  SecurityMode security_mode = SecurityMode::kUnsecured;
  UriType uri_type = UriType::kTelExtn;
  uint32_t extension_digits = 0;     // 1 to 20
  std::string calling_search_space;  // of members that name none themselves
  // Instances of signaling_edge that serve it (UM-86); none: all.
  std::vector<std::string> edges;
  std::string country_code;  // 1 to 4 digits, or empty
  // By which subscribers reach the voicemail: digits, perhaps after a '+'.
  std::vector<std::string> access_numbers;
  std::string outside_line_access_code;
  std::string international_access_code;
  std::string national_prefix;
  std::string national_format;       // a mask, as sent to a gateway
  std::string international_format;  // likewise
  MediaMode media_mode = MediaMode::kAnchored;
  // Best first; none: AES_CM_128_HMAC_SHA1_80 only.
  std::vector<PlanSrtpSuite> srtp_suites;
  SrtpKeying srtp_keying = SrtpKeying::kSdes;
  bool ice = false;                      // of anchored legs (RFC 8445)
  std::string music_on_hold;             // a prompt, or empty
  std::string dialling_restriction;      // of its callers; may be empty
  absl::Duration max_call_duration;      // 0 = unset
  absl::Duration media_silence_timeout;  // 0 = what the edge has set
  absl::Duration interdigit_timeout;     // T302; 0 = unset

  bool operator==(const DialPlanEntry&) const = default;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_TENANT_ENTRIES_H_
