#include "services/capf/core/certificate_builder.h"

#include <openssl/asn1.h>
#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "services/capf/core/der_parts.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr absl::Duration kBackdate = absl::Hours(1);
constexpr absl::Duration kLeastValidity = absl::Hours(1);
constexpr absl::Duration kLeastRenewedValidity = absl::Seconds(10);
constexpr uint8_t kSet = 0x31;
constexpr unsigned kContext0 =
    CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0;
constexpr unsigned kContext3 =
    CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 3;

absl::Status OutOfMemory() {
  return MakeError(absl::StatusCode::kResourceExhausted, "OUT_OF_MEMORY",
                   "no memory for a certificate");
}

// `attribute` is its number below id-at (2.5.4).
bool AddNamePart(CBB* name, uint8_t attribute, const std::string& value,
                 uint8_t tag) {
  if (value.empty()) return true;
  const uint8_t type[] = {V_ASN1_OBJECT, 3, 0x55, 4, attribute};
  const DerHeader text(tag, value.size());
  const DerHeader pair(kSequence, sizeof(type) + text.size() + value.size());
  return AddElement(name, kSet,
                    {pair.bytes(), type, text.bytes(), AsBytes(value)});
}

bool AddName(CBB* cbb, const SubjectName& subject) {
  CBB name;
  constexpr uint8_t kText = V_ASN1_UTF8STRING;
  return CBB_add_asn1(cbb, &name, CBS_ASN1_SEQUENCE) &&
         AddNamePart(&name, 6, subject.country, V_ASN1_PRINTABLESTRING) &&
         AddNamePart(&name, 8, subject.state, kText) &&
         AddNamePart(&name, 7, subject.locality, kText) &&
         AddNamePart(&name, 10, subject.organization, kText) &&
         AddNamePart(&name, 11, subject.organizational_unit, kText) &&
         AddNamePart(&name, 3, subject.common_name, kText) && CBB_flush(cbb);
}

// A BIT STRING of named bits ends with its last one bit (X.690 11.2.2).
bool AddKeyUsage(CBB* list, uint16_t bits) {
  CBB extension, value, string;
  int unused = 0;
  while ((bits >> unused & 1) == 0) ++unused;
  const bool one_octet = unused >= 8;
  return OpenExtension(list, &extension, &value, "2.5.29.15", true) &&
         CBB_add_asn1(&value, &string, CBS_ASN1_BITSTRING) &&
         CBB_add_u8(&string, static_cast<uint8_t>(unused % 8)) &&
         CBB_add_u8(&string, static_cast<uint8_t>(bits >> 8)) &&
         (one_octet || CBB_add_u8(&string, static_cast<uint8_t>(bits))) &&
         CBB_flush(list);
}

bool AddBasicConstraints(CBB* list, const CertificateProfile& profile) {
  CBB extension, value, sequence;
  if (!OpenExtension(list, &extension, &value, "2.5.29.19", true) ||
      !CBB_add_asn1(&value, &sequence, CBS_ASN1_SEQUENCE)) {
    return false;
  }
  // CA FALSE is the default, so it is left out.
  if (profile.is_authority &&
      (!CBB_add_asn1_bool(&sequence, 1) ||
       !CBB_add_asn1_uint64(&sequence,
                            static_cast<uint64_t>(profile.path_length)))) {
    return false;
  }
  return CBB_flush(list);
}

bool AddExtendedKeyUsage(CBB* list, const CertificateProfile& profile) {
  if (profile.extended_key_usages.empty()) return true;
  CBB extension, value, sequence;
  if (!OpenExtension(list, &extension, &value, "2.5.29.37", false) ||
      !CBB_add_asn1(&value, &sequence, CBS_ASN1_SEQUENCE)) {
    return false;
  }
  for (const ExtendedKeyUsage usage : profile.extended_key_usages) {
    if (!AddOid(&sequence, ExtendedKeyUsageOid(usage))) return false;
  }
  return CBB_flush(list);
}

