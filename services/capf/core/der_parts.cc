#include "services/capf/core/der_parts.h"

#include <openssl/mem.h>

#include <cstddef>
#include <string_view>
#include <utility>

namespace sallyport::capf {
namespace {

using std::string_view_literals::operator""sv;

// Those that every certificate has, as whole elements: reading the text each
// time would cost as much as the rest of the certificate.
constexpr std::pair<std::string_view, std::string_view> kKnownOids[] = {
    {"2.5.4.3", "\x06\x03\x55\x04\x03"sv},
    {"2.5.4.10", "\x06\x03\x55\x04\x0a"sv},
    {"1.2.840.10045.4.3.2", "\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"sv},
    {"1.2.840.113549.1.1.11", "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"sv},
    {"2.5.29.35", "\x06\x03\x55\x1d\x23"sv},
    {"2.5.29.14", "\x06\x03\x55\x1d\x0e"sv},
    {"2.5.29.15", "\x06\x03\x55\x1d\x0f"sv},
    {"2.5.29.19", "\x06\x03\x55\x1d\x13"sv},
    {"2.5.29.37", "\x06\x03\x55\x1d\x25"sv},
    {"2.5.29.17", "\x06\x03\x55\x1d\x11"sv},
    {"2.5.29.31", "\x06\x03\x55\x1d\x1f"sv},
    {"1.3.6.1.5.5.7.3.1", "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01"sv},
    {"1.3.6.1.5.5.7.3.2", "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02"sv},
    {"1.3.6.1.5.5.7.3.5", "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x05"sv},
};

// Two digits at `at`.
void Put(char* at, int number) {
  at[0] = static_cast<char>('0' + number / 10);
  at[1] = static_cast<char>('0' + number % 10);
}

}  // namespace

bool AddBytes(CBB* cbb, ByteSpan bytes) {
  return CBB_add_bytes(cbb, bytes.data(), bytes.size());
}

bool AddOid(CBB* cbb, std::string_view dotted) {
  for (const auto& [text, der] : kKnownOids) {
    if (text == dotted) return AddBytes(cbb, AsBytes(der));
  }
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
  char text[15];
  char* at = text;
  const int year = static_cast<int>(civil.year());
  for (const int number :
       {utc ? -1 : year / 100, year % 100, civil.month(), civil.day(),
        civil.hour(), civil.minute(), civil.second()}) {
    if (number < 0) continue;
    Put(at, number);
    at += 2;
  }
  *at++ = 'Z';
  CBB value;
  return CBB_add_asn1(cbb, &value,
                      utc ? CBS_ASN1_UTCTIME : CBS_ASN1_GENERALIZEDTIME) &&
         AddBytes(&value, AsBytes(std::string_view(
                              text, static_cast<size_t>(at - text)))) &&
         CBB_flush(cbb);
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

bool AddDistributionPoint(CBB* list, std::string_view oid,
                          std::string_view url) {
  if (url.empty()) return true;
  constexpr unsigned kContext0 =
      CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0;
  CBB extension, value, points, point, name, full, uri;
  return OpenExtension(list, &extension, &value, oid, false) &&
         CBB_add_asn1(&value, &points, CBS_ASN1_SEQUENCE) &&
         CBB_add_asn1(&points, &point, CBS_ASN1_SEQUENCE) &&
         CBB_add_asn1(&point, &name, kContext0) &&
         CBB_add_asn1(&name, &full, kContext0) &&
         CBB_add_asn1(&full, &uri, CBS_ASN1_CONTEXT_SPECIFIC | 6) &&
         AddBytes(&uri, AsBytes(url)) && CBB_flush(list);
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
