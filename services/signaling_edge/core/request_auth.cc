#include "services/signaling_edge/core/request_auth.h"

#include <algorithm>
#include <cstddef>

#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/net/socket_address.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/served_plans.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/source_prefix.h"

namespace sallyport::signaling_edge {
namespace {

absl::Status Denied(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kPermissionDenied, reason, what);
}

absl::Status NotServed() {
  return Denied("DIAL_PLAN_NOT_SERVED",
                "this edge is not associated with the dial plan");
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = ToLower(c);
  return out;
}

}  // namespace

bool RequestAuth::IsFrom(const PeerEntry& peer, const SocketAddress& source) {
  if (peer.source_addresses.empty()) {
    return !peer.address.empty() && InPrefix(source, peer.address);
  }
  return std::any_of(
      peer.source_addresses.begin(), peer.source_addresses.end(),
      [&](const std::string& prefix) { return InPrefix(source, prefix); });
}

const PeerEntry* RequestAuth::PeerBySource(const Flow& flow,
                                           uint32_t port) const {
  if (!last_source_.has_value() || last_source_->port != port ||
      !(last_source_->remote == flow.remote)) {
    last_source_ = {flow.remote, port, FindPeer(flow.remote.Canonical(), port)};
  }
  return last_source_->peer;
}

const PeerEntry* RequestAuth::FindPeer(const SocketAddress& source,
                                       uint32_t port) const {
  if (const PeerEntry* peer = plan_->PeerByAddress(source.IpText(), port)) {
    return peer;
  }
  for (const PeerEntry* peer : plan_->peers_with_prefixes()) {
    if (peer->incoming_port != port) continue;
    for (const std::string& prefix : peer->source_addresses) {
      if (InPrefix(source, prefix)) return peer;
    }
  }
  return nullptr;
}

bool RequestAuth::IsPeerSource(const Flow& flow, uint32_t incoming_port) const {
  return plan_ != nullptr && !flow.is_tls() &&
         PeerBySource(flow, incoming_port) != nullptr;
}

RequestAuth::Outcome RequestAuth::Authenticate(
    const SipMessage& request, const Flow& flow,
    const std::optional<ConnectionIdentity>& identity, uint32_t incoming_port,
    MonoTime now) {
  if (plan_ == nullptr) {
    return Refused{MakeError(absl::StatusCode::kUnavailable, "NO_CONFIGURATION",
                             "no dial plan has been received yet")};
  }
  if (identity.has_value()) {
    if (identity->kind == ConnectionIdentity::Kind::kPeer) {
      const PeerEntry* peer = plan_->Peer(identity->resource);
      if (peer == nullptr) {
        return Refused{
            Denied("PEER_IDENTITY_MISMATCH", "the peer was removed")};
      }
      return AsPeer(*peer, request, flow, identity->matched.name, now);
    }
    const PhoneEntry* phone = plan_->Phone(identity->resource);
    if (phone == nullptr) {
      return Refused{Denied("PEER_IDENTITY_MISMATCH", "the phone was removed")};
    }
    return AsUser(request, flow, phone, now);
  }
  if (!flow.is_tls()) {
    if (const PeerEntry* peer = PeerBySource(flow, incoming_port)) {
      return AsPeer(*peer, request, flow, "", now);
    }
  }
  return AsUser(request, flow, nullptr, now);
}

std::optional<Party> RequestAuth::PeerOf(
    const Flow& flow, const std::optional<ConnectionIdentity>& identity,
    uint32_t incoming_port) const {
  if (plan_ == nullptr) return std::nullopt;
  const PeerEntry* peer = nullptr;
  std::string_view name;
  if (identity.has_value()) {
    if (identity->kind != ConnectionIdentity::Kind::kPeer) return std::nullopt;
    peer = plan_->Peer(identity->resource);
    name = identity->matched.name;
  } else if (!flow.is_tls()) {
    peer = PeerBySource(flow, incoming_port);
  }
  if (peer == nullptr || !IsProof(*peer, flow)) return std::nullopt;
  return PartyOf(*peer, flow, name);
}

