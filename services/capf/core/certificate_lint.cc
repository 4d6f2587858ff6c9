#include "services/capf/core/certificate_lint.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <utility>

#include "services/capf/core/certificate_reader.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMaxTbsBytes = 16 * 1024;
constexpr absl::Duration kOldestBackdate = absl::Hours(48);

// Whether `der` is elements in DER, each constructed if and only if its type
// is. The X.509 parser lets some through that are not, within names and
// extensions, and keeps their bytes as they came.
bool IsStrictDer(CBS der, int depth = 0) {
  constexpr int kDeepest = 16;
  if (depth > kDeepest) return false;
  while (CBS_len(&der) > 0) {
    CBS element;
    unsigned tag = 0;
    size_t header = 0;
    if (!CBS_get_any_asn1_element(&der, &element, &tag, &header) ||
        !CBS_skip(&element, header)) {
      return false;
    }
    const bool constructed = (tag & CBS_ASN1_CONSTRUCTED) != 0;
    if ((tag & CBS_ASN1_CLASS_MASK) == 0) {
      const unsigned number = tag & CBS_ASN1_TAG_NUMBER_MASK;
      const bool should_be = number == 16 || number == 17;  // SEQUENCE, SET
      if (constructed != should_be) return false;
    }
    if (constructed && !IsStrictDer(element, depth + 1)) return false;
  }
  return true;
}

bool IsStrictDer(ByteSpan der) {
  CBS cbs;
  CBS_init(&cbs, der.data(), der.size());
  return IsStrictDer(cbs);
}

int SignatureNid(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case SignatureAlgorithm::kEcdsaSha256:
      return NID_ecdsa_with_SHA256;
    case SignatureAlgorithm::kEcdsaSha384:
      return NID_ecdsa_with_SHA384;
    case SignatureAlgorithm::kEcdsaSha512:
      return NID_ecdsa_with_SHA512;
    case SignatureAlgorithm::kRsaSha256:
      return NID_sha256WithRSAEncryption;
  }
  return NID_undef;
}

// TBSCertificate.signature is repeated outside; an empty signature makes the
// whole parse.
std::string WithEmptySignature(ByteSpan tbs) {
  CBS input, body, algorithm;
  CBS_init(&input, tbs.data(), tbs.size());
  if (!CBS_get_asn1(&input, &body, CBS_ASN1_SEQUENCE) || CBS_len(&input) != 0 ||
      !CBS_get_optional_asn1(
          &body, nullptr, nullptr,
          CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0) ||
      !CBS_get_asn1(&body, nullptr, CBS_ASN1_INTEGER) ||
      !CBS_get_asn1_element(&body, &algorithm, CBS_ASN1_SEQUENCE)) {
    return {};
  }
  bssl::ScopedCBB cbb;
  CBB certificate, bits;
  uint8_t* der = nullptr;
  size_t size = 0;
  if (!CBB_init(cbb.get(), tbs.size() + 64) ||
      !CBB_add_asn1(cbb.get(), &certificate, CBS_ASN1_SEQUENCE) ||
      !CBB_add_bytes(&certificate, tbs.data(), tbs.size()) ||
      !CBB_add_bytes(&certificate, CBS_data(&algorithm), CBS_len(&algorithm)) ||
      !CBB_add_asn1(&certificate, &bits, CBS_ASN1_BITSTRING) ||
      !CBB_add_u8(&bits, 0) || !CBB_finish(cbb.get(), &der, &size)) {
    return {};
  }
  bssl::UniquePtr<uint8_t> owner(der);
  return ToString(ByteSpan(der, size));
}

std::string StringOctets(const ASN1_STRING* string) {
  return ToString(ByteSpan(ASN1_STRING_get0_data(string),
                           static_cast<size_t>(ASN1_STRING_length(string))));
}

std::optional<absl::Time> ReadTime(const ASN1_TIME* time) {
  bssl::UniquePtr<ASN1_TIME> epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int seconds = 0;
  if (!epoch || !ASN1_TIME_diff(&days, &seconds, epoch.get(), time)) {
    return std::nullopt;
  }
  return absl::UnixEpoch() + absl::Hours(24) * days + absl::Seconds(seconds);
}

