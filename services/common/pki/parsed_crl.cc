#include "services/common/pki/parsed_crl.h"

#include <openssl/bytestring.h>

#include <utility>

#include "services/common/pki/der_reader.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

constexpr unsigned kContext = CBS_ASN1_CONTEXT_SPECIFIC;
constexpr unsigned kConstructed = CBS_ASN1_CONSTRUCTED;
constexpr size_t kMaxCrl = size_t{32} << 20;
// An issuer has one name; each one more multiplies the entries.
constexpr size_t kMaxEntryIssuers = 4;

absl::Status Malformed() {
  return MakeError(absl::StatusCode::kInvalidArgument, "CRL_MALFORMED",
                   "not a certificate revocation list");
}

bool ReadFlag(CBS* in, unsigned number, bool& out) {
  CBS value;
  int present = 0;
  if (!CBS_get_optional_asn1(in, &value, &present, kContext | number)) {
    return false;
  }
  uint8_t octet = 0;
  if (present != 0 && (!CBS_get_u8(&value, &octet) || CBS_len(&value) != 0)) {
    return false;
  }
  out = octet != 0;
  return true;
}

bool ReadPoint(CBS value, ParsedCrl& out) {
  CBS content, part;
  int present = 0;
  IssuingDistributionPoint point;
  if (!CBS_get_asn1(&value, &content, CBS_ASN1_SEQUENCE) ||
      CBS_len(&value) != 0 ||
      !CBS_get_optional_asn1(&content, &part, &present,
                             kContext | kConstructed | 0)) {
    return false;
  }
  if (present != 0 &&
      !ReadPointName(part, point.full_name, point.relative_name)) {
    return false;
  }
  if (!ReadFlag(&content, 1, point.only_user) ||
      !ReadFlag(&content, 2, point.only_ca) ||
      !CBS_get_optional_asn1(&content, &part, &present, kContext | 3)) {
    return false;
  }
  if (present != 0) {
    if (!ReadNamedBits(part, point.reasons)) return false;
    point.has_reasons = true;
  }
  if (!ReadFlag(&content, 4, point.indirect) ||
      !ReadFlag(&content, 5, point.only_attributes) || CBS_len(&content) != 0) {
    return false;
  }
  out.point = std::move(point);
  return true;
}

bool ReadNumber(CBS value, std::string& out) {
  CBS number;
  if (!CBS_get_asn1(&value, &number, CBS_ASN1_INTEGER) ||
      CBS_len(&value) != 0 || CBS_len(&number) == 0 ||
      (CBS_data(&number)[0] & 0x80) != 0) {
    return false;
  }
  out = OctetsOf(number);
  out.erase(0, out.find_first_not_of('\0'));
  return true;
}

bool ReadKeyId(CBS value, ParsedCrl& out) {
  CBS content, id;
  int present = 0;
  if (!CBS_get_asn1(&value, &content, CBS_ASN1_SEQUENCE) ||
      CBS_len(&value) != 0 ||
      !CBS_get_optional_asn1(&content, &id, &present, kContext | 0)) {
    return false;
  }
  if (present != 0) out.authority_key_id = OctetsOf(id);
  return true;
}

bool IsStandard(const std::string& oid, uint8_t last) {
  return oid.size() == 3 && oid[0] == '\x55' && oid[1] == '\x1d' &&
         static_cast<uint8_t>(oid[2]) == last;
}

// Calls `each` with OID, criticality and value; false: malformed.
template <typename Each>
bool ReadExtensions(CBS list, Each each) {
  while (CBS_len(&list) > 0) {
    CBS extension, oid, value;
    bool critical = false;
    if (!CBS_get_asn1(&list, &extension, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&extension, &oid, CBS_ASN1_OBJECT) ||
        !ReadFlagIfAny(&extension, critical) ||
        !CBS_get_asn1(&extension, &value, CBS_ASN1_OCTETSTRING) ||
        CBS_len(&extension) != 0 || !each(OctetsOf(oid), critical, value)) {
      return false;
    }
  }
  return true;
}

// certificateIssuer (section 5.3.3): whose the entry is, and those after it.
// Names of other types are left out; without a directory name it is none's.
bool ReadEntryIssuers(CBS value, std::vector<std::string>& issuer_keys) {
  CBS content;
  std::vector<GeneralName> names;
  if (!CBS_get_asn1(&value, &content, CBS_ASN1_SEQUENCE) ||
      CBS_len(&value) != 0 || !ReadGeneralNames(content, false, names)) {
    return false;
  }
  issuer_keys.clear();
  for (const GeneralName& name : names) {
    if (name.type != GeneralName::Type::kDirectory) continue;
    if (issuer_keys.size() >= kMaxEntryIssuers) return false;
    issuer_keys.push_back(name.directory.Key());
  }
  return !issuer_keys.empty();
}

