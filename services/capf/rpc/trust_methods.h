// The RPCs about trust stores, between proto and io.

#ifndef SALLYPORT_SERVICES_CAPF_RPC_TRUST_METHODS_H_
#define SALLYPORT_SERVICES_CAPF_RPC_TRUST_METHODS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sallyport/capf/v1/trust_store.pb.h"
#include "services/capf/core/trust_store.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/peer_probe.h"
#include "services/capf/io/trust_admin.h"
#include "services/capf/rpc/capf_convert.h"

namespace sallyport::capf {

// Access is checked by then. `actor` is who asks, for the audit record. On the
// work thread only.
class TrustMethods {
 public:
  // Both must outlive this object.
  TrustMethods(Ledger& ledger, TrustAdmin& trust, bool allow_private_peers)
      : ledger_(ledger),
        trust_(trust),
        allow_private_peers_(allow_private_peers) {}

  absl::Status GetStore(const pb::GetTrustStoreRequest& request,
                        pb::TrustStore& response);
  absl::Status ListStores(const pb::ListTrustStoresRequest& request,
                          pb::ListTrustStoresResponse& response);
  absl::Status Create(const pb::CreateTrustedCertificateRequest& request,
                      const std::string& actor,
                      pb::TrustedCertificate& response);
  absl::Status Get(const pb::GetTrustedCertificateRequest& request,
                   pb::TrustedCertificate& response);
  absl::Status List(const pb::ListTrustedCertificatesRequest& request,
                    pb::ListTrustedCertificatesResponse& response);
  absl::Status Delete(const pb::DeleteTrustedCertificateRequest& request,
                      const std::string& actor);

  // Where to look. Not bound to the work thread.
  absl::StatusOr<ProbeOptions> ProbeFor(
      const pb::ImportPeerCertificateRequest& request) const;
  // Tells what was found, and trusts what was confirmed (IMP-27, IMP-29).
  absl::Status Import(const pb::ImportPeerCertificateRequest& request,
                      const ProbeReport& report, const std::string& actor,
                      pb::ImportPeerCertificateResponse& response);

 private:
  // What `store` holds, in order of name.
  absl::StatusOr<std::vector<TrustedCertificate>> TrustedOf(
      const std::string& store);

  Ledger& ledger_;
  TrustAdmin& trust_;
  const bool allow_private_peers_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_RPC_TRUST_METHODS_H_
