#include "services/capf/core/revocation_list.h"

#include <openssl/asn1.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <optional>

#include "services/capf/core/der_parts.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMaxListSize = 32 * 1024 * 1024;
constexpr unsigned kContext0 =
    CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0;
constexpr char kCrlNumber[] = "2.5.29.20";
constexpr char kReasonCode[] = "2.5.29.21";
constexpr char kDeltaIndicator[] = "2.5.29.27";
constexpr char kFreshest[] = "2.5.29.46";

absl::Status Refuse(std::string_view reason, std::string_view what) {
  ERR_clear_error();
  return MakeError(absl::StatusCode::kInvalidArgument, reason, what);
}

bool AddReason(CBB* entry, RevocationReason reason) {
  // Unspecified is said by saying nothing (section 5.3.1).
  if (reason == RevocationReason::kUnspecified) return true;
  CBB list, extension, value, code;
  return CBB_add_asn1(entry, &list, CBS_ASN1_SEQUENCE) &&
         OpenExtension(&list, &extension, &value, kReasonCode, false) &&
         CBB_add_asn1(&value, &code, CBS_ASN1_ENUMERATED) &&
         CBB_add_u8(&code, static_cast<uint8_t>(reason)) && CBB_flush(entry);
}

bool AddEntry(CBB* list, const RevokedCertificate& revoked) {
  CBB entry, serial;
  if (revoked.serial.empty() ||
      !CBB_add_asn1(list, &entry, CBS_ASN1_SEQUENCE) ||
      !CBB_add_asn1(&entry, &serial, CBS_ASN1_INTEGER)) {
    return false;
  }
  // A number whose first bit is set needs a zero before it, or it is negative.
  if ((static_cast<uint8_t>(revoked.serial[0]) & 0x80) != 0 &&
      !CBB_add_u8(&serial, 0)) {
    return false;
  }
  return AddBytes(&serial, AsBytes(revoked.serial)) &&
         AddTime(&entry, revoked.revoke_time) &&
         AddReason(&entry, revoked.reason) && CBB_flush(list);
}

bool AddEntries(CBB* tbs, const std::vector<RevokedCertificate>& revoked) {
  // An empty list is left out, not written empty (section 5.1.2.6).
  if (revoked.empty()) return true;
  CBB list;
  if (!CBB_add_asn1(tbs, &list, CBS_ASN1_SEQUENCE)) return false;
  for (const RevokedCertificate& one : revoked) {
    if (!AddEntry(&list, one)) return false;
  }
  return CBB_flush(tbs);
}

bool AddNumber(CBB* list, uint64_t number) {
  CBB extension, value;
  return OpenExtension(list, &extension, &value, kCrlNumber, false) &&
         CBB_add_asn1_uint64(&value, number) && CBB_flush(list);
}

bool AddBase(CBB* list, const std::optional<uint64_t>& base) {
  if (!base.has_value()) return true;
  CBB extension, value;
  return OpenExtension(list, &extension, &value, kDeltaIndicator, true) &&
         CBB_add_asn1_uint64(&value, *base) && CBB_flush(list);
}

