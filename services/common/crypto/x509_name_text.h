// Names of certificates in words.

#ifndef SALLYPORT_SERVICES_COMMON_CRYPTO_X509_NAME_TEXT_H_
#define SALLYPORT_SERVICES_COMMON_CRYPTO_X509_NAME_TEXT_H_

#include <openssl/base.h>

#include <optional>
#include <string>

#include "services/common/bytes/byte_span.h"

namespace sallyport {

// As RFC 2253 writes it, octets that are not ASCII escaped; empty: out of
// memory.
std::string NameText(const X509_NAME* name);

// Who and what a certificate is, read without the rest of it.
struct CertificateLabel {
  std::string subject;  // RFC 2253
  std::string issuer;
  std::string serial_hex;  // lower case, no leading zeros
};

// nullopt if those fields are not DER, or the serial number is negative. Looks
// at nothing behind the subject; any input.
std::optional<CertificateLabel> ReadLabel(ByteSpan der);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_CRYPTO_X509_NAME_TEXT_H_
