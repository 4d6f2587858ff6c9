// The routing plan of a region as plain values: what dialplan publishes and
// what a signaling edge routes by (design.md section 5).
//
// One snapshot is one consistent state. Its entries are sorted by name, hold
// resource names in full ("tenants/t/peers/gw1"), and reference only each
// other. An empty optional reference is an empty string. As they leave the
// API, fields may be unset where the API names a default; ResolveDefaults()
// of plan_defaults.h fills them in, and a PlanIndex shows only such plans.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_SNAPSHOT_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_SNAPSHOT_H_

#include <cstdint>
#include <string>
#include <vector>

namespace sallyport {

// What a leg must be protected by (UM-91). The default is the one of UM-94.
enum class SecurityMode : uint8_t {
  kUnsecured,   // SIP in clear, RTP
  kSipSecured,  // mutual TLS, RTP
  kSecured,     // mutual TLS, SRTP
};

// How a dial plan's users are addressed (protocols.md section 7.1).
enum class UriType : uint8_t { kTelExtn, kE164, kSipName };

enum class PeerKind : uint8_t { kIpGateway, kIpPbx, kSipTrunk, kVoicemail };

enum class SipTransport : uint8_t {
  kUnset,  // never seen after ResolveDefaults()
  kUdp,
  kTcp,
  kTls,
};

// Whether a peer takes part in calls (protocols.md section 7.2).
enum class PeerStatus : uint8_t {
  kEnabled,
  kDisabled,    // nothing is accepted from it nor sent to it
  kNoNewCalls,  // established calls go on
};

// The digest algorithm that a user's challenges name (RFC 8760).
enum class DigestAlgorithm : uint8_t { kSha256, kMd5 };

// What happens to a call that a route pattern wins.
enum class PatternAction : uint8_t {
  kRoute,  // to `RoutePatternEntry::peer`
  kBlock,  // released: it counts as a match, so nothing else takes the call
};

// What a call costs. Without a dialling restriction that allows more, only the
// first two may be dialled (UM-12).
enum class TollClass : uint8_t {
  kInternal,
  kEmergency,
  kLocal,
  kNational,
  kInternational,
  kPremium,
};

// Which dialled digits are taken off before the masks (protocols.md 11.3).
enum class DiscardDigits : uint8_t {
  kNone,                 // "NoDigits": none is taken off
  kPreDot,               // up to the pattern's '.'
  kPreDotTrailingPound,  // and a '#' at the end
  kTrailingPound,
};

// The digit changes of a pattern, in the order in which they are applied:
// called side discard, mask, prefix; calling side mask, prefix.
struct Transformation {
  DiscardDigits discard = DiscardDigits::kNone;
  std::string called_mask;  // right-aligned; X keeps a digit; empty = none
  std::string called_prefix;
  std::string calling_mask;
  std::string calling_prefix;

  bool operator==(const Transformation&) const = default;
};

struct TenantEntry {
  std::string name;                  // tenants/{tenant}
  std::vector<std::string> domains;  // SIP domains, lower case, each one's own
  std::string default_dial_plan;     // of peers, phones, users that name none
  // The first generation's rules: no SECURED mode (UM-83).
  bool rtm_profile = false;

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

  bool operator==(const DialPlanEntry&) const = default;
};

struct PeerEntry {
  std::string name;       // tenants/{tenant}/peers/{peer}
  std::string dial_plan;  // its leg's security mode is this plan's
  PeerKind kind = PeerKind::kIpGateway;
  // Where calls to it go. At least one of the two is set; if both are, the
  // address is dialled and the FQDN is what its certificate must say (UM-66).
  std::string fqdn;     // lower case, no trailing dot
  std::string address;  // IPv4 or IPv6 literal
  uint32_t port = 0;    // 1 to 65535; 0 = unset
  SipTransport transport = SipTransport::kUnset;
  // Domains by one of which its certificate must know it, on `incoming_port`;
  // the pair is unique over all peers (CUC trunk profile). Empty: the FQDN.
  std::vector<std::string> x509_subjects;
  uint32_t incoming_port =
      0;  // the edge's port on which it calls in; 0 = unset
  // In clear: addresses or prefixes it sends from. Empty: its address.
  std::vector<std::string> source_addresses;
  std::string digest_user;  // the user whose digest it must show; may be empty
  PeerStatus status = PeerStatus::kEnabled;
  bool outcalls_allowed = false;     // false: it may call, but not be called
  std::string calling_search_space;  // of calls that come from it
  uint32_t max_calls = 0;            // 0 = no bound

