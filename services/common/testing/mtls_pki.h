// A throw-away PKI on disk for tests that need real mutual TLS.

#ifndef SALLYPORT_SERVICES_COMMON_TESTING_MTLS_PKI_H_
#define SALLYPORT_SERVICES_COMMON_TESTING_MTLS_PKI_H_

#include <string>
#include <string_view>

namespace sallyport {

// Files of one identity.
struct PemFiles {
  std::string certificate_file;
  std::string key_file;
  std::string ca_file;
};

// An ECDSA P-256 authority and the certificates that it signs, made with the
// openssl command in a folder of its own under TEST_TMPDIR. Any failure of the
// command ends the test process. Thread-compatible.
class MtlsPki {
 public:
  // `name` distinguishes authorities within one test.
  explicit MtlsPki(std::string_view name = "ca");

  // A client and server certificate, valid for a day, whose subject
  // alternative name is `san` in openssl's notation ("URI:spiffe://t/capf",
  // "DNS:gw.test,URI:..."). Written as <base>.pem and <base>.key; a second
  // call with the same base replaces both by rename.
  PemFiles Issue(std::string_view base, std::string_view san);
  // URI:spiffe://<trust_domain>/<path>, with the base named after the path.
  PemFiles IssueSpiffe(std::string_view trust_domain, std::string_view path);

  const std::string& folder() const { return folder_; }
  const std::string& ca_file() const { return ca_file_; }

 private:
  std::string folder_;
  std::string ca_file_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TESTING_MTLS_PKI_H_
