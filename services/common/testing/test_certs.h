// Certificates made on the spot, for tests.

#ifndef SALLYPORT_SERVICES_COMMON_TESTING_TEST_CERTS_H_
#define SALLYPORT_SERVICES_COMMON_TESTING_TEST_CERTS_H_

#include <openssl/base.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/common/crypto/secret.h"

namespace sallyport {

// A certificate and its private key.
struct TestCertificate {
  std::string pem;  // the certificate alone
  std::string der;
  std::string key_pem;  // PKCS #8
  Secret KeySecret() const { return Secret::CopyOf(std::string_view(key_pem)); }
};

// What goes into one certificate.
struct TestCertificateSpec {
  std::string common_name;             // empty: an empty subject
  std::vector<std::string> dns_names;  // wildcards as they stand
  std::vector<std::string> uris;       // "sip:example.test", "spiffe://..."
  std::vector<std::string> ips;        // "192.0.2.1"
  absl::Time not_before = absl::FromUnixSeconds(1'577'836'800);  // 2020
  absl::Time not_after = absl::FromUnixSeconds(4'102'444'800);   // 2100
  bool server_auth = true;  // in extendedKeyUsage
  bool client_auth = true;
  bool no_extended_key_usage = false;  // leave the extension out
  bool is_ca = false;
  bool rsa_key = false;   // RSA-2048 instead of P-256
  bool sha1 = false;      // signed with SHA-1
  bool version1 = false;  // and without any extension
  // In OpenSSL's words, in place of what stands above; "-": left out.
  std::string basic_constraints;  // "critical,CA:TRUE,pathlen:0"
  std::string key_usage;          // "critical,keyCertSign"
  // More extensions: NID and value, "permitted;DNS:example.test".
  std::vector<std::pair<int, std::string>> extensions;
};

// A certificate authority with a P-256 key. Thread-compatible.
class TestCa {
 public:
  explicit TestCa(const std::string& common_name = "Test CA");
  ~TestCa();
  TestCa(TestCa&&) noexcept;

  // Signs with our key; serial numbers count up from 0x1001.
  TestCertificate Issue(const TestCertificateSpec& spec);
  // Short for a certificate with one dNSName.
  TestCertificate IssueDns(const std::string& name);
  // Short for a service of ours: one URI SAN.
  TestCertificate IssueUri(const std::string& uri);
  // An intermediate that we signed.
  TestCa IssueCa(const std::string& common_name);
  // The same, as `spec` says.
  TestCa IssueCa(const TestCertificateSpec& spec);
  // A root as `spec` says.
  static TestCa Root(const TestCertificateSpec& spec);
  // A signed revocation list of `serials`, DER.
  std::string IssueCrl(const std::vector<long>& serials, absl::Time this_update,
                       absl::Time next_update);
  // The serial number that the next certificate gets.
  long next_serial() const { return next_serial_; }

  const TestCertificate& certificate() const { return certificate_; }
  const std::string& pem() const { return certificate_.pem; }

 private:
  TestCa(TestCertificate certificate, bssl::UniquePtr<EVP_PKEY> key);

  TestCertificate certificate_;
  bssl::UniquePtr<EVP_PKEY> key_;
  long next_serial_ = 0x1001;
};

// Signed by its own key.
TestCertificate SelfSigned(const TestCertificateSpec& spec);

// Writes `content` to a fresh file in the test's temporary folder, mode 0600,
// and returns its path.
std::string WriteTestFile(const std::string& name, const std::string& content);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TESTING_TEST_CERTS_H_
