// SIP neighbours of a plan_snapshot.h: peers, their security profiles and
// server groups.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PEER_ENTRIES_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PEER_ENTRIES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace sallyport {

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

// How a trunk or phone protects its signaling (protocols.md section 8).
enum class DeviceSecurityMode : uint8_t {
  kNonSecure,
  kAuthenticated,  // TLS with a NULL cipher; refused where it is written
  kEncrypted,
};

// Whether a peer can be reached over IPsec (UM-19).
enum class IpsecCapability : uint8_t { kUnavailable, kUnsupported, kSupported };

// Which family is used where a name has both; any: in the order of RFC 6724.
enum class AddressFamily : uint8_t { kIpv4Only, kIpv6Only, kAny };

// What of V.150.1 is taken out of offers to a trunk.
enum class V150Filtering : uint8_t {
  kUseDefault,
  kNoFiltering,
  kRemoveMer,
  kRemovePreMer,
};

// Keep-alive by SIP OPTIONS; zeroes are unset.
struct OptionsMonitoring {
  bool enabled = false;  // false: the peer counts as up
  absl::Duration interval;
  absl::Duration out_of_service_interval;
  absl::Duration retry_interval;
  uint32_t retries = 0;

  bool operator==(const OptionsMonitoring&) const = default;
};

// Whether an INVITE to a peer always has an offer.
enum class EarlyOffer : uint8_t { kAsCaller, kMandatory };

// Reliable provisional responses (RFC 3262) with a peer.
enum class Rel1xx : uint8_t {
  kEndToEnd,  // offered to who is called if the caller has it
  kDisabled,
  kAlways,  // whatever the other leg does: all but 100
};

// How requests go that are too long for UDP (RFC 3261 section 18.1.1).
enum class LongRequestsBy : uint8_t { kTcp, kUdp };

// How SIP is spoken with a peer; zeroes are unset.
struct SipSettings {
  absl::Duration session_expires;
  absl::Duration min_session_expires;
  EarlyOffer early_offer = EarlyOffer::kAsCaller;
  Rel1xx rel1xx = Rel1xx::kEndToEnd;
  LongRequestsBy long_requests = LongRequestsBy::kTcp;

  bool operator==(const SipSettings&) const = default;
};

// The one that is in every tenant without being in its plan has this id, and
// nothing set (CUC-25).
inline constexpr char kStandardSipProfile[] = "standard";

struct SipProfileEntry {
  std::string name;  // tenants/{tenant}/sipProfiles/{sip_profile}
  OptionsMonitoring monitoring;
  SipSettings settings;

  bool operator==(const SipProfileEntry&) const = default;
};

// Versions of TLS that a context may name.
enum class TlsVersion : uint8_t { kUnset, kTls12, kTls13 };

// How TLS is spoken with the peers of a context (IMP-40).
struct TlsSettings {
  std::vector<std::string> ciphers;  // of TLS 1.2, IANA names; none: all
  TlsVersion minimum_version = TlsVersion::kUnset;
  TlsVersion maximum_version = TlsVersion::kUnset;

  bool operator==(const TlsSettings&) const = default;
};

struct TlsContextSettings {
  std::vector<std::string> peers;
  std::string trust_store;  // may be empty
  TlsSettings tls;

  bool operator==(const TlsContextSettings&) const = default;
};

struct TlsContextEntry {
  std::string name;  // tenants/{tenant}/tlsContexts/{tls_context}
  TlsContextSettings configured;
  TlsContextSettings active;  // what edges go by (IMP-42)

  bool operator==(const TlsContextEntry&) const = default;
};

struct TrunkSecurityProfileEntry {
  std::string name;  // tenants/{tenant}/trunkSecurityProfiles/{profile}
  DeviceSecurityMode device_security_mode = DeviceSecurityMode::kNonSecure;
  // Empty: TLS if it is encrypted, else TCP and UDP.
  std::vector<SipTransport> incoming_transports;
  SipTransport outgoing_transport = SipTransport::kUnset;
  bool digest = false;
  absl::Duration nonce_validity;                 // 0 = unset
  std::vector<std::string> x509_subjects;        // as PeerEntry::x509_subjects
  uint32_t incoming_port = 0;                    // 0 = unset
  bool application_level_authorization = false;  // needs digest
  bool accept_presence_subscription = false;
  bool accept_out_of_dialog_refer = false;
  bool accept_unsolicited_notification = false;
  bool accept_replaces = false;
  bool transmit_security_status = false;
  bool allow_charging_header = false;
  V150Filtering v150_filtering = V150Filtering::kUseDefault;

  bool operator==(const TrunkSecurityProfileEntry&) const = default;
};

struct ServerGroupMember {
  std::string host;          // name, lower case, or address
  uint32_t port = 0;         // in clear; 0 = unset
  uint32_t secure_port = 0;  // over TLS; 0 = unset
  uint32_t priority = 0;     // lowest first
  uint32_t weight = 0;       // among equal priority (RFC 2782)
  bool disabled = false;     // takes no new calls

