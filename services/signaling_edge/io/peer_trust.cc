#include "services/signaling_edge/io/peer_trust.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "services/common/status/status_macros.h"
#include "services/common/tls/tls_alert.h"
#include "services/signaling_edge/core/peer_identity.h"
#include "services/signaling_edge/io/tls_contexts.h"

namespace sallyport::signaling_edge {

TlsFacts FactsOf(const TlsSession& session, const TrustBundle& trust,
                 std::string_view tenant, CertificatePurpose purpose,
                 absl::Time now) {
  TlsFacts facts;
  facts.version = session.version();
  facts.cipher = session.cipher();
  facts.server_name = session.server_name();
  facts.resumed = session.resumed();
  if (session.alert().has_value()) {
    facts.alert = TlsAlertName(session.alert()->description);
    facts.alert_sent = session.alert()->sent;
  }
  if (!session.peer().has_value()) return facts;
  const PeerCertificate& peer = *session.peer();
  facts.certificate = peer.leaf;
  const auto good_for = [&](std::string_view store) {
    return tenant.empty()
               ? trust.SomebodyTrusts(store, peer.chain, purpose, now)
               : trust.Verify(tenant, store, peer.chain, purpose, now).ok();
  };
  facts.trusted.peers = good_for(kPeerTrustStores[0]);
  facts.trusted.phones = good_for(kPhoneTrustStore);
  facts.trust_store = facts.trusted.peers    ? kPeerTrustStores[0]
                      : facts.trusted.phones ? kPhoneTrustStore
                                             : std::string_view();
  for (size_t i = 1; i < kPeerTrustStores.size(); ++i) {
    if (!good_for(kPeerTrustStores[i])) continue;
    facts.trusted.others |= static_cast<uint8_t>(1u << (i - 1));
    if (facts.trust_store.empty()) facts.trust_store = kPeerTrustStores[i];
  }
  return facts;
}

absl::StatusOr<absl::Time> CheckChain(const PeerCertificate& peer,
                                      const ConnectionIdentity* identity,
                                      const TrustBundle& trust,
                                      CertificatePurpose purpose,
                                      absl::Time now) {
  SP_RETURN_IF_ERROR(CheckNotRevoked(trust, peer));
  SP_ASSIGN_OR_RETURN(const absl::Time by_anybody,
                      trust.any()->GoodUntil(peer.chain, purpose, now));
  if (identity == nullptr) return by_anybody;
  SP_ASSIGN_OR_RETURN(
      const absl::Time by_tenant,
      trust.Verify(TenantNameOf(identity->resource),
                   identity->kind == ConnectionIdentity::Kind::kPhone
                       ? kPhoneTrustStore
                   : identity->trust_store.empty() ? kPeerTrustStores[0]
                                                   : identity->trust_store,
                   peer.chain, purpose, now));
  return std::min(by_anybody, by_tenant);
}

std::string_view TenantNameOf(std::string_view resource) {
  constexpr std::string_view kPrefix = "tenants/";
  if (resource.substr(0, kPrefix.size()) != kPrefix) return {};
  const size_t end = resource.find('/', kPrefix.size());
  return end == std::string_view::npos ? resource : resource.substr(0, end);
}

}  // namespace sallyport::signaling_edge