Party RequestAuth::PartyOf(const PeerEntry& peer, const Flow& flow,
                           std::string_view identity) const {
  Party party;
  party.kind = Party::Kind::kPeer;
  party.resource = peer.name;
  party.tenant = TenantOf(peer.name);
  party.identity =
      identity.empty() ? flow.remote.Canonical().IpText() : identity;
  party.dial_plan = peer.dial_plan;
  party.mode = plan_->ModeOf(peer.dial_plan);
  party.authentication = flow.is_tls() ? Authentication::kPeerCertificate
                                       : Authentication::kSourceAddress;
  return party;
}

bool RequestAuth::MayComeBy(const PeerEntry& peer, const Flow& flow) {
  if (peer.incoming_transports.empty()) return true;
  const auto transport = flow.is_tls() ? sallyport::SipTransport::kTls
                         : flow.transport == SipTransport::kUdp
                             ? sallyport::SipTransport::kUdp
                             : sallyport::SipTransport::kTcp;
  return std::find(peer.incoming_transports.begin(),
                   peer.incoming_transports.end(),
                   transport) != peer.incoming_transports.end();
}

RequestAuth::Outcome RequestAuth::AsPeer(const PeerEntry& peer,
                                         const SipMessage& request,
                                         const Flow& flow,
                                         std::string_view identity,
                                         MonoTime now) {
  const SecurityMode mode = plan_->ModeOf(peer.dial_plan);
  const auto refused = [&](absl::Status status) {
    Refused out{std::move(status)};
    if (IsProof(peer, flow)) out.party = PartyOf(peer, flow, identity);
    return out;
  };
  if (peer.status == PeerStatus::kDisabled) {
    return refused(Denied("PEER_DISABLED", "the peer is disabled"));
  }
  if (request.method() == SipMethod::kRegister) {
    return refused(Denied("IDENTITY_NOT_ALLOWED", "a peer does not register"));
  }
  if (!ServesPlan(*plan_, peer.dial_plan, edge_)) return refused(NotServed());
  if (absl::Status status = CheckTransport(mode, flow.is_tls()); !status.ok()) {
    return refused(std::move(status));
  }
  if (!MayComeBy(peer, flow)) {
    return refused(Denied("TRANSPORT_NOT_ALLOWED",
                          "the peer's calls come by another transport"));
  }
  if (!peer.digest_user.empty()) {
    const UserEntry* user = plan_->User(peer.digest_user);
    if (auto challenge = CheckDigest(
            request, user, user, user == nullptr ? "" : user->username,
            user == nullptr ? "" : user->domain, peer.nonce_validity, now)) {
      return *std::move(challenge);
    }
  }
  return PartyOf(peer, flow, identity);
}

const UserEntry* RequestAuth::DecoyOf(const TenantEntry& tenant,
                                      std::string_view username,
                                      std::string_view home) const {
  const PlanIndex* part = plan_->PartOf(tenant.name);
  if (part == nullptr || part->snapshot().users.empty()) return nullptr;
  const auto& users = part->snapshot().users;
  return &users[digest_.Draw(username, home) % users.size()];
}