  bool operator==(const ServerGroupMember&) const = default;
};

struct ServerGroupEntry {
  std::string name;  // tenants/{tenant}/serverGroups/{server_group}
  std::vector<ServerGroupMember> members;
  OptionsMonitoring monitoring;  // of each member

  bool operator==(const ServerGroupEntry&) const = default;
};

// What an operator has made sure of at a peer itself (UM-11).
struct HardeningChecklist {
  bool strong_authentication = false;
  bool strong_administrator_password = false;
  bool administration_over_tls = false;
  bool ssh_not_telnet = false;

  bool operator==(const HardeningChecklist&) const = default;
};

// Where the network between us and a peer runs (UM-73); numbered as the API.
enum class LinkScenario : uint8_t {
  kUnsaid,
  kLanClientServer,
  kLanServerServer,
  kLanServerVoipDevice,
  kWanRouterRouter,
  kWanGatewayGateway,
  kRemoteDialUp,
  kRemoteInternet,
};

// Whether encryption of the network below covers a peer's address (UM-76);
// numbered as the API.
enum class NetworkEncryption : uint8_t { kUndecided, kExempt, kCovered };

// What an operator knows of the network between us and a peer.
struct NetworkLink {
  LinkScenario scenario = LinkScenario::kUnsaid;
  bool ipsec_at_peer = false;  // the peer has a policy for it (UM-74)
  NetworkEncryption network_encryption = NetworkEncryption::kUndecided;

  bool operator==(const NetworkLink&) const = default;
};

// The steps of the exchange of certificates that were done by hand (UM-44).
struct CertificateChecklist {
  bool request_created = false;
  bool request_copied = false;
  bool certificate_saved = false;
  bool certificate_imported = false;
  bool root_downloaded = false;
  bool root_imported = false;

  bool operator==(const CertificateChecklist&) const = default;
};

struct PeerEntry {
  std::string name;       // tenants/{tenant}/peers/{peer}
  std::string dial_plan;  // its leg's security mode is this plan's
  PeerKind kind = PeerKind::kIpGateway;
  // Where calls to it go, unless it has a server group. At least one of the
  // two is set otherwise; if both are, the address is dialled and the FQDN is
  // what its certificate must say (UM-66).
  std::string fqdn;     // lower case, no trailing dot
  std::string address;  // IPv4 or IPv6 literal
  uint32_t port = 0;    // 1 to 65535; 0 = unset
  SipTransport transport = SipTransport::kUnset;
  // Domains by one of which its certificate must know it, on `incoming_port`;
  // the pair is unique over all peers (CUC trunk profile). Empty: the FQDN.
  // Unset, they are those of its trunk security profile.
  std::vector<std::string> x509_subjects;
  uint32_t incoming_port =
      0;  // the edge's port on which it calls in; 0 = unset
  // By which it calls in, of its trunk security profile; empty: any that its
  // dial plan allows.
  std::vector<SipTransport> incoming_transports;
  // In clear: addresses or prefixes it sends from. Empty: its address.
  std::vector<std::string> source_addresses;
  std::string digest_user;  // the user whose digest it must show; may be empty
  // Of nonces for it, by its trunk security profile; 0: the edge's own.
  absl::Duration nonce_validity;
  PeerStatus status = PeerStatus::kEnabled;
  bool outcalls_allowed = false;       // false: it may call, but not be called
  std::string calling_search_space;    // of calls that come from it
  uint32_t max_calls = 0;              // 0 = no bound
  std::string trunk_security_profile;  // empty: what its dial plan implies
  std::string server_group;            // may be empty
  // Unless it is its own, that of its SIP profile.
  OptionsMonitoring monitoring;
  bool own_monitoring = false;
  std::string sip_profile;  // empty: the standard one
  SipSettings sip;          // of its SIP profile
  TlsSettings tls;          // of the TLS context that it is selected in
  IpsecCapability ipsec = IpsecCapability::kUnavailable;
  bool ipsec_enabled = false;  // its traffic is under an IPsec policy of ours
  HardeningChecklist hardening;
  NetworkLink network_link;
  CertificateChecklist certificate_checklist;
  std::string vendor;  // with `model`, a row of the list of known peers
  std::string model;
  // Of calls that it diverts or refers; unset: calling_search_space.
  std::string rerouting_search_space;
  // Of calls that it refers from outside of a dialog; unset: the one above.
  std::string outside_refer_search_space;
  AddressFamily address_family = AddressFamily::kIpv4Only;
  bool diversion_inbound = false;        // its Diversion headers are believed
  bool diversion_outbound = false;       // Diversion headers are sent to it
  bool message_waiting_allowed = false;  // its notifications are taken
  // Calling search spaces whose transformations calls to it undergo.
  std::string called_transformation_space;
  std::string calling_transformation_space;
  std::string trust_store;  // empty: CallManager-trust

  bool operator==(const PeerEntry&) const = default;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PEER_ENTRIES_H_
