#include "services/common/pki/distinguished_name.h"

#include <openssl/bytestring.h>
#include <openssl/mem.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

constexpr char kEmailOid[] = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01";

void AppendUtf8(std::string& out, uint32_t point) {
  if (point < 0x80) {
    out.push_back(static_cast<char>(point));
  } else if (point < 0x800) {
    out.push_back(static_cast<char>(0xc0 | point >> 6));
    out.push_back(static_cast<char>(0x80 | (point & 0x3f)));
  } else if (point < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | point >> 12));
    out.push_back(static_cast<char>(0x80 | (point >> 6 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (point & 0x3f)));
  } else {
    out.push_back(static_cast<char>(0xf0 | point >> 18));
    out.push_back(static_cast<char>(0x80 | (point >> 12 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (point >> 6 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (point & 0x3f)));
  }
}

// A text of a string type as UTF-8; nullopt for other types and broken ones.
std::optional<std::string> TextOf(unsigned tag, CBS value) {
  const std::string raw(reinterpret_cast<const char*>(CBS_data(&value)),
                        CBS_len(&value));
  std::string out;
  switch (tag) {
    case CBS_ASN1_UTF8STRING:
    case CBS_ASN1_PRINTABLESTRING:
    case CBS_ASN1_IA5STRING:
    case CBS_ASN1_NUMERICSTRING:
    case CBS_ASN1_VISIBLESTRING:
      return raw;
    case CBS_ASN1_T61STRING:  // taken for Latin-1, as everybody does
      for (const char c : raw) AppendUtf8(out, static_cast<uint8_t>(c));
      return out;
    case CBS_ASN1_BMPSTRING:
      while (CBS_len(&value) > 0) {
        uint16_t unit = 0;
        if (!CBS_get_u16(&value, &unit)) return std::nullopt;
        AppendUtf8(out, unit);
      }
      return out;
    case CBS_ASN1_UNIVERSALSTRING:
      while (CBS_len(&value) > 0) {
        uint32_t point = 0;
        if (!CBS_get_u32(&value, &point) || point > 0x10ffff) {
          return std::nullopt;
        }
        AppendUtf8(out, point);
      }
      return out;
    default:
      return std::nullopt;
  }
}

std::string Folded(const std::string& text) {
  std::string out;
  bool space = false;
  for (const char c : text) {
    if (absl::ascii_isspace(static_cast<unsigned char>(c))) {
      space = !out.empty();
      continue;
    }
    if (space) out.push_back(' ');
    space = false;
    out.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

// Calls `each` for each attribute; false if the name is malformed.
template <typename EachRdn, typename EachAttribute>
bool Walk(ByteSpan der, EachRdn each_rdn, EachAttribute each) {
  CBS in, name;
  CBS_init(&in, der.data(), der.size());
  if (!CBS_get_asn1(&in, &name, CBS_ASN1_SEQUENCE) || CBS_len(&in) != 0) {
    return false;
  }
  while (CBS_len(&name) > 0) {
    CBS rdn;
    if (!CBS_get_asn1(&name, &rdn, CBS_ASN1_SET) || CBS_len(&rdn) == 0) {
      return false;
    }
    while (CBS_len(&rdn) > 0) {
      CBS attribute, oid, value;
      unsigned tag = 0;
      if (!CBS_get_asn1(&rdn, &attribute, CBS_ASN1_SEQUENCE) ||
          !CBS_get_asn1(&attribute, &oid, CBS_ASN1_OBJECT) ||
          !CBS_get_any_asn1(&attribute, &value, &tag) ||
          CBS_len(&attribute) != 0) {
        return false;
      }
      each(std::string(reinterpret_cast<const char*>(CBS_data(&oid)),
                       CBS_len(&oid)),
           tag, value);
    }
    each_rdn();
  }
  return true;
}

}  // namespace

std::string DistinguishedName::Key() const {
  std::string key;
  for (const std::string& rdn : rdns) {
    key += std::to_string(rdn.size());
    key += ':';
    key += rdn;
  }
  return key;
}

bool DistinguishedName::IsWithin(const DistinguishedName& base) const {
  return base.rdns.size() <= rdns.size() &&
         std::equal(base.rdns.begin(), base.rdns.end(), rdns.begin());
}

absl::StatusOr<DistinguishedName> ParseDistinguishedName(ByteSpan der) {
  DistinguishedName out;
  std::vector<std::string> attributes;
  const bool well_formed = Walk(
      der,
      [&] {
        // A set has no order.
        std::sort(attributes.begin(), attributes.end());
        out.rdns.push_back(absl::StrJoin(attributes, ""));
        attributes.clear();
      },
      [&](const std::string& oid, unsigned tag, CBS value) {
        const std::optional<std::string> text = TextOf(tag, value);
        const std::string content =
            text.has_value()
                ? "t" + Folded(*text)
                : "o" + std::to_string(tag) + ":" +
                      std::string(
                          reinterpret_cast<const char*>(CBS_data(&value)),
                          CBS_len(&value));
        attributes.push_back(std::to_string(oid.size()) + ":" + oid +
                             std::to_string(content.size()) + ":" + content);
      });
  if (!well_formed) {
    return MakeError(absl::StatusCode::kInvalidArgument, "NAME_MALFORMED",
                     "not a distinguished name");
  }
  return out;
}

absl::StatusOr<DistinguishedName> ExtendDistinguishedName(
    const DistinguishedName& base, ByteSpan rdn_content) {
  bssl::ScopedCBB cbb;
  CBB name, rdn;
  uint8_t* data = nullptr;
  size_t size = 0;
  if (!CBB_init(cbb.get(), rdn_content.size() + 16) ||
      !CBB_add_asn1(cbb.get(), &name, CBS_ASN1_SEQUENCE) ||
      !CBB_add_asn1(&name, &rdn, CBS_ASN1_SET) ||
      !CBB_add_bytes(&rdn, rdn_content.data(), rdn_content.size()) ||
      !CBB_finish(cbb.get(), &data, &size)) {
    return absl::ResourceExhaustedError("no memory for a name");
  }
  const bssl::UniquePtr<uint8_t> owner(data);
  absl::StatusOr<DistinguishedName> last = ParseDistinguishedName({data, size});
  if (!last.ok()) return last.status();
  DistinguishedName out = base;
  out.rdns.push_back(std::move(last->rdns.front()));
  return out;
}

std::vector<std::string> EmailAttributes(ByteSpan der) {
  std::vector<std::string> out;
  Walk(
      der, [] {},
      [&](const std::string& oid, unsigned tag, CBS value) {
        if (oid != kEmailOid) return;
        const std::optional<std::string> text = TextOf(tag, value);
        if (text.has_value()) out.push_back(*text);
      });
  return out;
}

}  // namespace sallyport
