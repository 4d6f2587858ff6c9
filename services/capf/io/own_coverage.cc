#include "services/capf/io/own_coverage.h"

#include <vector>

#include "services/capf/core/authority_generation.h"
#include "services/capf/core/certificate_builder.h"
#include "services/capf/io/certificate_authority.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {

absl::Status AddOwnCoverage(Authorities& authorities, EnrollmentStore& store,
                            absl::Time until, TrustBundle& bundle) {
  for (const CertificateAuthority* one : authorities.All()) {
    bundle.coverage[one->issuer().subject_der] = {until, until};
  }
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> generations,
                      store.ListAuthorities());
  for (const AuthorityGeneration& one : generations) {
    const auto chain = CertificatesFromPem(one.chain_pem);
    if (!chain.ok()) continue;
    const auto issuer = ReadIssuer(AsBytes(chain->front()));
    if (issuer.ok()) bundle.coverage[issuer->subject_der] = {until, until};
  }
  return absl::OkStatus();
}

}  // namespace sallyport::capf
