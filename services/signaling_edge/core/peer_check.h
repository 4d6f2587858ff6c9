// Trying to reach a peer, step by step, as a call to it would (UM-108): resolve
// its name, connect, shake hands, prove who it is, ask it by OPTIONS and, if
// wanted, offer it SRTP by an INVITE that is given up at once.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PEER_CHECK_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PEER_CHECK_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/net/socket_address.h"
#include "services/common/random/random_source.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/check_offer.h"
#include "services/signaling_edge/core/connection_table.h"
#include "services/signaling_edge/core/edge_options.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/peer_check_result.h"
#include "services/signaling_edge/core/peer_identity.h"
#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// What a check needs of the edge around it. None of these calls back.
class PeerCheckPort {
 public:
  virtual ~PeerCheckPort() = default;

  // Answered by OnResolved.
  virtual void ResolveForCheck(uint64_t check, const std::string& host,
                               std::string_view service,
                               AddressFamily family) = 0;
  struct Way {
    Flow flow;
    bool open = false;  // it can be used at once
  };
  // A connection to the first of `addresses` that answers: the one that is kept
  // for the peer's calls for a check of the edge's own, so that there is one
  // (CCE-58), else one that nothing else uses. If it is not open, answered by
  // OnOpened or OnGone, and by OnAddressFailed for each address that is given
  // up for the next one.
  virtual absl::StatusOr<Way> OpenForCheck(
      uint64_t check, const PeerEntry& peer,
      const std::vector<SocketAddress>& addresses, MonoTime now) = 0;
  // Adds Via and starts a client transaction, answered by OnResponse or
  // OnRequestFailed.
  virtual absl::Status SendForCheck(uint64_t check, const Flow& flow,
                                    SipMessage request, MonoTime now) = 0;
  // For the INVITE that this check sent.
  virtual void CancelForCheck(uint64_t check, MonoTime now) = 0;
  // Not answered, as an ACK is not.
  virtual void SendPlain(const Flow& flow, SipMessage message) = 0;
  // `answered`: the peer has said something to this check.
  virtual void CloseForCheck(const Flow& flow, bool answered, MonoTime now) = 0;
  virtual const EdgeListener& ListenerFor(const Flow& flow) const = 0;
  virtual void CheckDone(PeerCheckResult result, MonoTime now) = 0;
};

// The checks that run. Inputs of a check that is over do nothing.
// Thread-compatible.
class PeerChecks {
 public:
  struct Options {
    // All steps together: below the deadline of the RPC that waits for them.
    absl::Duration timeout = absl::Seconds(8);
    size_t max_checks = 2048;
  };

  // Both must outlive this object.
  PeerChecks(const Options& options, PeerCheckPort& port, RandomSource& random)
      : options_(options), port_(port), random_(random) {}

  // CheckDone follows, perhaps before this returns. An error instead:
  // RESOURCE_EXHAUSTED (CHECK_LIMIT), FAILED_PRECONDITION (NO_CONFIGURATION)
  // or NOT_FOUND (PEER_NOT_FOUND).
  absl::Status Start(const PeerCheckRequest& request,
                     std::shared_ptr<const Resolver> plan, MonoTime now);

  void OnResolved(uint64_t check,
                  absl::StatusOr<std::vector<SocketAddress>> addresses,
                  MonoTime now);
  void OnAddressFailed(uint64_t check, const SocketAddress& address,
                       const absl::Status& why);
  // TCP is up, or TLS with a certificate that is the peer's.
  void OnOpened(uint64_t check, const SocketAddress& address,
                const TlsFacts* tls, const ConnectionIdentity* identity,
                MonoTime now);
  // The handshake was done, but the certificate is not the peer's.
  void OnRefused(uint64_t check, const SocketAddress& address,
                 const TlsFacts& tls, const absl::Status& why, MonoTime now);
  // The connection ended, or never came to be.
  void OnGone(uint64_t check, const SocketAddress& address,
              const absl::Status& why, const TlsFacts* tls, MonoTime now);
  void OnResponse(uint64_t check, const SipMessage& request,
                  const SipMessage& response, MonoTime now);
  void OnRequestFailed(uint64_t check, const SipMessage& request,
                       bool timed_out, MonoTime now);

  MonoTime deadline() const { return deadlines_.next(); }
  void OnDeadline(MonoTime now);
  size_t size() const { return checks_.size(); }

 private:
  enum class Stage {
    kResolving,
    kConnecting,
    kOptions,
    kInvite,
    kRinging,
    kCancelled
  };
  struct Check {
    PeerCheckRequest request;
    std::shared_ptr<const Resolver> plan;  // keeps `peer`
    const PeerEntry* peer = nullptr;
    Stage stage = Stage::kResolving;
    Flow flow;
    bool flow_open = false;
    std::string target;  // Request-URI
    std::string call_id;
    std::string from;  // with our tag
    std::optional<CheckOffer> offer;
    std::string rings;  // what it says of that, "180 Ringing"
    MonoTime sent;
    PeerCheckResult result;
  };

  Check* Find(uint64_t check);
  static const std::string& HostOf(const Check& check);
  static uint16_t PortOf(const Check& check);
  void Open(Check& check, const std::vector<SocketAddress>& addresses,
            MonoTime now);
  void SendOptions(Check& check, MonoTime now);
  void SendInvite(Check& check, MonoTime now);
  SipMessage MakeRequest(const Check& check, SipMethod method, uint32_t cseq);
  void OnOptionsResponse(Check& check, const SipMessage& response,
                         MonoTime now);
  void OnInviteResponse(Check& check, const SipMessage& request,
                        const SipMessage& response, MonoTime now);
  // What the peer says from now on is no matter.
  void GiveUpInvite(Check& check, MonoTime now);
  // Whether a description of the peer's takes our SRTP offer.
  bool JudgeAnswer(Check& check, std::string_view body);
  static void Step(Check& check, std::string_view step, bool succeeded,
                   std::string detail);
  void Fail(Check& check, std::string_view step, std::string_view reason,
            std::string detail, MonoTime now);
  void Finish(Check& check, MonoTime now);

  const Options options_;
  PeerCheckPort& port_;
  RandomSource& random_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Check>> checks_;
  DeadlineQueue<uint64_t> deadlines_;
};

// The name of an alert (RFC 8446 section 6) in what the TLS library says of
// one that was received: "unknown_ca" of "TLSV1_ALERT_UNKNOWN_CA".
std::string AlertName(std::string_view library_text);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PEER_CHECK_H_
