#include "services/common/pki/der_reader.h"

#include <array>
#include <cstddef>
#include <utility>

#include "services/common/bytes/byte_span.h"

namespace sallyport {
namespace {

constexpr unsigned kContext = CBS_ASN1_CONTEXT_SPECIFIC;
constexpr unsigned kConstructed = CBS_ASN1_CONSTRUCTED;

std::optional<int> Digits(const std::string& text, size_t at, size_t count) {
  int value = 0;
  for (size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

// IA5String: ASCII only, and no NUL, the classic way to hide a suffix.
bool IsIa5(const std::string& text) {
  for (const char c : text) {
    if (c == '\0' || static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

}  // namespace

std::string OctetsOf(const CBS& cbs) {
  return std::string(reinterpret_cast<const char*>(CBS_data(&cbs)),
                     CBS_len(&cbs));
}

std::optional<absl::Time> ReadTime(CBS* in) {
  CBS content;
  unsigned tag = 0;
  if (!CBS_get_any_asn1(in, &content, &tag)) return std::nullopt;
  std::string text = OctetsOf(content);
  if (tag == CBS_ASN1_UTCTIME && text.size() == 13) {
    // Two digits of the year: 50 to 99 are of the last century.
    text = (text[0] >= '5' ? "19" : "20") + text;
  } else if (tag != CBS_ASN1_GENERALIZEDTIME) {
    return std::nullopt;
  }
  if (text.size() != 15 || text[14] != 'Z') return std::nullopt;
  std::array<int, 6> parts = {};
  constexpr std::array<std::pair<size_t, size_t>, 6> kWhere = {
      {{0, 4}, {4, 2}, {6, 2}, {8, 2}, {10, 2}, {12, 2}}};
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::optional<int> value =
        Digits(text, kWhere[i].first, kWhere[i].second);
    if (!value.has_value()) return std::nullopt;
    parts[i] = *value;
  }
  const absl::CivilSecond civil(parts[0], parts[1], parts[2], parts[3],
                                parts[4], parts[5]);
  // A civil time puts the 31st of February right; here it is a fault.
  if (civil.month() != parts[1] || civil.day() != parts[2] ||
      civil.hour() != parts[3] || civil.minute() != parts[4] ||
      civil.second() != parts[5]) {
    return std::nullopt;
  }
  return absl::FromCivil(civil, absl::UTCTimeZone());
}

bool ReadFlagIfAny(CBS* in, bool& out) {
  out = false;
  if (!CBS_peek_asn1_tag(in, CBS_ASN1_BOOLEAN)) return true;
  CBS value;
  uint8_t octet = 0;
  if (!CBS_get_asn1(in, &value, CBS_ASN1_BOOLEAN) ||
      !CBS_get_u8(&value, &octet) || CBS_len(&value) != 0 ||
      (octet != 0 && octet != 0xff)) {
    return false;
  }
  out = octet != 0;
  return true;
}

bool ReadGeneralName(CBS* in, bool constraint, GeneralName& out) {
  CBS content;
  unsigned tag = 0;
  if (!CBS_get_any_asn1(in, &content, &tag)) return false;
  const unsigned number = tag & CBS_ASN1_TAG_NUMBER_MASK;
  if ((tag & kContext) == 0 || number > 8) return false;
  out.type = static_cast<GeneralName::Type>(number);
  const bool constructed = (tag & kConstructed) != 0;
  out.value = OctetsOf(content);
  switch (out.type) {
    case GeneralName::Type::kEmail:
    case GeneralName::Type::kDns:
    case GeneralName::Type::kUri:
      return !constructed && IsIa5(out.value);
    case GeneralName::Type::kIp: {
      const size_t size = out.value.size();
      if (constructed) return false;
      return constraint ? size == 8 || size == 32 : size == 4 || size == 16;
    }
    case GeneralName::Type::kDirectory: {
      // The tag is explicit, as Name is a CHOICE.
      if (!constructed) return false;
      absl::StatusOr<DistinguishedName> name =
          ParseDistinguishedName(AsBytes(out.value));
      if (!name.ok()) return false;
      out.directory = *std::move(name);
      return true;
    }
    case GeneralName::Type::kOther:
    case GeneralName::Type::kX400:
    case GeneralName::Type::kEdi:
      return constructed;
    case GeneralName::Type::kRegisteredId:
      return !constructed;
  }
  return false;
}

bool ReadGeneralNames(CBS content, bool constraint,
                      std::vector<GeneralName>& out) {
  if (CBS_len(&content) == 0) return false;
  while (CBS_len(&content) > 0) {
    GeneralName name;
    if (!ReadGeneralName(&content, constraint, name)) return false;
    out.push_back(std::move(name));
  }
  return true;
}

bool ReadNamedBits(CBS content, uint16_t& out) {
  uint8_t unused = 0;
  if (!CBS_get_u8(&content, &unused) || unused > 7 ||
      (unused != 0 && CBS_len(&content) == 0)) {
    return false;
  }
  out = 0;
  for (size_t i = 0; i < CBS_len(&content) && i < 2; ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      if ((CBS_data(&content)[i] & (0x80 >> bit)) != 0) {
        out |= static_cast<uint16_t>(1u << (i * 8 + bit));
      }
    }
  }
  return true;
}

bool ReadPointName(CBS content, std::vector<GeneralName>& full_name,
                   std::string& relative_name) {
  CBS inner;
  unsigned tag = 0;
  if (!CBS_get_any_asn1(&content, &inner, &tag) || CBS_len(&content) != 0) {
    return false;
  }
  if (tag == (kContext | kConstructed | 0)) {
    return ReadGeneralNames(inner, false, full_name);
  }
  if (tag == (kContext | kConstructed | 1)) {
    relative_name = OctetsOf(inner);
    return !relative_name.empty();
  }
  return false;
}

bool ReadDistributionPoints(CBS value, std::vector<DistributionPoint>& out) {
  CBS content;
  if (!CBS_get_asn1(&value, &content, CBS_ASN1_SEQUENCE) ||
      CBS_len(&value) != 0 || CBS_len(&content) == 0) {
    return false;
  }
  while (CBS_len(&content) > 0) {
    CBS point, part;
    int present = 0;
    DistributionPoint read;
    if (!CBS_get_asn1(&content, &point, CBS_ASN1_SEQUENCE) ||
        !CBS_get_optional_asn1(&point, &part, &present,
                               kContext | kConstructed | 0)) {
      return false;
    }
    if (present != 0 &&
        !ReadPointName(part, read.full_name, read.relative_name)) {
      return false;
    }
    if (!CBS_get_optional_asn1(&point, &part, &present, kContext | 1)) {
      return false;
    }
    if (present != 0) {
      if (!ReadNamedBits(part, read.reasons)) return false;
      read.has_reasons = true;
    }
    if (!CBS_get_optional_asn1(&point, &part, &present,
                               kContext | kConstructed | 2)) {
      return false;
    }
    if (present != 0 && !ReadGeneralNames(part, false, read.crl_issuer)) {
      return false;
    }
    if (CBS_len(&point) != 0) return false;
    out.push_back(std::move(read));
  }
  return true;
}

}  // namespace sallyport