std::string WriteUsage(const CertificateProfile& profile, bool rsa) {
  bssl::ScopedCBB cbb;
  const bool ok = CBB_init(cbb.get(), 128) &&
                  AddKeyUsage(cbb.get(), profile.KeyUsage(rsa)) &&
                  AddBasicConstraints(cbb.get(), profile) &&
                  AddExtendedKeyUsage(cbb.get(), profile);
  return TakeBytes(cbb.get(), ok);
}

// What the key may be used for: the profile's alone to say, so it is written
// once.
bool AddUsage(CBB* list, ProfileId profile, bool rsa) {
  using Written = std::array<std::array<std::string, 2>, kProfileCount>;
  static const auto* const kWritten = [] {
    auto* const out = new Written;
    for (size_t i = 0; i < kProfileCount; ++i) {
      const CertificateProfile& each = ProfileFor(static_cast<ProfileId>(i));
      (*out)[i] = {WriteUsage(each, false), WriteUsage(each, true)};
    }
    return out;
  }();
  const std::string& usage =
      (*kWritten)[static_cast<size_t>(profile)][rsa ? 1 : 0];
  return !usage.empty() && AddBytes(list, AsBytes(usage));
}

bool AddAltNames(CBB* list, const SubjectAltNames& names) {
  if (names.empty()) return true;
  CBB extension, value, sequence, text;
  if (!OpenExtension(list, &extension, &value, "2.5.29.17", false) ||
      !CBB_add_asn1(&value, &sequence, CBS_ASN1_SEQUENCE)) {
    return false;
  }
  for (const std::string& name : names.dns_names) {
    if (!CBB_add_asn1(&sequence, &text, CBS_ASN1_CONTEXT_SPECIFIC | 2) ||
        !AddBytes(&text, AsBytes(name))) {
      return false;
    }
  }
  for (const std::string& ip : names.ip_addresses) {
    if (!CBB_add_asn1(&sequence, &text, CBS_ASN1_CONTEXT_SPECIFIC | 7) ||
        !AddBytes(&text, AsBytes(ip))) {
      return false;
    }
  }
  for (const std::string& uri : names.uris) {
    if (!CBB_add_asn1(&sequence, &text, CBS_ASN1_CONTEXT_SPECIFIC | 6) ||
        !AddBytes(&text, AsBytes(uri))) {
      return false;
    }
  }
  return CBB_flush(list);
}

bool AddExtensions(CBB* tbs, const CertificateSpec& spec,
                   ByteSpan issuer_key_id) {
  CBB outer, list;
  return CBB_add_asn1(tbs, &outer, kContext3) &&
         CBB_add_asn1(&outer, &list, CBS_ASN1_SEQUENCE) &&
         AddAuthorityKeyId(&list, issuer_key_id) &&
         AddSubjectKeyId(&list, AsBytes(spec.key.key_id())) &&
         AddUsage(&list, spec.profile, spec.key.is_rsa()) &&
         AddAltNames(&list, spec.names) &&
         AddDistributionPoint(&list, "2.5.29.31", spec.crl_url) &&
         CBB_flush(tbs);
}

const EVP_MD* DigestFor(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case SignatureAlgorithm::kEcdsaSha384:
      return EVP_sha384();
    case SignatureAlgorithm::kEcdsaSha512:
      return EVP_sha512();
    case SignatureAlgorithm::kEcdsaSha256:
    case SignatureAlgorithm::kRsaSha256:
      break;
  }
  return EVP_sha256();
}

std::string NamePart(const X509_NAME* name, int nid) {
  const int at = X509_NAME_get_index_by_NID(name, nid, -1);
  if (at < 0) return {};
  const ASN1_STRING* data =
      X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
  uint8_t* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, data);
  if (size < 0) return {};
  bssl::UniquePtr<uint8_t> owner(utf8);
  return ToString(ByteSpan(utf8, static_cast<size_t>(size)));
}

}  // namespace

SignatureAlgorithm SignatureAlgorithmFor(KeyKind issuer_key) {
  switch (issuer_key) {
    case KeyKind::kRsa:
      return SignatureAlgorithm::kRsaSha256;
    case KeyKind::kEcP256:
      return SignatureAlgorithm::kEcdsaSha256;
    case KeyKind::kEcP384:
      return SignatureAlgorithm::kEcdsaSha384;
    case KeyKind::kEcP521:
      return SignatureAlgorithm::kEcdsaSha512;
  }
  return SignatureAlgorithm::kEcdsaSha256;
}

