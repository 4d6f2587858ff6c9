// Keys, requests and certificates for tests.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_TEST_KEYS_H_
#define SALLYPORT_SERVICES_CAPF_CORE_TEST_KEYS_H_

#include <openssl/evp.h>

#include <string>
#include <string_view>
#include <vector>

#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/public_key.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::capf {

// A fresh key. `kRsa` has 2048 bits unless `rsa_bits` says otherwise.
bssl::UniquePtr<EVP_PKEY> NewTestKey(KeyKind kind, int rsa_bits = 2048);

// Its SubjectPublicKeyInfo.
std::string TestSpki(EVP_PKEY* key);

// The signature that SignatureAlgorithmFor() of that key names.
std::string TestSign(EVP_PKEY* key, ByteSpan data);

struct TestCsrOptions {
  std::string common_name = "edge.example.test";
  // "DNS:name", "URI:text", "IP:1.2.3.4", "email:..." as openssl writes them.
  std::vector<std::string> alt_names;
  bool sha1 = false;
  bool break_signature = false;
};

// A PKCS #10 request in DER.
std::string NewTestCsr(EVP_PKEY* key, const TestCsrOptions& options);

// A self-signed authority, made by our own builder, and its key.
struct TestAuthority {
  bssl::UniquePtr<EVP_PKEY> key;
  Issuer issuer;
};
TestAuthority NewTestAuthority(KeyKind kind, absl::Time now);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_TEST_KEYS_H_
