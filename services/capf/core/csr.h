// Certificate signing requests (PKCS #10, RFC 2986).

#ifndef SALLYPORT_SERVICES_CAPF_CORE_CSR_H_
#define SALLYPORT_SERVICES_CAPF_CORE_CSR_H_

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "services/capf/core/certificate_names.h"
#include "services/capf/core/public_key.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::capf {

// A request whose signature proves that the asker holds the key. Only
// VerifyCsr() makes one; issuing takes nothing else. The names are what is
// asked for, not what will be granted: the profile decides. Immutable.
class VerifiedCsr {
 public:
  const PublicKey& key() const { return key_; }
  const SubjectName& subject() const { return subject_; }
  // dNSNames, URIs and addresses of the requested subjectAltName.
  const SubjectAltNames& names() const { return names_; }
  // Of the whole request, 32 octets: the same request asked twice is known.
  const std::string& sha256() const { return sha256_; }

 private:
  friend absl::StatusOr<VerifiedCsr> VerifyCsr(ByteSpan, const KeyPolicy&);
  explicit VerifiedCsr(PublicKey key) : key_(std::move(key)) {}

  PublicKey key_;
  SubjectName subject_;
  SubjectAltNames names_;
  std::string sha256_;
};

// Reads `der` as one request and checks its proof of possession.
//
// kInvalidArgument with a reason: CSR_MALFORMED (also for a trailing octet, a
// version but 1, or more than 16 KiB), CSR_SIGNATURE for a weak algorithm
// (anything but SHA-2 with RSA PKCS #1 or ECDSA) or a signature that does not
// verify, SAN_INVALID for alternative names other than DNS, URI and IP,
// SUBJECT_INVALID, and those of PublicKey::FromSpki(). Requested extensions
// other than subjectAltName are not honoured and not refused: the profile sets
// them.
absl::StatusOr<VerifiedCsr> VerifyCsr(ByteSpan der, const KeyPolicy& policy);

// The DER within one PEM block of a request. kInvalidArgument CSR_MALFORMED.
absl::StatusOr<std::string> CsrFromPem(std::string_view pem);
std::string CsrToPem(ByteSpan der);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_CSR_H_