std::string NamePart(const X509_NAME* name, int nid) {
  const int at = X509_NAME_get_index_by_NID(name, nid, -1);
  if (at < 0) return {};
  return StringOctets(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
}

SubjectName ReadSubject(const X509_NAME* name) {
  return {.country = NamePart(name, NID_countryName),
          .state = NamePart(name, NID_stateOrProvinceName),
          .locality = NamePart(name, NID_localityName),
          .organization = NamePart(name, NID_organizationName),
          .organizational_unit = NamePart(name, NID_organizationalUnitName),
          .common_name = NamePart(name, NID_commonName)};
}

int PartsOf(const SubjectName& name) {
  int parts = 0;
  for (const std::string* part :
       {&name.country, &name.state, &name.locality, &name.organization,
        &name.organizational_unit, &name.common_name}) {
    parts += part->empty() ? 0 : 1;
  }
  return parts;
}

// Decodes one extension; `critical` is 0 or 1 if it is there once.
template <typename T, void (*kFree)(T*)>
std::unique_ptr<T, decltype(kFree)> Extension(const X509* x509, int nid,
                                              int& critical) {
  return {static_cast<T*>(X509_get_ext_d2i(x509, nid, &critical, nullptr)),
          kFree};
}

// One certificate under the rules; collects what it breaks.
class Lint {
 public:
  Lint(const X509* x509, const LintContext& context)
      : x509_(x509),
        context_(context),
        profile_(ProfileFor(context.spec.profile)) {}

  std::vector<std::string> Run() {
    CheckSerial();
    CheckIssuerAndSubject();
    CheckValidity();
    CheckKey();
    CheckExtensionSet();
    CheckBasicConstraints();
    CheckKeyUsages();
    CheckAltNames();
    CheckCrlPoint();
    CheckKeyIds();
    return std::move(findings_);
  }

 private:
  void Find(const char* rule) { findings_.emplace_back(rule); }

  void CheckSerial() {
    if (X509_get_version(x509_) != 2) Find("version");
    const ASN1_INTEGER* serial = X509_get0_serialNumber(x509_);
    bssl::UniquePtr<BIGNUM> number(ASN1_INTEGER_to_BN(serial, nullptr));
    if (!number || BN_is_negative(number.get()) || BN_is_zero(number.get())) {
      Find("serial_sign");
      return;
    }
    const size_t size = BN_num_bytes(number.get());
    if (size < 17 || size > 20) Find("serial_length");
    std::string octets(size, '\0');
    BN_bn2bin(number.get(), reinterpret_cast<uint8_t*>(octets.data()));
    if (octets != context_.spec.serial) Find("serial_mismatch");
  }

  void CheckIssuerAndSubject() {
    const KeyKind kind = context_.issuer.has_value()
                             ? context_.issuer->key.kind()
                             : context_.spec.key.kind();
    if (X509_get_signature_nid(x509_) !=
        SignatureNid(SignatureAlgorithmFor(kind))) {
      Find("signature_algorithm");
    }
    const uint8_t* issuer = nullptr;
    size_t issuer_size = 0;
    const uint8_t* subject = nullptr;
    size_t subject_size = 0;
    if (!X509_NAME_get0_der(X509_get_issuer_name(x509_), &issuer,
                            &issuer_size) ||
        !X509_NAME_get0_der(X509_get_subject_name(x509_), &subject,
                            &subject_size)) {
      Find("malformed");
      return;
    }
    const ByteSpan expected = context_.issuer.has_value()
                                  ? AsBytes(context_.issuer->subject_der)
                                  : ByteSpan(subject, subject_size);
    if (ByteSpan(issuer, issuer_size) != expected) Find("issuer_mismatch");

    const X509_NAME* name = X509_get_subject_name(x509_);
    const SubjectName read = ReadSubject(name);
    bool as_written = true;
    for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
      const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
      const bool country =
          OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)) == NID_countryName;
      as_written &= ASN1_STRING_type(X509_NAME_ENTRY_get_data(entry)) ==
                    (country ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING);
    }
    if (read.common_name.empty()) Find("subject_empty");
    if (!as_written || !(read == context_.spec.subject) ||
        X509_NAME_entry_count(name) != PartsOf(read)) {
      Find("subject_mismatch");
    }
  }

  void CheckValidity() {
    const auto begin = ReadTime(X509_get0_notBefore(x509_));
    const auto end = ReadTime(X509_get0_notAfter(x509_));
    if (!begin.has_value() || !end.has_value() || *end <= *begin) {
      Find("validity_order");
      return;
    }
    if (*begin != context_.spec.not_before || *end != context_.spec.not_after) {
      Find("validity_mismatch");
    }
    // notAfter is inclusive, so the last second counts (RFC 5280 4.1.2.5).
    if (*end - *begin + absl::Seconds(1) > profile_.max_validity) {
      Find("validity_too_long");
    }
    if (*begin < context_.now - kOldestBackdate) Find("validity_backdated");
    if (*begin > context_.now) Find("validity_future");
    if (context_.issuer.has_value() && (*begin < context_.issuer->not_before ||
                                        *end > context_.issuer->not_after)) {
      Find("validity_outlives");
    }
  }

  void CheckKey() {
    uint8_t* spki = nullptr;
    const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509_), &spki);
    if (size <= 0) {
      Find("key_weak");
      return;
    }
    bssl::UniquePtr<uint8_t> owner(spki);
    const ByteSpan bytes(spki, static_cast<size_t>(size));
    // The floor here is what no policy may go below.
    if (!PublicKey::FromSpki(bytes, KeyPolicy{}).ok()) Find("key_weak");
    if (AsText(bytes) != context_.spec.key.spki()) Find("key_mismatch");
    if (context_.issuer.has_value() &&
        AsText(bytes) == context_.issuer->key.spki()) {
      Find("key_is_issuers");
    }
  }

  void CheckExtensionSet() {
    std::set<int> seen;
    for (int i = 0; i < X509_get_ext_count(x509_); ++i) {
      X509_EXTENSION* extension = X509_get_ext(x509_, i);
      const std::string value =
          StringOctets(X509_EXTENSION_get_data(extension));
      if (!IsStrictDer(AsBytes(value))) Find("malformed");
      const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
      switch (nid) {
        case NID_authority_key_identifier:
        case NID_subject_key_identifier:
        case NID_key_usage:
        case NID_basic_constraints:
        case NID_ext_key_usage:
        case NID_subject_alt_name:
        case NID_crl_distribution_points:
          if (seen.insert(nid).second) continue;
          break;
        default:
          break;
      }
      Find("extension_unknown");
      return;
    }
  }

  void CheckBasicConstraints() {
    int critical = -1;
    const auto constraints =
        Extension<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free>(
            x509_, NID_basic_constraints, critical);
    if (!constraints || critical != 1) {
      Find("basic_constraints");
      return;
    }
    if (!profile_.is_authority) {
      if (constraints->ca != 0 || constraints->pathlen != nullptr) {
        Find("ca_true");
      }
      return;
    }
    if (constraints->ca == 0 || constraints->pathlen == nullptr ||
        ASN1_INTEGER_get(constraints->pathlen) != profile_.path_length) {
      Find("ca_false");
    }
  }

  void CheckKeyUsages() {
    int critical = -1;
    const auto usage = Extension<ASN1_BIT_STRING, ASN1_BIT_STRING_free>(
        x509_, NID_key_usage, critical);
    uint16_t bits = 0;
    if (usage) {
      const std::string octets = StringOctets(usage.get());
      if (!octets.empty()) {
        bits = static_cast<uint16_t>(static_cast<uint8_t>(octets[0]) << 8);
      }
      if (octets.size() > 1) bits |= static_cast<uint8_t>(octets[1]);
    }
    // Named bits end with a one bit (X.690 11.2.2); the parser lets more pass.
    const long unused = usage ? usage->flags & 7 : 0;
    const bool minimal = bits == 0 || (bits >> 8 >> unused & 1) != 0;
    if (critical != 1 || !minimal ||
        bits != profile_.KeyUsage(context_.spec.key.is_rsa())) {
      Find("key_usage");
    }

    const auto extended =
        Extension<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free>(
            x509_, NID_ext_key_usage, critical);
    std::vector<std::string> found;
    for (size_t i = 0; extended && i < sk_ASN1_OBJECT_num(extended.get());
         ++i) {
      char oid[80];
      OBJ_obj2txt(oid, sizeof(oid), sk_ASN1_OBJECT_value(extended.get(), i), 1);
      found.emplace_back(oid);
    }
    std::vector<std::string> wanted;
    for (const ExtendedKeyUsage one : profile_.extended_key_usages) {
      wanted.emplace_back(ExtendedKeyUsageOid(one));
    }
    if (found != wanted || (wanted.empty() && critical != -1)) {
      Find("extended_key_usage");
    }
  }

  void CheckAltNames() {
    int critical = -1;
    const auto all = Extension<GENERAL_NAMES, GENERAL_NAMES_free>(
        x509_, NID_subject_alt_name, critical);
    SubjectAltNames names;
    bool shape = critical != -2 && critical != 1;
    for (size_t i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i) {
      const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
      if (name->type == GEN_DNS) {
        names.dns_names.push_back(StringOctets(name->d.dNSName));
      } else if (name->type == GEN_URI) {
        names.uris.push_back(StringOctets(name->d.uniformResourceIdentifier));
      } else if (name->type == GEN_IPADD) {
        names.ip_addresses.push_back(StringOctets(name->d.iPAddress));
      } else {
        shape = false;
      }
    }
    if (!shape || !CheckNames(profile_, context_.spec.subject, names).ok()) {
      Find("san_shape");
    }
    if (!(names == context_.spec.names)) Find("san_mismatch");
  }

  // None, or one point whose only name is the URL that was meant.
  void CheckCrlPoint() {
    int critical = -1;
    const auto points = Extension<CRL_DIST_POINTS, CRL_DIST_POINTS_free>(
        x509_, NID_crl_distribution_points, critical);
    const std::string& wanted = context_.spec.crl_url;
    if (wanted.empty() && critical == -1) return;
    std::string found;
    if (critical == 0 && points && sk_DIST_POINT_num(points.get()) == 1) {
      const DIST_POINT* const point = sk_DIST_POINT_value(points.get(), 0);
      const DIST_POINT_NAME* const name = point->distpoint;
      if (name != nullptr && name->type == 0 && point->reasons == nullptr &&
          point->CRLissuer == nullptr &&
          sk_GENERAL_NAME_num(name->name.fullname) == 1) {
        const GENERAL_NAME* const only =
            sk_GENERAL_NAME_value(name->name.fullname, 0);
        if (only->type == GEN_URI) {
          found = StringOctets(only->d.uniformResourceIdentifier);
        }
      }
    }
    if (found.empty() || found != wanted) Find("crl_point");
  }

  void CheckKeyIds() {
    const ASN1_OCTET_STRING* subject =
        X509_get0_subject_key_id(const_cast<X509*>(x509_));
    if (subject == nullptr ||
        StringOctets(subject) != context_.spec.key.key_id()) {
      Find("subject_key_id");
    }
    const ASN1_OCTET_STRING* authority =
        X509_get0_authority_key_id(const_cast<X509*>(x509_));
    const std::string& expected = context_.issuer.has_value()
                                      ? context_.issuer->key_id
                                      : context_.spec.key.key_id();
    if (authority == nullptr || StringOctets(authority) != expected) {
      Find("authority_key_id");
    }
  }

  const X509* x509_;
  const LintContext& context_;
  const CertificateProfile& profile_;
  std::vector<std::string> findings_;
};

}  // namespace

