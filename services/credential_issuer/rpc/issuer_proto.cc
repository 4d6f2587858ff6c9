#include "services/credential_issuer/rpc/issuer_proto.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"
#include "services/common/turn_credential/turn_credential.h"

namespace sallyport::credential_issuer {
namespace {

using ::sallyport::ToProto;

v1::KeyState ToProto(KeyPhase phase) {
  switch (phase) {
    case KeyPhase::kPending:
      return v1::KEY_STATE_PENDING;
    case KeyPhase::kActive:
      return v1::KEY_STATE_ACTIVE;
    case KeyPhase::kRetiring:
      return v1::KEY_STATE_RETIRING;
    case KeyPhase::kExpired:
      return v1::KEY_STATE_EXPIRED;
    case KeyPhase::kRevoked:
      return v1::KEY_STATE_REVOKED;
  }
  return v1::KEY_STATE_UNSPECIFIED;
}

sallyport::type::v1::Transport ToProto(TurnTransport transport) {
  switch (transport) {
    case TurnTransport::kUdp:
      return sallyport::type::v1::TRANSPORT_UDP;
    case TurnTransport::kTcp:
      return sallyport::type::v1::TRANSPORT_TCP;
    case TurnTransport::kTls:
      return sallyport::type::v1::TRANSPORT_TLS;
    case TurnTransport::kDtls:
      return sallyport::type::v1::TRANSPORT_DTLS;
  }
  return sallyport::type::v1::TRANSPORT_UNSPECIFIED;
}

v1::ClientNetwork ToProto(ClientNetwork network) {
  switch (network) {
    case ClientNetwork::kIntranet:
      return v1::CLIENT_NETWORK_INTRANET;
    case ClientNetwork::kInternet:
      return v1::CLIENT_NETWORK_INTERNET;
    case ClientNetwork::kUnknown:
      break;
  }
  return v1::CLIENT_NETWORK_UNSPECIFIED;
}

}  // namespace

absl::StatusOr<uint32_t> KeyIdOfName(std::string_view name) {
  constexpr std::string_view kPrefix = "keys/";
  uint32_t id = 0;
  if (name.substr(0, kPrefix.size()) == kPrefix &&
      absl::SimpleAtoi(AbslView(name.substr(kPrefix.size())), &id) &&
      absl::StrCat("keys/", id) == name) {
    return id;
  }
  return MakeError(absl::StatusCode::kInvalidArgument, "REQUEST_INVALID",
                   "the request is not valid",
                   {{"name", "must be keys/{key}"}});
}

v1::Key ToProto(const KeyRing& ring, const RingKey& key, absl::Time now) {
  v1::Key out;
  out.set_name(absl::StrCat("keys/", key.id));
  out.set_key_id(key.id);
  out.set_state(ToProto(ring.PhaseAt(key, now)));
  *out.mutable_create_time() = ToProto(key.create_time);
  *out.mutable_not_before_time() = ToProto(key.not_before);
  *out.mutable_not_after_time() = ToProto(key.not_after);
  out.set_version(key.version);
  if (key.activate_time != absl::InfiniteFuture()) {
    *out.mutable_activate_time() = ToProto(key.activate_time);
  }
  return out;
}

v1::Revocation ToProto(const Revocation& revocation) {
  v1::Revocation out;
  out.set_name(absl::StrCat("tenants/", revocation.tenant, "/revocations/",
                            revocation.id));
  switch (revocation.kind) {
    case RevocationKind::kCredential:
      out.set_credential_id(revocation.target);
      break;
    case RevocationKind::kSubject:
      out.set_opaque_subject(revocation.target);
      break;
    case RevocationKind::kKey: {
      uint32_t id = 0;
      if (absl::SimpleAtoi(revocation.target, &id)) out.set_key_id(id);
      break;
    }
  }
  out.set_reason(revocation.reason);
  *out.mutable_create_time() = ToProto(revocation.create_time);
  *out.mutable_expire_time() = ToProto(revocation.expire_time);
  return out;
}

v1::RelayAddress ToProto(const RelayAddress& address) {
  v1::RelayAddress out;
  out.set_host(address.uri.host);
  out.set_port(address.uri.port);
  out.set_transport(ToProto(address.uri.transport));
  out.set_network(ToProto(address.network));
  out.set_relay(address.relay);
  out.set_uri(address.uri.uri);
  return out;
}

ClientNetwork FromProto(v1::ClientNetwork network) {
  switch (network) {
    case v1::CLIENT_NETWORK_INTRANET:
      return ClientNetwork::kIntranet;
    case v1::CLIENT_NETWORK_INTERNET:
      return ClientNetwork::kInternet;
    default:
      return ClientNetwork::kUnknown;
  }
}

void ToProto(const IssuedCredential& credential, const std::string& realm,
             const std::vector<RelayAddress>& relays, v1::TurnCredential* out) {
  out->set_username(credential.username);
  out->set_password(std::string(credential.password.DangerousText()));
  *out->mutable_expire_time() = ToProto(credential.expire_time);
  out->set_key_id(credential.key_id);
  out->set_realm(realm);
  for (const RelayAddress& relay : relays) *out->add_relays() = ToProto(relay);
  out->set_credential_id(credential.credential_id);
  *out->mutable_lifetime() = ToProto(credential.lifetime);
}

v1::WatchVerificationKeysResponse MakeStep(
    const IssuerState& state, const std::string& realm, int64_t known_version,
    const std::vector<uint32_t>& known_keys) {
  v1::WatchVerificationKeysResponse out;
  out.set_version(state.version);
  out.set_full(known_version == 0);
  out.set_realm(realm);
  *out.mutable_create_time() = ToProto(state.version_time);
  std::vector<uint32_t> present;
  for (const RingKey* key : state.ring.VerificationKeys()) {
    present.push_back(key->id);
    v1::VerificationKey* const out_key = out.add_keys();
    out_key->set_key_id(key->id);
    out_key->set_secret(std::string(key->secret->DangerousText()));
    // A relay whose clock is behind must not refuse the first credentials.
    *out_key->mutable_not_before_time() =
        ToProto(key->not_before - kTurnCredentialClockSkew);
    *out_key->mutable_not_after_time() = ToProto(key->not_after);
  }
  for (uint32_t id : known_keys) {
    if (std::find(present.begin(), present.end(), id) == present.end()) {
      out.add_removed_key_ids(id);
    }
  }
  for (const Revocation& revocation : state.revocations.all()) {
    if (known_version == 0 || revocation.version > known_version) {
      *out.add_revocations() = ToProto(revocation);
    }
  }
  return out;
}

}  // namespace sallyport::credential_issuer
