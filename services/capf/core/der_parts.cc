#include "services/capf/core/der_parts.h"

#include <openssl/mem.h>

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

namespace sallyport::capf {
namespace {

using std::string_view_literals::operator""sv;

// Those that are written for each certificate, as whole elements: reading the
// text would cost as much as the rest of it.
constexpr std::pair<std::string_view, std::string_view> kKnownOids[] = {
    {"2.5.29.17", "\x06\x03\x55\x1d\x11"sv},
    {"2.5.29.31", "\x06\x03\x55\x1d\x1f"sv},
};

constexpr uint8_t kContext0 = 0x80;

// Two digits at `at`.
void Put(char* at, int number) {
  at[0] = static_cast<char>('0' + number / 10);
  at[1] = static_cast<char>('0' + number % 10);
}

}  // namespace

bool AddBytes(CBB* cbb, ByteSpan bytes) {
  return CBB_add_bytes(cbb, bytes.data(), bytes.size());
}

DerHeader::DerHeader(uint8_t tag, size_t content_size) {
  octets_[size_++] = tag;
  if (content_size >= 0x80) {
    const bool two = content_size > 0xff;
    octets_[size_++] = two ? 0x82 : 0x81;
    if (two) octets_[size_++] = static_cast<uint8_t>(content_size >> 8);
  }
  octets_[size_++] = static_cast<uint8_t>(content_size);
}

bool AddElement(CBB* cbb, uint8_t tag,
                std::initializer_list<ByteSpan> content) {
  size_t size = 0;
  for (const ByteSpan part : content) size += part.size();
  if (size > 0xffff) return false;
  const DerHeader header(tag, size);
  uint8_t* at = nullptr;
  if (!CBB_add_space(cbb, &at, header.size() + size)) return false;
  const auto put = [&at](ByteSpan part) {
    at = std::copy(part.begin(), part.end(), at);
  };
  put(header.bytes());
  for (const ByteSpan part : content) put(part);
  return true;
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

std::string_view AlgorithmIdentifier(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case SignatureAlgorithm::kEcdsaSha256:
      return "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"sv;
    case SignatureAlgorithm::kEcdsaSha384:
      return "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"sv;
    case SignatureAlgorithm::kEcdsaSha512:
      return "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04"sv;
    case SignatureAlgorithm::kRsaSha256:
      break;
  }
  return "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"sv;
}

bool AddAlgorithm(CBB* cbb, SignatureAlgorithm algorithm) {
  return AddBytes(cbb, AsBytes(AlgorithmIdentifier(algorithm)));
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
  return AddElement(cbb, utc ? V_ASN1_UTCTIME : V_ASN1_GENERALIZEDTIME,
                    {AsBytes({text, static_cast<size_t>(at - text)})});
}

bool OpenExtension(CBB* list, CBB* extension, CBB* value, std::string_view oid,
                   bool critical) {
  return CBB_add_asn1(list, extension, CBS_ASN1_SEQUENCE) &&
         AddOid(extension, oid) &&
         (!critical || CBB_add_asn1_bool(extension, 1)) &&
         CBB_add_asn1(extension, value, CBS_ASN1_OCTETSTRING);
}

bool AddAuthorityKeyId(CBB* list, ByteSpan key_id) {
  const DerHeader id(kContext0, key_id.size());
  const DerHeader sequence(kSequence, id.size() + key_id.size());
  const DerHeader value(V_ASN1_OCTET_STRING,
                        sequence.size() + id.size() + key_id.size());
  return AddElement(list, kSequence,
                    {AsBytes("\x06\x03\x55\x1d\x23"sv), value.bytes(),
                     sequence.bytes(), id.bytes(), key_id});
}

bool AddSubjectKeyId(CBB* list, ByteSpan key_id) {
  const DerHeader id(V_ASN1_OCTET_STRING, key_id.size());
  const DerHeader value(V_ASN1_OCTET_STRING, id.size() + key_id.size());
  return AddElement(
      list, kSequence,
      {AsBytes("\x06\x03\x55\x1d\x0e"sv), value.bytes(), id.bytes(), key_id});
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