absl::StatusOr<Issuer> ReadIssuer(ByteSpan certificate_der) {
  const auto refuse = [](std::string_view message) {
    ERR_clear_error();
    return MakeError(absl::StatusCode::kInvalidArgument, "ISSUER_INVALID",
                     message);
  };
  const uint8_t* at = certificate_der.data();
  bssl::UniquePtr<X509> x509(
      d2i_X509(nullptr, &at, static_cast<long>(certificate_der.size())));
  if (!x509 || at != certificate_der.data() + certificate_der.size()) {
    return refuse("not one certificate");
  }
  if (X509_check_ca(x509.get()) != 1) {
    return refuse("certificate is not of an authority");
  }
  if ((X509_get_key_usage(x509.get()) & KU_KEY_CERT_SIGN) == 0) {
    return refuse("certificate may not sign certificates");
  }
  const ASN1_OCTET_STRING* key_id = X509_get0_subject_key_id(x509.get());
  if (key_id == nullptr) {
    return refuse("authority certificate has no subject key identifier");
  }
  uint8_t* spki = nullptr;
  const int spki_size =
      i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509.get()), &spki);
  if (spki_size < 0) return refuse("authority key cannot be written");
  bssl::UniquePtr<uint8_t> spki_owner(spki);
  absl::StatusOr<PublicKey> key = PublicKey::FromSpki(
      ByteSpan(spki, static_cast<size_t>(spki_size)), KeyPolicy{});
  if (!key.ok()) return key.status();

  const X509_NAME* subject = X509_get_subject_name(x509.get());
  const uint8_t* name_der = nullptr;
  size_t name_size = 0;
  if (!X509_NAME_get0_der(const_cast<X509_NAME*>(subject), &name_der,
                          &name_size)) {
    return refuse("authority name cannot be read");
  }
  const std::optional<absl::Time> not_before =
      ReadAsn1Time(X509_get0_notBefore(x509.get()));
  const std::optional<absl::Time> not_after =
      ReadAsn1Time(X509_get0_notAfter(x509.get()));
  if (!not_before || !not_after) {
    return refuse("authority certificate has an unreadable date");
  }
  ERR_clear_error();
  return Issuer{
      .certificate_der = ToString(certificate_der),
      .subject_der = ToString(ByteSpan(name_der, name_size)),
      .subject = {.country = NamePart(subject, NID_countryName),
                  .state = NamePart(subject, NID_stateOrProvinceName),
                  .locality = NamePart(subject, NID_localityName),
                  .organization = NamePart(subject, NID_organizationName),
                  .organizational_unit =
                      NamePart(subject, NID_organizationalUnitName),
                  .common_name = NamePart(subject, NID_commonName)},
      .key = *std::move(key),
      .key_id =
          ToString(ByteSpan(ASN1_STRING_get0_data(key_id),
                            static_cast<size_t>(ASN1_STRING_length(key_id)))),
      .not_before = *not_before,
      .not_after = *not_after};
}

std::string DrawSerial(uint8_t instance, RandomSource& random) {
  std::array<uint8_t, 17> serial;
  random.Fill(absl::MakeSpan(serial).subspan(1));
  serial[0] = static_cast<uint8_t>(instance & 0x7f);
  if (serial[0] == 0) serial[0] = 1;
  return ToString(serial);
}

