// Trust lists for tests, signed with real keys.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_TEST_TRUST_LIST_H_
#define SALLYPORT_SERVICES_CAPF_CORE_TEST_TRUST_LIST_H_

#include <openssl/evp.h>

#include <string>

#include "services/capf/core/trust_list.h"

namespace sallyport::capf {

// A self-signed RSA certificate of 2048 bits.
struct TestIdentity {
  bssl::UniquePtr<EVP_PKEY> key;
  std::string certificate;
};
TestIdentity NewTestIdentity(std::string_view common_name, uint64_t serial);

TrustListRecord TestRecord(const TestIdentity& identity, TrustListRole role,
                           std::string_view dns_name = "cm1.example.test");

// `list` with the header's signer fields and signature of `signer`, written.
std::string SignedTestList(TrustList list, const TestIdentity& signer);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_TEST_TRUST_LIST_H_