std::vector<std::string> LintCertificate(ByteSpan tbs,
                                         const LintContext& context) {
  if (ReadsAsMeant(tbs, context.spec, context.issuer, context.now)) return {};
  std::vector<std::string> findings = LintSlowly(tbs, context);
  // One of the two is wrong: not to be signed in any case.
  if (findings.empty()) findings = {"malformed"};
  return findings;
}

std::vector<std::string> LintSlowly(ByteSpan tbs, const LintContext& context) {
  if (tbs.size() > kMaxTbsBytes || !IsStrictDer(tbs)) return {"malformed"};
  const std::string der = WithEmptySignature(tbs);
  const uint8_t* at = reinterpret_cast<const uint8_t*>(der.data());
  bssl::UniquePtr<X509> x509(
      der.empty() ? nullptr
                  : d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (!x509) return {"malformed"};
  // Written anew rather than from the cached bytes: only DER survives.
  uint8_t* again = nullptr;
  const int again_size = i2d_re_X509_tbs(x509.get(), &again);
  if (again_size <= 0) return {"malformed"};
  bssl::UniquePtr<uint8_t> owner(again);
  if (ByteSpan(again, static_cast<size_t>(again_size)) != tbs) {
    ERR_clear_error();
    return {"malformed"};
  }
  std::vector<std::string> findings = Lint(x509.get(), context).Run();
  ERR_clear_error();
  return findings;
}

}  // namespace sallyport::capf
