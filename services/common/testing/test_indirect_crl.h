// Indirect revocation lists, and the certificates that name them (RFC 5280
// sections 4.2.1.13 and 5.2.5), for tests.

#ifndef SALLYPORT_SERVICES_COMMON_TESTING_TEST_INDIRECT_CRL_H_
#define SALLYPORT_SERVICES_COMMON_TESTING_TEST_INDIRECT_CRL_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/common/testing/test_certs.h"

namespace sallyport {

struct TestIndirectEntry {
  long serial = 0;
  // The Name, DER, in certificateIssuer; empty: no such extension.
  std::string issuer_der;
};

// A signed list of `signer`, DER, whose scope says that it is indirect.
std::string IssueIndirectCrl(const TestCertificate& signer,
                             const std::vector<TestIndirectEntry>& entries,
                             absl::Time this_update, absl::Time next_update);

// The value of cRLDistributionPoints for TestCertificateSpec::extensions: one
// point, at `url` if it is not empty, whose lists `crl_issuer` signs.
std::string IndirectPoint(const TestCertificate& crl_issuer,
                          const std::string& url = "");

// The subject's Name, DER.
std::string SubjectDer(const TestCertificate& certificate);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TESTING_TEST_INDIRECT_CRL_H_