absl::StatusOr<Validity> ChooseValidity(const CertificateProfile& profile,
                                        absl::Duration validity, absl::Time now,
                                        const std::optional<Issuer>& issuer) {
  if (validity == absl::ZeroDuration()) validity = profile.default_validity;
  // Services renew by themselves, so theirs may be as short as anybody likes;
  // what is short is not backdated by more than it lasts.
  const bool renews =
      profile.id == ProfileId::kService || profile.id == ProfileId::kSipServer;
  const bool is_short = renews && validity < kLeastValidity;
  const absl::Duration least = renews ? kLeastRenewedValidity : kLeastValidity;
  if (validity < least || validity > profile.max_validity) {
    return MakeError(absl::StatusCode::kInvalidArgument, "VALIDITY_INVALID",
                     "validity is outside what the profile allows");
  }
  const absl::Time second = absl::FromUnixSeconds(absl::ToUnixSeconds(now));
  Validity chosen{
      .not_before = second - kBackdate,
      // Both ends count (RFC 5280 4.1.2.5), hence the last second.
      .not_after = second - kBackdate + validity - absl::Seconds(1)};
  if (is_short) {
    chosen.not_before =
        absl::FromUnixSeconds(absl::ToUnixSeconds(second - validity / 10));
  }
  if (validity < 2 * kBackdate) {
    chosen.not_after = second + validity - absl::Seconds(1);
  }
  if (issuer.has_value()) {
    if (issuer->not_after < now + kLeastValidity) {
      return MakeError(absl::StatusCode::kFailedPrecondition, "ISSUER_EXPIRED",
                       "the authority expires within the hour");
    }
    chosen.not_before = std::max(chosen.not_before, issuer->not_before);
    chosen.not_after = std::min(chosen.not_after, issuer->not_after);
  }
  return chosen;
}

absl::StatusOr<std::string> BuildTbs(const CertificateSpec& spec,
                                     const std::optional<Issuer>& issuer) {
  const SignatureAlgorithm algorithm = SignatureAlgorithmFor(
      issuer.has_value() ? issuer->key.kind() : spec.key.kind());
  const std::string& issuer_key_id =
      issuer.has_value() ? issuer->key_id : spec.key.key_id();
  bssl::ScopedCBB cbb;
  CBB tbs, version, validity;
  bool ok = CBB_init(cbb.get(), 1024) &&
            CBB_add_asn1(cbb.get(), &tbs, CBS_ASN1_SEQUENCE) &&
            CBB_add_asn1(&tbs, &version, kContext0) &&
            CBB_add_asn1_uint64(&version, 2) &&
            AddElement(&tbs, V_ASN1_INTEGER, {AsBytes(spec.serial)}) &&
            AddAlgorithm(&tbs, algorithm);
  ok = ok && (issuer.has_value() ? AddBytes(&tbs, AsBytes(issuer->subject_der))
                                 : AddName(&tbs, spec.subject));
  ok = ok && CBB_add_asn1(&tbs, &validity, CBS_ASN1_SEQUENCE) &&
       AddTime(&validity, spec.not_before) &&
       AddTime(&validity, spec.not_after) && AddName(&tbs, spec.subject) &&
       AddBytes(&tbs, AsBytes(spec.key.spki())) &&
       AddExtensions(&tbs, spec, AsBytes(issuer_key_id));
  std::string der = TakeBytes(cbb.get(), ok);
  if (der.empty()) return OutOfMemory();
  return der;
}

absl::StatusOr<std::string> BuildRequestInfo(const Issuer& authority) {
  bssl::ScopedCBB cbb;
  CBB info, attributes;
  uint8_t* data = nullptr;
  size_t size = 0;
  if (!CBB_init(cbb.get(), 512) ||
      !CBB_add_asn1(cbb.get(), &info, CBS_ASN1_SEQUENCE) ||
      !CBB_add_asn1_uint64(&info, 0) ||
      !AddBytes(&info, AsBytes(authority.subject_der)) ||
      !AddBytes(&info, AsBytes(authority.key.spki())) ||
      !CBB_add_asn1(&info, &attributes,
                    CBS_ASN1_CONSTRUCTED | CBS_ASN1_CONTEXT_SPECIFIC | 0) ||
      !CBB_finish(cbb.get(), &data, &size)) {
    ERR_clear_error();
    return MakeError(absl::StatusCode::kInternal, "CERTIFICATE_UNBUILT",
                     "the request cannot be written");
  }
  const bssl::UniquePtr<uint8_t> owner(data);
  return ToString(ByteSpan(data, size));
}

