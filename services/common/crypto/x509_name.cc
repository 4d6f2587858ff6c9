#include "services/common/crypto/x509_name.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "services/common/bytes/string_view.h"
#include "services/common/crypto/x509_name_text.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

constexpr size_t kMaxPemSize = size_t{64} << 20;

absl::Status Malformed(const char* what) {
  ERR_clear_error();
  return absl::InvalidArgumentError(what);
}

std::string BioText(BIO* bio) {
  const uint8_t* data = nullptr;
  size_t size = 0;
  if (!BIO_mem_contents(bio, &data, &size)) return "";
  return ToString({data, size});
}

absl::StatusOr<absl::Time> TimeOf(const ASN1_TIME* time) {
  bssl::UniquePtr<ASN1_TIME> epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0, seconds = 0;
  if (!ASN1_TIME_diff(&days, &seconds, epoch.get(), time)) {
    return Malformed("unreadable date in a certificate");
  }
  return absl::UnixEpoch() + absl::Hours(24) * days + absl::Seconds(seconds);
}

absl::StatusOr<std::vector<std::string>> CommonNames(const X509_NAME* name) {
  std::vector<std::string> out;
  int at = -1;
  while ((at = X509_NAME_get_index_by_NID(const_cast<X509_NAME*>(name),
                                          NID_commonName, at)) >= 0) {
    uint8_t* utf8 = nullptr;
    const int size = ASN1_STRING_to_UTF8(
        &utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (size < 0) return Malformed("unreadable common name");
    out.push_back(ToString({utf8, static_cast<size_t>(size)}));
    OPENSSL_free(utf8);
    if (out.back().find('\0') != std::string::npos) {
      return Malformed("NUL in a common name");
    }
  }
  return out;
}

std::string OctetsOf(const ASN1_STRING* s) {
  return ToString(
      {ASN1_STRING_get0_data(s), static_cast<size_t>(ASN1_STRING_length(s))});
}

absl::StatusOr<std::vector<SubjectAltName>> AltNamesOf(const X509* x509) {
  using Type = SubjectAltName::Type;
  std::vector<SubjectAltName> out;
  int critical = 0;
  bssl::UniquePtr<GENERAL_NAMES> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(
          const_cast<X509*>(x509), NID_subject_alt_name, &critical, nullptr)));
  if (names == nullptr) {
    // -1: absent. Anything else: there, but broken or repeated.
    if (critical == -1) return out;
    return Malformed("unreadable subjectAltName");
  }
  for (const GENERAL_NAME* name : names.get()) {
    SubjectAltName alt;
    switch (name->type) {
      case GEN_DNS:
        alt = {Type::kDns, OctetsOf(name->d.dNSName)};
        break;
      case GEN_URI:
        alt = {Type::kUri, OctetsOf(name->d.uniformResourceIdentifier)};
        break;
      case GEN_EMAIL:
        alt = {Type::kEmail, OctetsOf(name->d.rfc822Name)};
        break;
      case GEN_IPADD:
        alt = {Type::kIp, OctetsOf(name->d.iPAddress)};
        if (alt.value.size() != 4 && alt.value.size() != 16) {
          return Malformed("subjectAltName with a broken IP address");
        }
        break;
      default:
        break;
    }
    if (alt.type != Type::kIp && alt.value.find('\0') != std::string::npos) {
      return Malformed("NUL in a subjectAltName");
    }
    out.push_back(std::move(alt));
  }
  return out;
}

// Of extendedKeyUsage what BoringSSL has no bit for.
struct OtherUsages {
  bool ipsec = false;  // RFC 4945 section 5.1.3.12
  bool sip_domain = false;
};