std::optional<RequestAuth::Challenge> RequestAuth::CheckDigest(
    const SipMessage& request, const UserEntry* user, const UserEntry* shape,
    std::string_view username, std::string_view domain,
    absl::Duration nonce_lifetime, MonoTime now) {
  const bool is_register = request.method() == SipMethod::kRegister;
  const HeaderId sent =
      is_register ? HeaderId::kAuthorization : HeaderId::kProxyAuthorization;
  // In one case, so that an unknown user is not told from a known one by how
  // its domain is echoed.
  const std::string home = Lower(domain);
  const std::string_view realm = plan_->RealmOf(home);
  DigestAuth::Expected expected;
  expected.username = username;
  expected.refuse = user == nullptr || user->disabled;
  expected.nonce_lifetime = nonce_lifetime;
  expected.realm = realm.empty() ? std::string_view(home) : realm;
  if (shape != nullptr) {
    if (shape == user || EqualsIgnoreCase(shape->domain, home)) {
      expected.realm = shape->realm;
    }
    expected.algorithm = shape->digest_algorithm;
    expected.ha1 = shape->digest_algorithm == DigestAlgorithm::kMd5
                       ? shape->ha1_md5
                       : shape->ha1_sha256;
  }
  const bool md5_user =
      user != nullptr && user->digest_algorithm == DigestAlgorithm::kMd5;
  if (approved_only_ && expected.algorithm == DigestAlgorithm::kMd5) {
    // The work is that of everybody else, and the answer too.
    expected.algorithm = DigestAlgorithm::kSha256;
    expected.ha1 = {};
    expected.refuse = true;
  }
  Challenge challenge;
  challenge.status_code = is_register ? 401 : 407;
  challenge.header =
      is_register ? HeaderId::kWwwAuthenticate : HeaderId::kProxyAuthenticate;
  bool stale = false;
  // Several credentials for several realms may stand in one request.
  for (const std::string_view credentials : request.All(sent)) {
    const auto value = ParseAuthValue(credentials);
    if (!value.ok() || value->Get("realm") != expected.realm) continue;
    switch (digest_.Verify(credentials,
                           request.method() == SipMethod::kOther
                               ? request.method_text()
                               : MethodName(request.method()),
                           expected, now)) {
      case DigestAuth::Verdict::kAccepted:
        return std::nullopt;
      case DigestAuth::Verdict::kStale:
        stale = true;
        challenge.reason = "DIGEST_STALE";
        break;
      case DigestAuth::Verdict::kFailed:
        challenge.reason = approved_only_ && md5_user
                               ? "NOT_ALLOWED_IN_FIPS_MODE"
                               : "DIGEST_FAILED";
        break;
    }
  }
  challenge.value =
      digest_.Challenge(expected.realm, expected.algorithm, stale, now);
  return challenge;
}