absl::Status CheckSignedBy(ByteSpan certificate_der, ByteSpan issuer_der) {
  const auto parse = [](ByteSpan der) {
    const uint8_t* in = der.data();
    bssl::UniquePtr<X509> x509(
        d2i_X509(nullptr, &in, static_cast<long>(der.size())));
    return in == der.data() + der.size() ? std::move(x509) : nullptr;
  };
  const bssl::UniquePtr<X509> certificate = parse(certificate_der);
  const bssl::UniquePtr<X509> issuer = parse(issuer_der);
  const bssl::UniquePtr<EVP_PKEY> key(
      issuer == nullptr ? nullptr : X509_get_pubkey(issuer.get()));
  const bool ok = certificate && key && X509_check_ca(issuer.get()) == 1 &&
                  X509_NAME_cmp(X509_get_issuer_name(certificate.get()),
                                X509_get_subject_name(issuer.get())) == 0 &&
                  X509_verify(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (ok) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInvalidArgument, "CHAIN_INVALID",
                   "a certificate is not signed by the next one");
}

absl::StatusOr<std::string> AssembleCertificate(ByteSpan tbs,
                                                SignatureAlgorithm algorithm,
                                                ByteSpan signature) {
  constexpr uint8_t kNoUnusedBits[] = {0};
  const ByteSpan identifier = AsBytes(AlgorithmIdentifier(algorithm));
  const DerHeader bits(V_ASN1_BIT_STRING, 1 + signature.size());
  bssl::ScopedCBB cbb;
  const bool ok =
      CBB_init(cbb.get(), tbs.size() + signature.size() + 64) &&
      AddElement(cbb.get(), kSequence,
                 {tbs, identifier, bits.bytes(), kNoUnusedBits, signature});
  std::string der = TakeBytes(cbb.get(), ok);
  if (der.empty()) return OutOfMemory();
  return der;
}

absl::StatusOr<std::string> TbsOf(ByteSpan certificate_der) {
  CBS input, certificate, tbs;
  CBS_init(&input, certificate_der.data(), certificate_der.size());
  if (!CBS_get_asn1(&input, &certificate, CBS_ASN1_SEQUENCE) ||
      CBS_len(&input) != 0 ||
      !CBS_get_asn1_element(&certificate, &tbs, CBS_ASN1_SEQUENCE)) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "CERTIFICATE_MALFORMED", "not a certificate");
  }
  return ToString(ByteSpan(CBS_data(&tbs), CBS_len(&tbs)));
}

absl::StatusOr<std::string> IssuerNameOf(ByteSpan certificate_der) {
  CBS input, certificate, tbs, name;
  CBS_init(&input, certificate_der.data(), certificate_der.size());
  if (!CBS_get_asn1(&input, &certificate, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&certificate, &tbs, CBS_ASN1_SEQUENCE) ||
      !CBS_get_optional_asn1(&tbs, nullptr, nullptr, kContext0) ||
      !CBS_get_asn1(&tbs, nullptr, CBS_ASN1_INTEGER) ||
      !CBS_get_asn1(&tbs, nullptr, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1_element(&tbs, &name, CBS_ASN1_SEQUENCE)) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "CERTIFICATE_MALFORMED", "not a certificate");
  }
  return ToString(ByteSpan(CBS_data(&name), CBS_len(&name)));
}

bool VerifySignature(ByteSpan tbs, SignatureAlgorithm algorithm,
                     ByteSpan signature, const PublicKey& key) {
  CBS input;
  CBS_init(&input, reinterpret_cast<const uint8_t*>(key.spki().data()),
           key.spki().size());
  bssl::UniquePtr<EVP_PKEY> pkey(EVP_parse_public_key(&input));
  bssl::ScopedEVP_MD_CTX ctx;
  const bool verified =
      pkey &&
      EVP_DigestVerifyInit(ctx.get(), nullptr, DigestFor(algorithm), nullptr,
                           pkey.get()) &&
      EVP_DigestVerify(ctx.get(), signature.data(), signature.size(),
                       tbs.data(), tbs.size());
  ERR_clear_error();
  return verified;
}

}  // namespace sallyport::capf