  bool operator==(const PeerEntry&) const = default;
};

struct UserEntry {
  std::string name;      // tenants/{tenant}/users/{user}
  std::string username;  // of the digest and of the address of record
  std::string domain;    // one of the tenant's
  std::string realm;     // of the digest
  std::string dial_plan;
  std::string calling_search_space;
  // Digits that reach it directly, in the null partition.
  std::vector<std::string> phone_numbers;
  DigestAlgorithm digest_algorithm = DigestAlgorithm::kSha256;
  // H(username:realm:password), lower-case hex (RFC 7616 section 3.4.2). A
  // snapshot that came by the stream holds only that of `digest_algorithm`;
  // an empty one can never be matched. Secret: never logged or printed, and
  // compared in constant time.
  std::string ha1_md5;
  std::string ha1_sha256;
  bool disabled = false;
  // On a TLS port it may come without a certificate, by digest alone.
  bool allow_without_certificate = false;
  uint32_t max_contacts = 0;  // 0 = unset

  bool operator==(const UserEntry&) const = default;
};

struct PhoneEntry {
  std::string name;         // tenants/{tenant}/phones/{phone}
  std::string device_name;  // CN of its LSC, such as SEP001122334455
  std::string dial_plan;
  std::string calling_search_space;
  std::string owner_user;  // the user that registers from it; may be empty
  bool disabled = false;

  bool operator==(const PhoneEntry&) const = default;
};

struct PartitionEntry {
  std::string name;  // tenants/{tenant}/partitions/{partition}
  bool disabled = false;

  bool operator==(const PartitionEntry&) const = default;
};

struct CallingSearchSpaceEntry {
  std::string name;  // tenants/{tenant}/callingSearchSpaces/{css}
  // In order; the order breaks ties only. The null partition comes last,
  // unwritten, and is always reachable.
  std::vector<std::string> partitions;

  bool operator==(const CallingSearchSpaceEntry&) const = default;
};

struct RoutePatternEntry {
  std::string name;       // tenants/{tenant}/routePatterns/{route_pattern}
  std::string partition;  // empty = the null partition
  std::string pattern;    // dial_pattern.h says what may stand here
  PatternAction action = PatternAction::kRoute;
  std::string peer;          // where to, if the action is kRoute
  uint32_t block_cause = 0;  // Q.850, 1 to 127, if the action is kBlock
  TollClass toll_class = TollClass::kInternal;
  bool urgent_priority = false;
  bool disabled = false;
  Transformation transformation;

  bool operator==(const RoutePatternEntry&) const = default;
};

struct PlanSnapshot {
  int64_t version = 0;   // grows with every change; 0 = nothing yet
  std::string checksum;  // of names and etags, as the stream says
  std::vector<TenantEntry> tenants;
  std::vector<DialPlanEntry> dial_plans;
  std::vector<PeerEntry> peers;
  std::vector<UserEntry> users;
  std::vector<PhoneEntry> phones;
  std::vector<PartitionEntry> partitions;
  std::vector<CallingSearchSpaceEntry> calling_search_spaces;
  std::vector<RoutePatternEntry> route_patterns;

  bool operator==(const PlanSnapshot&) const = default;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_SNAPSHOT_H_