bool ReadEntry(CBS entry, std::vector<std::string>& issuer_keys,
               ParsedCrl& out) {
  CBS serial;
  if (!CBS_get_asn1(&entry, &serial, CBS_ASN1_INTEGER) ||
      !ReadTime(&entry).has_value()) {
    return false;
  }
  int reason = 0;
  if (CBS_len(&entry) > 0) {
    CBS list;
    if (!CBS_get_asn1(&entry, &list, CBS_ASN1_SEQUENCE) ||
        CBS_len(&entry) != 0) {
      return false;
    }
    const bool read = ReadExtensions(
        list, [&](const std::string& oid, bool critical, CBS value) {
          if (IsStandard(oid, 21)) {
            CBS code;
            uint8_t number = 0;
            if (!CBS_get_asn1(&value, &code, CBS_ASN1_ENUMERATED) ||
                !CBS_get_u8(&code, &number) || CBS_len(&code) != 0) {
              return false;
            }
            reason = number;
            return true;
          }
          if (IsStandard(oid, 29)) {
            return ReadEntryIssuers(value, issuer_keys);
          }
          if (critical) out.unknown_critical_extension = true;
          return true;
        });
    if (!read) return false;
  }
  for (const std::string& issuer_key : issuer_keys) {
    out.entries[RevocationKey(issuer_key, OctetsOf(serial))] = reason;
  }
  return true;
}

bool ReadTbs(CBS tbs, ParsedCrl& out) {
  CBS algorithm, issuer, part, content;
  if (CBS_peek_asn1_tag(&tbs, CBS_ASN1_INTEGER)) {
    uint64_t version = 0;
    if (!CBS_get_asn1_uint64(&tbs, &version) || version != 1) return false;
  }
  if (!CBS_get_asn1_element(&tbs, &algorithm, CBS_ASN1_SEQUENCE) ||
      OctetsOf(algorithm) != out.signature_algorithm ||
      !CBS_get_asn1_element(&tbs, &issuer, CBS_ASN1_SEQUENCE)) {
    return false;
  }
  out.issuer_der = OctetsOf(issuer);
  absl::StatusOr<DistinguishedName> name =
      ParseDistinguishedName(AsBytes(out.issuer_der));
  if (!name.ok()) return false;
  out.issuer = *std::move(name);
  out.issuer_key = out.issuer.Key();
  const std::optional<absl::Time> this_update = ReadTime(&tbs);
  if (!this_update.has_value()) return false;
  out.this_update = *this_update;
  if (CBS_peek_asn1_tag(&tbs, CBS_ASN1_UTCTIME) ||
      CBS_peek_asn1_tag(&tbs, CBS_ASN1_GENERALIZEDTIME)) {
    out.next_update = ReadTime(&tbs);
    if (!out.next_update.has_value()) return false;
  }
  if (CBS_peek_asn1_tag(&tbs, CBS_ASN1_SEQUENCE)) {
    if (!CBS_get_asn1(&tbs, &content, CBS_ASN1_SEQUENCE)) return false;
    std::vector<std::string> issuer_keys = {out.issuer_key};
    while (CBS_len(&content) > 0) {
      CBS entry;
      if (!CBS_get_asn1(&content, &entry, CBS_ASN1_SEQUENCE) ||
          !ReadEntry(entry, issuer_keys, out)) {
        return false;
      }
    }
  }
  int present = 0;
  if (!CBS_get_optional_asn1(&tbs, &part, &present,
                             kContext | kConstructed | 0) ||
      CBS_len(&tbs) != 0) {
    return false;
  }
  if (present == 0) return true;
  if (!CBS_get_asn1(&part, &content, CBS_ASN1_SEQUENCE) ||
      CBS_len(&part) != 0) {
    return false;
  }
  return ReadExtensions(
      content, [&](const std::string& oid, bool critical, CBS value) {
        if (IsStandard(oid, 20)) return ReadNumber(value, out.number);
        if (IsStandard(oid, 27)) {
          out.base.emplace();
          return ReadNumber(value, *out.base);
        }
        if (IsStandard(oid, 28)) {
          out.point_der = OctetsOf(value);
          return ReadPoint(value, out);
        }
        if (IsStandard(oid, 35)) return ReadKeyId(value, out);
        if (IsStandard(oid, 46)) {
          if (critical) out.unknown_critical_extension = true;
          return ReadDistributionPoints(value, out.freshest_points);
        }
        if (critical) out.unknown_critical_extension = true;
        return true;
      });
}

}  // namespace

std::string RevocationKey(const std::string& issuer_key,
                          const std::string& serial) {
  return std::to_string(serial.size()) + ":" + serial + issuer_key;
}

absl::StatusOr<std::shared_ptr<const ParsedCrl>> ParseWholeCrl(ByteSpan der) {
  if (der.size() > kMaxCrl) return Malformed();
  auto out = std::make_shared<ParsedCrl>();
  CBS in, list, tbs, element, algorithm, signature;
  CBS_init(&in, der.data(), der.size());
  uint8_t unused = 0;
  if (!CBS_get_asn1(&in, &list, CBS_ASN1_SEQUENCE) || CBS_len(&in) != 0 ||
      !CBS_get_asn1_element(&list, &element, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1_element(&list, &algorithm, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&list, &signature, CBS_ASN1_BITSTRING) ||
      CBS_len(&list) != 0 || !CBS_get_u8(&signature, &unused) || unused != 0) {
    return Malformed();
  }
  out->der = ToString(der);
  out->tbs = OctetsOf(element);
  out->signature_algorithm = OctetsOf(algorithm);
  out->signature = OctetsOf(signature);
  if (!CBS_get_asn1(&element, &tbs, CBS_ASN1_SEQUENCE) || !ReadTbs(tbs, *out)) {
    return Malformed();
  }
  return std::shared_ptr<const ParsedCrl>(std::move(out));
}

}  // namespace sallyport
