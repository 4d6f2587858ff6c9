// Whether a certificate is still good, and for whom it vouches.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_PEER_TRUST_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_PEER_TRUST_H_

#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/common/tls/peer_certificate.h"
#include "services/common/tls/tls_session.h"
#include "services/common/tls/trust_anchors.h"
#include "services/signaling_edge/core/connection_table.h"
#include "services/signaling_edge/core/peer_identity.h"
#include "services/signaling_edge/io/trust_bundle.h"

namespace sallyport::signaling_edge {

// What `session` shows. `trust` says what the chain is good for at `now`: for
// peers or phones of anybody, or, where `tenant` is known, of that tenant.
TlsFacts FactsOf(const TlsSession& session, const TrustBundle& trust,
                 std::string_view tenant, CertificatePurpose purpose,
                 absl::Time now);

// Whether the chain still holds: its anchor is known to `trust`, nothing is
// expired or revoked; and, if it is known whose it is, the tenant to which
// `identity` belongs trusts it itself, as another tenant's root vouches for
// nobody here (UM-66). Until when the paths hold (TrustAnchors::GoodUntil), or
// UNAUTHENTICATED with a reason of TrustBundle::Verify or
// PEER_CERTIFICATE_REVOKED.
absl::StatusOr<absl::Time> CheckChain(const PeerCertificate& peer,
                                      const ConnectionIdentity* identity,
                                      const TrustBundle& trust,
                                      CertificatePurpose purpose,
                                      absl::Time now);

// "tenants/a" of "tenants/a/peers/b"; empty for anything else.
std::string_view TenantNameOf(std::string_view resource);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_PEER_TRUST_H_