OtherUsages OtherUsagesOf(const X509* x509) {
  OtherUsages out;
  const bssl::UniquePtr<EXTENDED_KEY_USAGE> usages(
      static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(
          const_cast<X509*>(x509), NID_ext_key_usage, nullptr, nullptr)));
  for (size_t i = 0; usages != nullptr && i < sk_ASN1_OBJECT_num(usages.get());
       ++i) {
    static constexpr uint8_t kPrefix[] = {0x2b, 0x06, 0x01, 0x05,
                                          0x05, 0x07, 0x03};  // id-kp
    const ASN1_OBJECT* usage = sk_ASN1_OBJECT_value(usages.get(), i);
    const size_t size = OBJ_length(usage);
    const uint8_t* octets = OBJ_get0_data(usage);
    if (size != sizeof(kPrefix) + 1 ||
        std::memcmp(octets, kPrefix, sizeof(kPrefix)) != 0) {
      continue;
    }
    // id-kp-ipsecIKE, and the three before it: endSystem, tunnel, user.
    const uint8_t last = octets[sizeof(kPrefix)];
    out.ipsec |= last == 17 || (last >= 5 && last <= 7);
    out.sip_domain |= last == 20;
  }
  return out;
}

absl::StatusOr<std::string> SerialOf(const X509* x509) {
  bssl::UniquePtr<BIGNUM> number(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509), nullptr));
  if (number == nullptr) return Malformed("unreadable serial number");
  char* hex = BN_bn2hex(number.get());
  if (hex == nullptr) return Malformed("unreadable serial number");
  std::string out = absl::AsciiStrToLower(hex);
  OPENSSL_free(hex);
  // BN_bn2hex writes whole octets.
  const size_t minus = !out.empty() && out[0] == '-' ? 1 : 0;
  const size_t digit = out.find_first_not_of('0', minus);
  if (digit == std::string::npos) return std::string("0");
  out.erase(minus, digit - minus);
  return out;
}

}  // namespace

std::vector<std::string> CertificateInfo::AltNames(
    SubjectAltName::Type type) const {
  std::vector<std::string> out;
  for (const SubjectAltName& name : alt_names) {
    if (name.type == type) out.push_back(name.value);
  }
  return out;
}

absl::StatusOr<CertificateInfo> ParseCertificate(ByteSpan der) {
  const uint8_t* at = der.data();
  bssl::UniquePtr<X509> owner(
      d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (owner == nullptr || at != der.data() + der.size()) {
    return Malformed("not a DER certificate");
  }
  X509* const x509 = owner.get();
  // Also caches the extensions; marks those that do not parse.
  const uint32_t flags = X509_get_extension_flags(x509);
  if ((flags & EXFLAG_INVALID) != 0) {
    return Malformed("a certificate with broken extensions");
  }

  CertificateInfo info;
  SP_ASSIGN_OR_RETURN(info.alt_names, AltNamesOf(x509));
  SP_ASSIGN_OR_RETURN(info.common_names,
                      CommonNames(X509_get_subject_name(x509)));
  info.subject = NameText(X509_get_subject_name(x509));
  info.issuer = NameText(X509_get_issuer_name(x509));
  SP_ASSIGN_OR_RETURN(info.serial_hex, SerialOf(x509));
  SP_ASSIGN_OR_RETURN(info.not_before, TimeOf(X509_get0_notBefore(x509)));
  SP_ASSIGN_OR_RETURN(info.not_after, TimeOf(X509_get0_notAfter(x509)));
  info.sha1 = Sha1(der);
  info.sha256 = Sha256(der);
  info.is_ca = (flags & EXFLAG_CA) != 0;
  info.self_issued = (flags & EXFLAG_SI) != 0;
  // UINT32_MAX when the extension is absent.
  const uint32_t usage = X509_get_extended_key_usage(x509);
  info.server_auth = (usage & (XKU_SSL_SERVER | XKU_ANYEKU)) != 0;
  info.client_auth = (usage & (XKU_SSL_CLIENT | XKU_ANYEKU)) != 0;
  info.purposes = usage;
  const OtherUsages others = OtherUsagesOf(x509);
  info.ipsec = (usage & XKU_ANYEKU) != 0 || others.ipsec;
  info.sip_domain = others.sip_domain;
  info.any_usage = usage != UINT32_MAX && (usage & XKU_ANYEKU) != 0;
  info.key_usage = X509_get_key_usage(x509);
  if (info.self_issued) {
    const bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(x509));
    info.self_signed = key != nullptr && X509_verify(x509, key.get()) == 1;
  }
  ERR_clear_error();
  return info;
}

