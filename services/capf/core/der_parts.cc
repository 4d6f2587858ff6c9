#include "services/capf/core/der_parts.h"

#include <openssl/mem.h>

#include "absl/strings/str_format.h"

namespace sallyport::capf {

bool AddBytes(CBB* cbb, ByteSpan bytes) {
  return CBB_add_bytes(cbb, bytes.data(), bytes.size());
}

bool AddOid(CBB* cbb, std::string_view dotted) {
  CBB oid;
  return CBB_add_asn1(cbb, &oid, CBS_ASN1_OBJECT) &&
         CBB_add_asn1_oid_from_text(&oid, dotted.data(), dotted.size()) &&
         CBB_flush(cbb);
}

bool AddAlgorithm(CBB* cbb, SignatureAlgorithm algorithm) {
  CBB sequence, null;
  if (!CBB_add_asn1(cbb, &sequence, CBS_ASN1_SEQUENCE)) return false;
  bool ok = false;
  switch (algorithm) {
    case SignatureAlgorithm::kEcdsaSha256:
      ok = AddOid(&sequence, "1.2.840.10045.4.3.2");
      break;
    case SignatureAlgorithm::kEcdsaSha384:
      ok = AddOid(&sequence, "1.2.840.10045.4.3.3");
      break;
    case SignatureAlgorithm::kEcdsaSha512:
      ok = AddOid(&sequence, "1.2.840.10045.4.3.4");
      break;
    case SignatureAlgorithm::kRsaSha256:
      ok = AddOid(&sequence, "1.2.840.113549.1.1.11") &&
           CBB_add_asn1(&sequence, &null, CBS_ASN1_NULL);
      break;
  }
  return ok && CBB_flush(cbb);
}

bool AddTime(CBB* cbb, absl::Time time) {
  const absl::CivilSecond civil =
      absl::ToCivilSecond(time, absl::UTCTimeZone());
  if (civil.year() < 1950 || civil.year() > 9999) return false;
  const bool utc = civil.year() < 2050;
  std::string text;
  if (utc) {
    text = absl::StrFormat("%02d%02d%02d%02d%02d%02dZ", civil.year() % 100,
                           civil.month(), civil.day(), civil.hour(),
                           civil.minute(), civil.second());
  } else {
    text = absl::StrFormat("%04d%02d%02d%02d%02d%02dZ", civil.year(),
                           civil.month(), civil.day(), civil.hour(),
                           civil.minute(), civil.second());
  }
  CBB value;
  return CBB_add_asn1(cbb, &value,
                      utc ? CBS_ASN1_UTCTIME : CBS_ASN1_GENERALIZEDTIME) &&
         AddBytes(&value, AsBytes(text)) && CBB_flush(cbb);
}

bool OpenExtension(CBB* list, CBB* extension, CBB* value, std::string_view oid,
                   bool critical) {
  return CBB_add_asn1(list, extension, CBS_ASN1_SEQUENCE) &&
         AddOid(extension, oid) &&
         (!critical || CBB_add_asn1_bool(extension, 1)) &&
         CBB_add_asn1(extension, value, CBS_ASN1_OCTETSTRING);
}

bool AddAuthorityKeyId(CBB* list, ByteSpan key_id) {
  CBB extension, value, sequence, id;
  return OpenExtension(list, &extension, &value, "2.5.29.35", false) &&
         CBB_add_asn1(&value, &sequence, CBS_ASN1_SEQUENCE) &&
         CBB_add_asn1(&sequence, &id, CBS_ASN1_CONTEXT_SPECIFIC | 0) &&
         AddBytes(&id, key_id) && CBB_flush(list);
}

std::optional<absl::Time> ReadAsn1Time(const ASN1_TIME* time) {
  const bssl::UniquePtr<ASN1_TIME> epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int seconds = 0;
  if (time == nullptr || epoch == nullptr ||
      !ASN1_TIME_diff(&days, &seconds, epoch.get(), time)) {
    return std::nullopt;
  }
  return absl::UnixEpoch() + absl::Hours(24) * days + absl::Seconds(seconds);
}

std::string TakeBytes(CBB* cbb, bool ok) {
  uint8_t* data = nullptr;
  size_t size = 0;
  if (!ok || !CBB_finish(cbb, &data, &size)) return {};
  bssl::UniquePtr<uint8_t> owner(data);
  return ToString(ByteSpan(data, size));
}

}  // namespace sallyport::capf