absl::StatusOr<bssl::UniquePtr<X509>> ReadIssuerCertificate(ByteSpan der) {
  const uint8_t* at = der.data();
  bssl::UniquePtr<X509> out(
      d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (out == nullptr) {
    return Refuse("CRL_ISSUER_MISMATCH", "the issuer is no certificate");
  }
  if ((X509_get_key_usage(out.get()) & KU_CRL_SIGN) == 0) {
    return Refuse("CRL_ISSUER_MISMATCH",
                  "the issuer's key may not sign revocation lists");
  }
  return out;
}

bool HasUnknownCritical(const X509_CRL* crl) {
  for (int i = 0; i < X509_CRL_get_ext_count(crl); ++i) {
    if (X509_EXTENSION_get_critical(X509_CRL_get_ext(crl, i))) return true;
  }
  return false;
}

absl::Status TakeEntry(const X509_REVOKED* entry, RevocationList& out) {
  const ASN1_INTEGER* const number = X509_REVOKED_get0_serialNumber(entry);
  std::string serial = ToString(
      ByteSpan(ASN1_STRING_get0_data(number), ASN1_STRING_length(number)));
  for (int i = 0; i < X509_REVOKED_get_ext_count(entry); ++i) {
    if (X509_EXTENSION_get_critical(X509_REVOKED_get_ext(entry, i))) {
      return Refuse("CRL_UNSUPPORTED", "an entry has a critical extension");
    }
  }
  int found = 0;
  const bssl::UniquePtr<ASN1_ENUMERATED> code(static_cast<ASN1_ENUMERATED*>(
      X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, &found, nullptr)));
  long reason = 0;
  if (code != nullptr) reason = ASN1_ENUMERATED_get(code.get());
  const bool known =
      reason >= 0 &&
      reason <= static_cast<long>(RevocationReason::kCessationOfOperation);
  out.revoked[std::move(serial)] = known ? static_cast<RevocationReason>(reason)
                                         : RevocationReason::kUnspecified;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> BuildRevocationTbs(const RevocationListSpec& spec,
                                               const Issuer& issuer) {
  bssl::ScopedCBB cbb;
  CBB tbs, outer, list;
  const bool ok =
      CBB_init(cbb.get(), 1024) &&
      CBB_add_asn1(cbb.get(), &tbs, CBS_ASN1_SEQUENCE) &&
      CBB_add_asn1_uint64(&tbs, 1) &&  // version 2
      AddAlgorithm(&tbs, SignatureAlgorithmFor(issuer.key.kind())) &&
      AddBytes(&tbs, AsBytes(issuer.subject_der)) &&
      AddTime(&tbs, spec.this_update) && AddTime(&tbs, spec.next_update) &&
      AddEntries(&tbs, spec.revoked) && CBB_add_asn1(&tbs, &outer, kContext0) &&
      CBB_add_asn1(&outer, &list, CBS_ASN1_SEQUENCE) &&
      AddAuthorityKeyId(&list, AsBytes(issuer.key_id)) &&
      AddNumber(&list, spec.number) && AddBase(&list, spec.base) &&
      AddDistributionPoint(&list, kFreshest, spec.delta_url);
  std::string der = TakeBytes(cbb.get(), ok);
  if (der.empty()) {
    return Refuse("CRL_MALFORMED", "an entry or a date cannot be written");
  }
  return der;
}

absl::StatusOr<RevocationList> ReadRevocationList(
    ByteSpan crl_der, ByteSpan issuer_certificate_der) {
  if (crl_der.size() > kMaxListSize) {
    return Refuse("CRL_MALFORMED", "the list is too long");
  }
  SP_ASSIGN_OR_RETURN(const bssl::UniquePtr<X509> issuer,
                      ReadIssuerCertificate(issuer_certificate_der));
  const uint8_t* at = crl_der.data();
  const bssl::UniquePtr<X509_CRL> crl(
      d2i_X509_CRL(nullptr, &at, static_cast<long>(crl_der.size())));
  if (crl == nullptr || at != crl_der.data() + crl_der.size()) {
    return Refuse("CRL_MALFORMED", "not exactly one revocation list");
  }
  if (X509_NAME_cmp(X509_CRL_get_issuer(crl.get()),
                    X509_get_subject_name(issuer.get())) != 0) {
    return Refuse("CRL_ISSUER_MISMATCH", "the list is another authority's");
  }
  const bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(issuer.get()));
  if (key == nullptr || X509_CRL_verify(crl.get(), key.get()) != 1) {
    return Refuse("CRL_SIGNATURE_WRONG", "the signature does not verify");
  }
  if (HasUnknownCritical(crl.get())) {
    return Refuse("CRL_UNSUPPORTED", "the list has a critical extension");
  }
  const std::optional<absl::Time> this_update =
      ReadAsn1Time(X509_CRL_get0_lastUpdate(crl.get()));
  const std::optional<absl::Time> next_update =
      ReadAsn1Time(X509_CRL_get0_nextUpdate(crl.get()));
  if (!this_update || !next_update) {
    return Refuse("CRL_UNSUPPORTED", "the list does not say when the next is");
  }
  RevocationList out;
  out.this_update = *this_update;
  out.next_update = *next_update;
  uint8_t* name = nullptr;
  const int size = i2d_X509_NAME(X509_CRL_get_issuer(crl.get()), &name);
  if (size < 0) return Refuse("CRL_MALFORMED", "the issuer cannot be read");
  const bssl::UniquePtr<uint8_t> owner(name);
  out.issuer_der = ToString(ByteSpan(name, static_cast<size_t>(size)));
  const STACK_OF(X509_REVOKED)* const entries = X509_CRL_get_REVOKED(crl.get());
  const size_t count = entries == nullptr ? 0 : sk_X509_REVOKED_num(entries);
  out.revoked.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    SP_RETURN_IF_ERROR(TakeEntry(sk_X509_REVOKED_value(entries, i), out));
  }
  return out;
}

}  // namespace sallyport::capf
