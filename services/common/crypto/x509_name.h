// What a certificate says of itself: names, dates, serial, thumbprints.
//
// A parser: nothing here is believed. Whether the chain is good is
// tls_session's question; which name counts is the service's (RFC 5922).

#ifndef SALLYPORT_SERVICES_COMMON_CRYPTO_X509_NAME_H_
#define SALLYPORT_SERVICES_COMMON_CRYPTO_X509_NAME_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/digest.h"

namespace sallyport {

// One entry of the subjectAltName extension (RFC 5280 section 4.2.1.6), as it
// stands: case is kept, wildcards are not interpreted.
struct SubjectAltName {
  enum class Type { kDns, kUri, kIp, kEmail, kOther };

  Type type = Type::kOther;
  // kIp: the 4 or 16 address octets. kOther: empty. Else the text.
  std::string value;

  friend bool operator==(const SubjectAltName&,
                         const SubjectAltName&) = default;
};

// The readable part of one certificate. Thread-compatible.
struct CertificateInfo {
  std::vector<SubjectAltName> alt_names;  // in the order of the certificate
  std::vector<std::string> common_names;  // of the subject, as UTF-8
  std::string subject;                    // RFC 2253
  std::string issuer;                     // RFC 2253
  std::string serial_hex;                 // lower case, no leading zeros
  absl::Time not_before;
  absl::Time not_after;
  Sha1Digest sha1;  // thumbprints of the whole DER
  Sha256Digest sha256;
  bool is_ca = false;        // basicConstraints
  bool self_issued = false;  // issuer equals subject
  // And its signature verifies with its own key (UM-30).
  bool self_signed = false;
  // extendedKeyUsage allows it; true where the extension is absent or holds
  // anyExtendedKeyUsage.
  bool server_auth = false;
  bool client_auth = false;
  bool ipsec = false;
  // extendedKeyUsage names id-kp-sipDomain (RFC 5924), or anyExtendedKeyUsage.
  bool sip_domain = false;
  bool any_usage = false;
  // Bits of keyUsage and extendedKeyUsage as BoringSSL names them (KU_*,
  // XKU_*); all where the extension is absent.
  uint32_t key_usage = 0;
  uint32_t purposes = 0;

  // The values of one type, in order.
  std::vector<std::string> AltNames(SubjectAltName::Type type) const;
};

// "digitalSignature", "keyEncipherment" and so on, as RFC 5280 has them; empty
// where the extension is absent.
std::vector<std::string_view> KeyUsageNames(const CertificateInfo& certificate);

// What the certificate may be used for, by both extensions together (UM-23):
// "web server authentication", "web user authentication", "S/MIME", "IPsec",
// "TLS", "code signing".
std::vector<std::string_view> PermittedFunctions(
    const CertificateInfo& certificate);

// Reads one DER certificate. INVALID_ARGUMENT if it is not exactly that, if a
// name holds a NUL octet (the classic way to hide a suffix), or if a date is
// unreadable.
absl::StatusOr<CertificateInfo> ParseCertificate(ByteSpan der);

// Every CERTIFICATE block of `pem` as DER, in order; text between is skipped.
// INVALID_ARGUMENT if there is none, or one is broken.
absl::StatusOr<std::vector<std::string>> CertificatesFromPem(
    std::string_view pem);

// One certificate as a PEM block.
std::string CertificateToPem(ByteSpan der);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_CRYPTO_X509_NAME_H_
