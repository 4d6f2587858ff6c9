// Who sends a request: by the connection's certificate, by the source address
// where the plan says so, or by digest. Nothing is believed of what a request
// says of itself.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REQUEST_AUTH_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REQUEST_AUTH_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/digest_auth.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/party.h"
#include "services/signaling_edge/core/peer_identity.h"
#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// Unknown users, wrong passwords and users without right are answered alike;
// what a domain's users have in common (algorithm, transport) is what an
// unknown one is given too. Loop thread only.
class RequestAuth {
 public:
  // A 401 or 407 with this header field.
  struct Challenge {
    int status_code = 401;
    HeaderId header = HeaderId::kWwwAuthenticate;
    std::string value;
    // Why: empty when no credentials were sent, else DIGEST_FAILED,
    // DIGEST_STALE or, of a user with MD5 in FIPS mode,
    // NOT_ALLOWED_IN_FIPS_MODE.
    std::string reason;
  };
  struct Refused {
    absl::Status status;
    // Who it is all the same, where that is proven.
    std::optional<Party> party = std::nullopt;
  };
  using Outcome = std::variant<Party, Challenge, Refused>;

  // `digest` must outlive this object. `edge` as of EdgeOptions::instance.
  // `approved_only`: no digest is made with MD5, as in FIPS mode (IMP-70); its
  // users are answered like those who do not exist.
  explicit RequestAuth(DigestAuth& digest, std::string edge = "",
                       bool approved_only = false)
      : digest_(digest),
        edge_(std::move(edge)),
        approved_only_(approved_only) {}

  // `plan` outlives the next call of this.
  void SetPlan(const PlanIndex* plan) {
    plan_ = plan;
    last_source_.reset();
  }

  // `identity` is that of the connection, if its certificate gave one;
  // `incoming_port` the port by which peers know the listener. Refusals:
  // IDENTITY_NOT_ALLOWED (e.g. the phone of another user),
  // PEER_CERTIFICATE_MISSING, PEER_DISABLED, PHONE_DISABLED, USER_DISABLED,
  // SECURITY_MODE_TLS_REQUIRED, SECURITY_MODE_TLS_NOT_ALLOWED,
  // TRANSPORT_NOT_ALLOWED (another than the peer's trunk security profile has),
  // DIAL_PLAN_NOT_SERVED (the edge is not associated with the dial plan).
  Outcome Authenticate(const SipMessage& request, const Flow& flow,
                       const std::optional<ConnectionIdentity>& identity,
                       uint32_t incoming_port, MonoTime now);

  // The peer that the flow alone proves to be at its other end: by the identity
  // of its connection, or by an address in clear that the plan takes for proof.
  std::optional<Party> PeerOf(const Flow& flow,
                              const std::optional<ConnectionIdentity>& identity,
                              uint32_t incoming_port) const;

  // Whether the peer is there: at one of its source addresses or, without any,
  // at its address.
  static bool IsFrom(const PeerEntry& peer, const SocketAddress& source);
  // Whether the plan knows a peer by this clear flow's source address.
  bool IsPeerSource(const Flow& flow, uint32_t incoming_port) const;

  // Who sends from there, or nullptr: no proof, but a hint.
  const PeerEntry* PeerAt(const Flow& flow, uint32_t incoming_port) const {
    return plan_ == nullptr ? nullptr : PeerBySource(flow, incoming_port);
  }

  // Whether a clear flow comes from where a configured peer sends from.
  bool KnowsSource(const Flow& flow, uint32_t incoming_port) const {
    return plan_ != nullptr && !flow.is_tls() &&
           PeerBySource(flow, incoming_port) != nullptr;
  }
  // The same of any flow: no proof, but a reason to listen.
  bool IsPeerAddress(const Flow& flow, uint32_t incoming_port) const {
    return plan_ != nullptr && PeerBySource(flow, incoming_port) != nullptr;
  }

 private:
  Party PartyOf(const PeerEntry& peer, const Flow& flow,
                std::string_view identity) const;
  // An address alone is proof for a plan in clear that asks for no password,
  // by a transport that the peer's calls come by.
  bool IsProof(const PeerEntry& peer, const Flow& flow) const {
    return flow.is_tls() ||
           (plan_->ModeOf(peer.dial_plan) == SecurityMode::kUnsecured &&
            peer.digest_user.empty() && MayComeBy(peer, flow));
  }
  static bool MayComeBy(const PeerEntry& peer, const Flow& flow);
  // `phone` may be null. How it was proven is not told.
  Party PartyOf(const UserEntry& user, const PhoneEntry* phone) const;
  Outcome AsPeer(const PeerEntry& peer, const SipMessage& request,
                 const Flow& flow, std::string_view identity, MonoTime now);
  Outcome AsUser(const SipMessage& request, const Flow& flow,
                 const PhoneEntry* phone, MonoTime now);
  // A phone whose LSC is all the proof that its profile asks for, in the name
  // of the address that it wants to be.
  Outcome ByLscAlone(const PhoneEntry& phone, const UserEntry* user) const;
  // Empty when the digest holds; else what to answer. `user` may be null;
  // `shape` is the user, or one that lends it its looks (see DecoyOf), or null.
  // `nonce_lifetime` may be zero: the edge's own.
  std::optional<Challenge> CheckDigest(
      const SipMessage& request, const UserEntry* user, const UserEntry* shape,
      std::string_view username, std::string_view domain,
      absl::Duration nonce_lifetime, MonoTime now);
  const PeerEntry* PeerBySource(const Flow& flow, uint32_t port) const;
  const PeerEntry* FindPeer(const SocketAddress& source, uint32_t port) const;
  // Whom a user that does not exist is answered like, so that the answers to
  // all such are as those to all who do, and take as long: a record that is
  // there is read. Null if the tenant has no users.
  const UserEntry* DecoyOf(const TenantEntry& tenant, std::string_view username,
                           std::string_view home) const;

  DigestAuth& digest_;
  const std::string edge_;
  const bool approved_only_;
  const PlanIndex* plan_ = nullptr;
  // Of the message at hand, which is asked about several times; `remote` may
  // be the next one's too.
  struct Source {
    SocketAddress remote;
    uint32_t port = 0;
    const PeerEntry* peer = nullptr;
  };
  mutable std::optional<Source> last_source_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REQUEST_AUTH_H_