std::vector<std::string_view> KeyUsageNames(
    const CertificateInfo& certificate) {
  static constexpr std::pair<uint32_t, std::string_view> kNames[] = {
      {KU_DIGITAL_SIGNATURE, "digitalSignature"},
      {KU_NON_REPUDIATION, "nonRepudiation"},
      {KU_KEY_ENCIPHERMENT, "keyEncipherment"},
      {KU_DATA_ENCIPHERMENT, "dataEncipherment"},
      {KU_KEY_AGREEMENT, "keyAgreement"},
      {KU_KEY_CERT_SIGN, "keyCertSign"},
      {KU_CRL_SIGN, "cRLSign"},
      {KU_ENCIPHER_ONLY, "encipherOnly"},
      {KU_DECIPHER_ONLY, "decipherOnly"},
  };
  std::vector<std::string_view> out;
  if (certificate.key_usage == UINT32_MAX) return out;
  for (const auto& [bit, name] : kNames) {
    if ((certificate.key_usage & bit) != 0) out.push_back(name);
  }
  return out;
}

std::vector<std::string_view> PermittedFunctions(
    const CertificateInfo& certificate) {
  constexpr uint32_t kSigns = KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION;
  constexpr uint32_t kHandshakes =
      KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT;
  const auto allows = [&](uint32_t purposes, uint32_t usages) {
    return (certificate.purposes & (purposes | XKU_ANYEKU)) != 0 &&
           (certificate.key_usage & usages) != 0;
  };
  std::vector<std::string_view> out;
  const bool server = allows(XKU_SSL_SERVER, kHandshakes);
  const bool client = allows(XKU_SSL_CLIENT, kHandshakes);
  if (server) out.push_back("web server authentication");
  if (client) out.push_back("web user authentication");
  if (allows(XKU_SMIME, kHandshakes | kSigns)) out.push_back("S/MIME");
  if (certificate.ipsec && (certificate.key_usage & kHandshakes) != 0) {
    out.push_back("IPsec");
  }
  if (server || client) out.push_back("TLS");
  if (allows(XKU_CODE_SIGN, kSigns)) out.push_back("code signing");
  return out;
}

absl::StatusOr<std::vector<std::string>> CertificatesFromPem(
    std::string_view pem) {
  if (pem.size() > kMaxPemSize) return Malformed("the PEM text is too long");
  bssl::UniquePtr<BIO> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<std::string> out;
  for (;;) {
    char* name = nullptr;
    char* header = nullptr;
    uint8_t* data = nullptr;
    long size = 0;
    if (!PEM_read_bio(bio.get(), &name, &header, &data, &size)) break;
    const std::string kind(name);
    std::string der = ToString({data, static_cast<size_t>(size)});
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    if (kind != "CERTIFICATE") continue;
    SP_RETURN_IF_ERROR(ParseCertificate(AsBytes(der)).status());
    out.push_back(std::move(der));
  }
  const uint32_t error = ERR_peek_last_error();
  if (ERR_GET_REASON(error) != PEM_R_NO_START_LINE) {
    return Malformed("a broken PEM block");
  }
  ERR_clear_error();
  if (out.empty()) return Malformed("no certificate in the PEM text");
  return out;
}

std::string CertificateToPem(ByteSpan der) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio(bio.get(), "CERTIFICATE", "", der.data(),
                static_cast<long>(der.size()));
  return BioText(bio.get());
}

}  // namespace sallyport
