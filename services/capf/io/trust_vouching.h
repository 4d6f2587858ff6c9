// Whether we vouch for a certificate towards phones, and for what.

#ifndef SALLYPORT_SERVICES_CAPF_IO_TRUST_VOUCHING_H_
#define SALLYPORT_SERVICES_CAPF_IO_TRUST_VOUCHING_H_

#include <string>

#include "absl/status/statusor.h"
#include "services/capf/core/tvs_message.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/trust_list_publisher.h"

namespace sallyport::capf {

// On the work thread only.
class TrustVouching {
 public:
  // Both must outlive this object.
  TrustVouching(TrustListPublisher& publisher, Ledger& ledger)
      : publisher_(publisher), ledger_(ledger) {}

  // Valid: the very certificate is one of the cluster in force, or an operator
  // put it into a store of the tenant whose certificates phones meet, and it is
  // in its time and not revoked. An issuer in a store does not vouch for what
  // it issued: phones ask about servers, and an LSC is none. A phone keeps the
  // answer for a day, but not beyond the certificate's end.
  //
  // The tenant is that of the device which the phone says it is, as in
  // "CP-8861-SEP001122334455": whoever lies about it deceives himself. Of one
  // that nobody knows, the default tenant.
  TvsAnswer Answer(const TvsRequest& request);

 private:
  absl::StatusOr<std::string> TenantOf(const std::string& device_name);

  TrustListPublisher& publisher_;
  Ledger& ledger_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_TRUST_VOUCHING_H_
