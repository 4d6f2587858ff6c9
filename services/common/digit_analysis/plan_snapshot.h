// The routing plan of a region as plain values: what dialplan publishes and
// what a signaling edge routes by (design.md section 5).
//
// One snapshot is one consistent state. Its entries are sorted by name, hold
// resource names in full ("tenants/t/peers/gw1"), and reference only each
// other. An empty optional reference is an empty string.

#ifndef SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_SNAPSHOT_H_
#define SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_SNAPSHOT_H_

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

enum class SipTransport : uint8_t { kUdp, kTcp, kTls };

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

// Which dialled digits are taken off before the masks (protocols.md 11.3).
enum class DiscardDigits : uint8_t {
  kNone,
  kAll,                  // "NoDigits" of the documents: nothing is left
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

  bool operator==(const TenantEntry&) const = default;
};

struct DialPlanEntry {
  std::string name;  // tenants/{tenant}/dialPlans/{dial_plan}
  SecurityMode security_mode = SecurityMode::kUnsecured;
  UriType uri_type = UriType::kTelExtn;
  uint32_t extension_digits = 0;     // 1 to 20
  std::string calling_search_space;  // of members that name none themselves
  // Edges that serve this plan (UM-86); none named means every edge.
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
  uint32_t port = 0;    // 1 to 65535
  SipTransport transport = SipTransport::kUdp;
  // Names by one of which its certificate must know it, on `incoming_port`;
  // the pair is unique over all peers (CUC trunk profile). Empty: the FQDN.
  std::vector<std::string> x509_subjects;
  uint32_t incoming_port = 0;  // the edge's port on which it calls in
  PeerStatus status = PeerStatus::kEnabled;
  bool outcalls_allowed = true;      // false: calls from it only
  std::string calling_search_space;  // of calls that come from it

  bool operator==(const PeerEntry&) const = default;
};

struct UserEntry {
  std::string name;      // tenants/{tenant}/users/{user}
  std::string username;  // of the digest and of the address of record
  std::string domain;    // one of the tenant's; also the digest realm
  std::string dial_plan;
  std::string device_name;  // the phone its certificate names; may be empty
  std::string extension;    // the digits that reach it; may be empty
  std::string partition;    // of that extension; empty = the null partition
  std::string calling_search_space;
  DigestAlgorithm digest_algorithm = DigestAlgorithm::kSha256;
  // H(username:domain:password), lower-case hex (RFC 7616 section 3.4.2).
  // Secret: never logged, printed or compared but in constant time.
  std::string ha1_md5;
  std::string ha1_sha256;
  bool enabled = true;

  bool operator==(const UserEntry&) const = default;
};

struct PhoneEntry {
  std::string name;         // tenants/{tenant}/phones/{phone}
  std::string device_name;  // CN of its LSC, such as SEP001122334455
  std::string dial_plan;
  // True if it must show its LSC on TLS; else digest over TLS is enough.
  bool certificate_required = false;

  bool operator==(const PhoneEntry&) const = default;
};

struct PartitionEntry {
  std::string name;  // tenants/{tenant}/partitions/{partition}

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
  std::string peer;  // where to, if the action is kRoute
  bool urgent_priority = false;
  Transformation transformation;

  bool operator==(const RoutePatternEntry&) const = default;
};

struct PlanSnapshot {
  uint64_t version = 0;  // grows with every change; 0 = nothing yet
  std::string checksum;  // of the contents; equal contents, equal checksum
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

#endif  // SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_SNAPSHOT_H_