RequestAuth::Outcome RequestAuth::AsUser(const SipMessage& request,
                                         const Flow& flow,
                                         const PhoneEntry* phone,
                                         MonoTime now) {
  // A registration is for the address in To, a call comes from that in From.
  const HeaderId field = request.method() == SipMethod::kRegister
                             ? HeaderId::kTo
                             : HeaderId::kFrom;
  auto address = ParseNameAddr(request.Value(field));
  if (!address.ok()) return Refused{address.status()};
  if (field == HeaderId::kFrom && IsAnonymous(address->uri) &&
      request.Has(HeaderId::kPPreferredIdentity)) {
    // RFC 3325 section 9.2: who hides there says here who it wants to be.
    address = ParseNameAddr(request.FirstItem(HeaderId::kPPreferredIdentity));
    if (!address.ok()) return Refused{address.status()};
  }
  const auto uri = ParseSipUri(address->uri);
  if (!uri.ok() || !uri->has_user()) {
    return Refused{
        Denied("IDENTITY_NOT_ALLOWED", "the sender is no user of ours")};
  }
  const std::string username = uri->DecodedUser();
  const TenantEntry* tenant = plan_->TenantOfDomain(uri->host);
  if (tenant == nullptr) {
    return Refused{Denied("IDENTITY_NOT_ALLOWED", "the domain is not ours")};
  }
  const UserEntry* user = plan_->UserAt(username, uri->host);
  if (phone != nullptr && phone->lsc_alone) return ByLscAlone(*phone, user);

  // A user that does not exist is answered like one that does. Both cost one
  // look-up that finds and one that does not, and a record that is read.
  const std::string home = Lower(uri->host);
  const UserEntry* decoy = DecoyOf(*tenant, username, home);
  const UserEntry* other =
      user == nullptr && decoy != nullptr
          ? plan_->UserAt(decoy->username, decoy->domain)
          : plan_->UserAt(std::string("\1").append(username), uri->host);
  const UserEntry* shape = user != nullptr ? user : other;
  // A clear transport is refused before a challenge, so that nobody sends the
  // answer to one in clear (UM-100).
  const bool is_clear =
      plan_->ModeOf(shape != nullptr ? shape->dial_plan
                                     : tenant->default_dial_plan) ==
      SecurityMode::kUnsecured;
  if (absl::Status status = CheckTransport(
          is_clear ? SecurityMode::kUnsecured : SecurityMode::kSipSecured,
          flow.is_tls());
      !status.ok()) {
    return Refused{std::move(status)};
  }
  const absl::Duration nonce_lifetime = phone != nullptr ? phone->nonce_validity
                                        : user != nullptr
                                            ? user->nonce_validity
                                            : absl::ZeroDuration();
  if (auto challenge = CheckDigest(request, user, shape, username, uri->host,
                                   nonce_lifetime, now)) {
    return *std::move(challenge);
  }

  // From here on the password was right, so that nothing is given away.
  const bool md5 = user->digest_algorithm == DigestAlgorithm::kMd5;
  Party party = PartyOf(*user, phone);
  if (phone != nullptr) {
    party.authentication = md5 ? Authentication::kLscAndDigestMd5
                               : Authentication::kLscAndDigestSha256;
  } else {
    party.authentication =
        md5 ? Authentication::kDigestMd5 : Authentication::kDigestSha256;
  }
  if (phone != nullptr) {
    if (phone->disabled) {
      return Refused{Denied("PHONE_DISABLED", "the phone is disabled"),
                     std::move(party)};
    }
    if (phone->owner_user != user->name) {
      return Refused{
          Denied("IDENTITY_NOT_ALLOWED", "the phone is another user's"),
          std::move(party)};
    }
  } else if (flow.is_tls() && !user->allow_without_certificate) {
    return Refused{Denied("PEER_CERTIFICATE_MISSING",
                          "the user must come with a certificate"),
                   std::move(party)};
  }
  if (!ServesPlan(*plan_, user->dial_plan, edge_)) {
    return Refused{NotServed(), std::move(party)};
  }
  return party;
}

Party RequestAuth::PartyOf(const UserEntry& user,
                           const PhoneEntry* phone) const {
  Party party;
  party.kind = Party::Kind::kUser;
  party.resource = user.name;
  party.tenant = TenantOf(user.name);
  party.phone = phone == nullptr ? "" : phone->name;
  party.identity = phone == nullptr ? user.username : phone->device_name;
  party.dial_plan = user.dial_plan;
  party.mode = plan_->ModeOf(user.dial_plan);
  return party;
}

RequestAuth::Outcome RequestAuth::ByLscAlone(const PhoneEntry& phone,
                                             const UserEntry* user) const {
  // Who it is does not hang on whom it names: a user that does not exist is as
  // much another's as one that does.
  const UserEntry* owner = plan_->User(phone.owner_user);
  if (owner == nullptr) {
    return Refused{
        Denied("IDENTITY_NOT_ALLOWED", "the phone is of no user of ours")};
  }
  Party party = PartyOf(*owner, &phone);
  party.authentication = Authentication::kLsc;
  absl::Status status;
  if (phone.disabled) {
    status = Denied("PHONE_DISABLED", "the phone is disabled");
  } else if (user != owner) {
    status = Denied("IDENTITY_NOT_ALLOWED", "the phone is another user's");
  } else if (user->disabled) {
    status = Denied("USER_DISABLED", "the user is disabled");
  } else if (!ServesPlan(*plan_, user->dial_plan, edge_)) {
    status = NotServed();
  } else {
    status = CheckTransport(party.mode, /*is_tls=*/true);
  }
  if (!status.ok()) return Refused{std::move(status), std::move(party)};
  return party;
}

}  // namespace sallyport::signaling_edge
