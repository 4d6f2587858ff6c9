#include "services/capf/core/trust_store.h"

#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/pkcs8.h>
#include <openssl/pool.h>
#include <openssl/stack.h>
#include <openssl/x509.h>

#include <cstdint>
#include <utility>

#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMaxContent = 64 * 1024;
constexpr size_t kMaxCertificates = 10;

constexpr TrustStoreKind kKinds[] = {
    {"CAPF", "the certificate authority proxy itself", "capf"},
    {"CAPF-trust", "issuers of locally significant certificates of phones",
     "signaling_edge"},
    {"CallManager", "call managers, as phones see them", ""},
    {"CallManager-ECDSA", "the same with elliptic keys", ""},
    {"CallManager-trust", "SIP peers: gateways, PBXs, trunks, voicemail",
     "signaling_edge"},
    {"ITLRecovery", "the signer of last resort of trust lists", ""},
    {"Phone-CTL-ASA-trust", "firewalls in trust lists", ""},
    {"Phone-CTL-trust", "signers of trust lists", ""},
    {"Phone-Edge-trust", "edges that phones reach from outside", ""},
    {"Phone-SAST-trust", "signers of phone files", ""},
    {"Phone-VPN-trust", "VPN gateways of phones", ""},
    {"Phone-trust", "what phones trust", ""},
    {"TVS", "certificates that phones ask about", ""},
    {"TVS-trust", "issuers of the trust verification service", ""},
    {"UM-trusted-roots", "gateways of unified messaging", "signaling_edge"},
    {"cup", "instant messaging and presence", ""},
    {"cup-trust", "SIP peers of presence", "signaling_edge"},
    {"cup-xmpp", "XMPP clients", ""},
    {"cup-xmpp-s2s", "XMPP servers", ""},
    {"cup-xmpp-trust", "XMPP peers", ""},
    {"directory-trust", "directory servers", ""},
    {"ipsec", "this node to IPsec peers", ""},
    {"ipsec-trust", "IPsec peers", ""},
    {"tomcat", "SIP clients, SOAP, AXL, LDAP (IMP-07, IMP-11 to IMP-13)", ""},
    {"tomcat-ECDSA", "the same with elliptic keys", ""},
    {"tomcat-trust", "HTTPS peers", ""},
    {"userlicensing-trust", "licensing servers", ""},
};

absl::Status Refuse(std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, "CERTIFICATE_MALFORMED",
                   message);
}

}  // namespace

absl::Span<const TrustStoreKind> TrustStoreKinds() { return kKinds; }

const TrustStoreKind* FindTrustStoreKind(std::string_view id) {
  for (const TrustStoreKind& kind : kKinds) {
    if (kind.id == id) return &kind;
  }
  return nullptr;
}

namespace {

// nullopt: it is no PKCS#7.
std::optional<std::vector<std::string>> ReadPkcs7(ByteSpan der) {
  CBS in;
  CBS_init(&in, der.data(), der.size());
  bssl::UniquePtr<STACK_OF(CRYPTO_BUFFER)> raw(sk_CRYPTO_BUFFER_new_null());
  const bool read = raw != nullptr &&
                    PKCS7_get_raw_certificates(raw.get(), &in, nullptr) &&
                    CBS_len(&in) == 0;
  ERR_clear_error();
  if (!read) return std::nullopt;
  std::vector<std::string> out;
  for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(raw.get()); ++i) {
    const CRYPTO_BUFFER* const one = sk_CRYPTO_BUFFER_value(raw.get(), i);
    out.push_back(ToString({CRYPTO_BUFFER_data(one), CRYPTO_BUFFER_len(one)}));
  }
  return out;
}

// PFX ::= SEQUENCE { version INTEGER 3, ...
bool LooksLikePkcs12(ByteSpan der) {
  CBS in, pfx;
  uint64_t version = 0;
  CBS_init(&in, der.data(), der.size());
  return CBS_get_asn1(&in, &pfx, CBS_ASN1_SEQUENCE) &&
         CBS_get_asn1_uint64(&pfx, &version) && version == 3;
}

absl::StatusOr<std::vector<std::string>> ReadPkcs12(
    ByteSpan der, const std::string& password) {
  CBS in;
  CBS_init(&in, der.data(), der.size());
  bssl::UniquePtr<STACK_OF(X509)> certificates(sk_X509_new_null());
  EVP_PKEY* raw_key = nullptr;
  const bool read = PKCS12_get_key_and_certs(&raw_key, certificates.get(), &in,
                                             password.c_str()) == 1;
  const bssl::UniquePtr<EVP_PKEY> key(raw_key);  // freed here, never kept
  const uint32_t error = ERR_peek_last_error();
  ERR_clear_error();
  if (!read) {
    if (ERR_GET_REASON(error) == PKCS8_R_INCORRECT_PASSWORD) {
      return MakeError(absl::StatusCode::kInvalidArgument, "PASSWORD_WRONG",
                       "the password does not open the PKCS#12 file");
    }
    return Refuse("the PKCS#12 file cannot be read");
  }
  std::vector<std::string> out;
  for (size_t i = 0; i < sk_X509_num(certificates.get()); ++i) {
    uint8_t* octets = nullptr;
    const int size = i2d_X509(sk_X509_value(certificates.get(), i), &octets);
    if (size <= 0) return Refuse("not a certificate");
    out.push_back(ToString({octets, static_cast<size_t>(size)}));
    OPENSSL_free(octets);
  }
  return out;
}

// Every "PKCS7" block of a PEM text; they are what "openssl crl2pkcs7" writes.
std::vector<std::string> Pkcs7FromPem(std::string_view pem) {
  bssl::UniquePtr<BIO> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<std::string> out;
  char* name = nullptr;
  char* header = nullptr;
  uint8_t* data = nullptr;
  long size = 0;
  while (PEM_read_bio(bio.get(), &name, &header, &data, &size) == 1) {
    if (std::string_view(name) == "PKCS7") {
      const auto read = ReadPkcs7({data, static_cast<size_t>(size)});
      if (read.has_value()) out.insert(out.end(), read->begin(), read->end());
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
  }
  ERR_clear_error();
  return out;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ReadCertificates(
    std::string_view content, const std::string& password) {
  if (content.empty() || content.size() > kMaxContent) {
    return Refuse("certificate is empty or longer than 64 KiB");
  }
  std::vector<std::string> found;
  if (content.find("-----BEGIN") != std::string_view::npos) {
    found = Pkcs7FromPem(content);
    absl::StatusOr<std::vector<std::string>> pem = CertificatesFromPem(content);
    if (pem.ok()) found.insert(found.end(), pem->begin(), pem->end());
    if (found.empty()) return Refuse("no certificate in the PEM text");
  } else if (const auto bundle = ReadPkcs7(AsBytes(content));
             bundle.has_value()) {
    found = *bundle;
  } else if (LooksLikePkcs12(AsBytes(content))) {
    absl::StatusOr<std::vector<std::string>> opened =
        ReadPkcs12(AsBytes(content), password);
    if (!opened.ok()) return opened.status();
    found = *std::move(opened);
  } else {
    found.emplace_back(content);
  }
  if (found.empty()) return Refuse("there is no certificate in it");
  if (found.size() > kMaxCertificates) {
    return Refuse("more than 10 certificates");
  }
  for (const std::string& der : found) {
    if (!ParseCertificate(AsBytes(der)).ok()) {
      return Refuse("not a certificate");
    }
  }
  return found;
}

}  // namespace sallyport::capf
