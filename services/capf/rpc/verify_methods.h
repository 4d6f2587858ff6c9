// VerifyCertificate and ExportCertificate.

#ifndef SALLYPORT_SERVICES_CAPF_RPC_VERIFY_METHODS_H_
#define SALLYPORT_SERVICES_CAPF_RPC_VERIFY_METHODS_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sallyport/capf/v1/certificate.pb.h"
#include "services/capf/io/authorities.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/revocation_fetcher.h"
#include "services/capf/rpc/capf_convert.h"

namespace sallyport::capf {

// Access is checked by then. On the work thread only.
class VerifyMethods {
 public:
  struct Options {
    std::set<std::string> hard_stores;  // ids: "CAPF-trust"
    absl::Duration crl_lifetime = absl::Hours(24);
  };

  // All but `options` must outlive this object.
  VerifyMethods(Ledger& ledger, Authorities& authorities,
                const RevocationFetcher& fetcher, Options options)
      : ledger_(ledger),
        authorities_(authorities),
        fetcher_(fetcher),
        options_(std::move(options)) {}

  // What an edge would say of the chain, and why; never an error for a bad
  // chain. UM-89: with a vendor or model named, the extended key usage must
  // name what that peer wants.
  absl::Status Verify(const pb::VerifyCertificateRequest& request,
                      pb::VerifyCertificateResponse& response);
  absl::Status Export(const pb::ExportCertificateRequest& request,
                      pb::ExportCertificateResponse& response);

 private:
  struct Exported {
    std::string der;
    std::vector<std::string> chain;  // above it, without the root
    int earlier = 0;  // certificates of the same store and name before it
  };
  absl::StatusOr<Exported> Find(const std::string& name);

  Ledger& ledger_;
  Authorities& authorities_;
  const RevocationFetcher& fetcher_;
  const Options options_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_RPC_VERIFY_METHODS_H_
