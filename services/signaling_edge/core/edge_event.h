// What an edge tells its operators: events, and above all refusals with the
// reason that the peer is never told.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EDGE_EVENT_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EDGE_EVENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "services/common/net/socket_address.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/call_record.h"
#include "services/signaling_edge/core/sip_headers.h"

namespace sallyport::signaling_edge {

enum class RefusalKind : uint8_t {
  kConnection,
  kRegistration,
  kCall,
  kMedia,
  kRequest,
  kMalformed,
};

struct Refusal {
  RefusalKind kind = RefusalKind::kRequest;
  SipTransport transport = SipTransport::kUdp;
  SocketAddress remote;
  std::string explanation;                        // for operators only
  std::vector<std::string> presented_identities;  // "DNS:gw.example.test"
  // Names that the plan takes, of refused certificates and device names
  // (expected_names.h).
  std::vector<std::string> expected_identities;
  std::vector<std::string> steps;  // refusal_steps.h
  uint64_t call = 0;               // the id of the call, where there is one
  std::string certificate_subject;
  std::string certificate_issuer;
  std::string certificate_sha256;  // hex
  std::string peer;                // resource, where known
  std::string subject;             // user or phone, where known
  std::string dial_plan;
  std::string sip_method;  // empty at a handshake
  int sip_status = 0;      // 0: nothing was answered
  std::string tls_alert;   // "unknown_ca", sent or received; or empty
  bool alert_sent = false;
};

struct EdgeEvent {
  enum class Type : uint8_t {
    kConnectionOpened,
    kConnectionClosed,
    kRefused,
    kRegistered,
    kUnregistered,
    kCallStarted,
    kCallAnswered,
    kCallEnded,
    kPeerUp,
    kPeerDown,
    kSnapshotActivated,
    kTrustActivated,
    kDraining,
    kCertificate,
    kStarted,
  };

  Type type = Type::kRefused;
  MonoTime at;
  std::string reason;    // stable; empty where none is needed
  std::string summary;   // a sentence without numbers, addresses and keys
  std::string tenant;    // tenants/{t}, or empty
  std::string resource;  // of a peer, phone or user, or empty
  uint64_t connection = 0;
  uint64_t registration = 0;
  uint32_t event_id = 0;  // of the documented event; 0: none
  std::string tls_alert;  // of a connection that one ended: "unknown_ca"
  bool alert_sent = false;
  std::optional<Refusal> refusal;  // of kRefused
  // The id, of the three call events, and of kRefused where the call is over
  // with it, before anybody was called: no other event tells of that call.
  uint64_t call = 0;
  // Of a call that is over: of kCallEnded, and of such a kRefused.
  std::shared_ptr<const CallRecord> record;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EDGE_EVENT_H_
