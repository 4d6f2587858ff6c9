// Whether we vouch for a certificate towards phones, and for what.

#ifndef SALLYPORT_SERVICES_CAPF_IO_TRUST_VOUCHING_H_
#define SALLYPORT_SERVICES_CAPF_IO_TRUST_VOUCHING_H_

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/capf/core/trust_list_record.h"
#include "services/capf/core/tvs_message.h"
#include "services/capf/io/ledger.h"

namespace sallyport::capf {

// On the work thread only.
class TrustVouching {
 public:
  struct Options {
    std::string tenant;
    // Certificates of the cluster in force (DER), with their roles: signers,
    // call managers, CAPF, TVS.
    std::map<std::string, std::vector<TrustListRole>> own;
    absl::Duration ttl = absl::Hours(24);
  };

  // `ledger` must outlive this object.
  TrustVouching(Options options, Ledger& ledger)
      : options_(std::move(options)), ledger_(ledger) {}

  // Valid: the very certificate is one of the cluster, or an operator put it
  // into a store of the tenant whose certificates phones meet, and it is in
  // its time and not revoked. An issuer in a store does not vouch for what it
  // issued: phones ask about servers, and an LSC is none. A phone keeps the
  // answer for `ttl`, but not beyond the certificate's end.
  TvsAnswer Answer(const std::string& certificate_der);

 private:
  const Options options_;
  Ledger& ledger_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_TRUST_VOUCHING_H_
