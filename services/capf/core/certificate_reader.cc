#include "services/capf/core/certificate_reader.h"

#include <openssl/bytestring.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/capf/core/certificate_names.h"
#include "services/capf/core/certificate_profile.h"
#include "services/capf/core/public_key.h"

namespace sallyport::capf {
namespace {

using std::string_view_literals::operator""sv;

constexpr size_t kMaxTbsBytes = 16 * 1024;
constexpr absl::Duration kOldestBackdate = absl::Hours(48);
constexpr unsigned kConstructed0 =
    CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0;
constexpr unsigned kExtensionsTag =
    CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 3;
constexpr int64_t kDaySeconds = 86400;

std::string_view Text(const CBS& cbs) {
  return {reinterpret_cast<const char*>(CBS_data(&cbs)), CBS_len(&cbs)};
}

bool Take(CBS& from, unsigned tag, CBS& out) {
  return CBS_get_asn1(&from, &out, tag) == 1;
}

// The next element, tag and length with it, is these octets.
bool Is(CBS& from, std::string_view wanted) {
  if (Text(from).substr(0, wanted.size()) != wanted) return false;
  return CBS_skip(&from, wanted.size()) == 1;
}

// The next element is of that tag and these octets.
bool Holds(CBS& from, unsigned tag, std::string_view wanted) {
  CBS value;
  return Take(from, tag, value) && Text(value) == wanted;
}

// AlgorithmIdentifiers of RFC 5758 section 3.2 and RFC 4055 section 5.
std::string_view AlgorithmOf(KeyKind kind) {
  switch (kind) {
    case KeyKind::kEcP256:
      return "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"sv;
    case KeyKind::kEcP384:
      return "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"sv;
    case KeyKind::kEcP521:
      return "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04"sv;
    case KeyKind::kRsa:
      break;
  }
  return "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"sv;
}

// Days from 1970-01-01 to that day of the Gregorian calendar, by the count of
// days in years that begin with March.
int64_t DaysTo(int64_t year, int64_t month, int64_t day) {
  if (month <= 2) --year;
  const int64_t shifted = month > 2 ? month - 3 : month + 9;
  const int64_t of_year = (153 * shifted + 2) / 5 + day - 1;
  return 365 * year + year / 4 - year / 100 + year / 400 + of_year - 719468;
}

// RFC 5280 section 4.1.2.5: UTCTime through 2049, then GeneralizedTime, in
// seconds and Zulu.
bool ReadTime(CBS& from, absl::Time& out) {
  CBS value;
  unsigned tag = 0;
  if (!CBS_get_any_asn1(&from, &value, &tag)) return false;
  const bool utc = tag == CBS_ASN1_UTCTIME;
  if (!utc && tag != CBS_ASN1_GENERALIZEDTIME) return false;
  const std::string_view text = Text(value);
  if (text.size() != (utc ? 13u : 15u) || text.back() != 'Z') return false;
  int64_t pairs[7] = {};
  const size_t count = (text.size() - 1) / 2;
  for (size_t i = 0; i < count; ++i) {
    const char tens = text[2 * i], ones = text[2 * i + 1];
    if (tens < '0' || tens > '9' || ones < '0' || ones > '9') return false;
    pairs[i] = 10 * (tens - '0') + (ones - '0');
  }
  const int64_t* rest = pairs + (utc ? 1 : 2);
  int64_t year = utc ? pairs[0] + (pairs[0] < 50 ? 2000 : 1900)
                     : 100 * pairs[0] + pairs[1];
  if (!utc && year < 2050) return false;
  if (rest[0] < 1 || rest[0] > 12 || rest[1] < 1 || rest[1] > 31 ||
      rest[2] > 23 || rest[3] > 59 || rest[4] > 59) {
    return false;
  }
  out = absl::FromUnixSeconds(DaysTo(year, rest[0], rest[1]) * kDaySeconds +
                              rest[2] * 3600 + rest[3] * 60 + rest[4]);
  return true;
}

bool ReadsValidity(CBS& from, const CertificateSpec& spec,
                   const CertificateProfile& profile,
                   const std::optional<Issuer>& issuer, absl::Time now) {
  CBS both;
  absl::Time begin, end;
  if (!Take(from, CBS_ASN1_SEQUENCE, both) || !ReadTime(both, begin) ||
      !ReadTime(both, end) || CBS_len(&both) != 0) {
    return false;
  }
  return begin == spec.not_before && end == spec.not_after && begin < end &&
         end - begin + absl::Seconds(1) <= profile.max_validity &&
         begin >= now - kOldestBackdate && begin <= now &&
         (!issuer.has_value() ||
          (begin >= issuer->not_before && end <= issuer->not_after));
}

// One part of a name, if it is there: the last octet of its type (2.5.4.n).
bool ReadsPart(CBS& name, uint8_t type, unsigned tag, std::string_view wanted) {
  if (wanted.empty()) return true;
  CBS set, pair;
  const char oid[] = {0x06, 0x03, 0x55, 0x04, static_cast<char>(type)};
  return Take(name, CBS_ASN1_SET, set) && Take(set, CBS_ASN1_SEQUENCE, pair) &&
         CBS_len(&set) == 0 && Is(pair, {oid, sizeof oid}) &&
         Holds(pair, tag, wanted) && CBS_len(&pair) == 0;
}

bool ReadsSubject(CBS name, const SubjectName& wanted) {
  return !wanted.common_name.empty() &&
         ReadsPart(name, 6, CBS_ASN1_PRINTABLESTRING, wanted.country) &&
         ReadsPart(name, 8, CBS_ASN1_UTF8STRING, wanted.state) &&
         ReadsPart(name, 7, CBS_ASN1_UTF8STRING, wanted.locality) &&
         ReadsPart(name, 10, CBS_ASN1_UTF8STRING, wanted.organization) &&
         ReadsPart(name, 11, CBS_ASN1_UTF8STRING, wanted.organizational_unit) &&
         ReadsPart(name, 3, CBS_ASN1_UTF8STRING, wanted.common_name) &&
         CBS_len(&name) == 0;
}

// The value of the next extension, if it is 2.5.29.`id`.
bool Open(CBS& list, uint8_t id, bool critical, CBS& value) {
  CBS extension;
  const char oid[] = {0x06, 0x03, 0x55, 0x1d, static_cast<char>(id)};
  return Take(list, CBS_ASN1_SEQUENCE, extension) &&
         Is(extension, {oid, sizeof oid}) &&
         (!critical || Is(extension, "\x01\x01\xff"sv)) &&
         Take(extension, CBS_ASN1_OCTETSTRING, value) &&
         CBS_len(&extension) == 0;
}

bool ReadsKeyUsage(CBS& list, uint16_t wanted) {
  CBS value, bits;
  if (!Open(list, 15, true, value) || !Take(value, CBS_ASN1_BITSTRING, bits) ||
      CBS_len(&value) != 0) {
    return false;
  }
  const std::string_view octets = Text(bits);
  if (octets.size() < 2 || octets.size() > 3) return false;
  const auto unused = static_cast<uint8_t>(octets[0]);
  const auto last = static_cast<uint8_t>(octets.back());
  const uint16_t found = static_cast<uint16_t>(
      static_cast<uint8_t>(octets[1]) << 8 | (octets.size() == 3 ? last : 0));
  // Named bits end with a one bit (X.690 section 11.2.2).
  return found == wanted && unused < 8 && (last & ((1u << unused) - 1)) == 0 &&
         (last >> unused & 1) != 0;
}

bool ReadsBasicConstraints(CBS& list, const CertificateProfile& profile) {
  CBS value;
  if (!Open(list, 19, true, value)) return false;
  if (!profile.is_authority) return Text(value) == "\x30\x00"sv;
  const char path = static_cast<char>(profile.path_length);
  return Is(value, "\x30\x06\x01\x01\xff\x02\x01"sv) &&
         Text(value) == std::string_view(&path, 1);
}

// RFC 5280 section 4.2.1.12: id-kp is 1.3.6.1.5.5.7.3.
uint8_t LastOf(ExtendedKeyUsage usage) {
  switch (usage) {
    case ExtendedKeyUsage::kServerAuth:
      return 1;
    case ExtendedKeyUsage::kClientAuth:
      return 2;
    case ExtendedKeyUsage::kIpsecEndSystem:
      return 5;
    case ExtendedKeyUsage::kSipDomain:
      return 20;
  }
  return 0;
}

bool ReadsExtendedKeyUsage(CBS& list, const CertificateProfile& profile) {
  if (profile.extended_key_usages.empty()) return true;
  CBS value, all;
  if (!Open(list, 37, false, value) || !Take(value, CBS_ASN1_SEQUENCE, all) ||
      CBS_len(&value) != 0) {
    return false;
  }
  for (const ExtendedKeyUsage usage : profile.extended_key_usages) {
    const char last = static_cast<char>(LastOf(usage));
    if (!Is(all, "\x06\x08\x2b\x06\x01\x05\x05\x07\x03"sv) ||
        !Is(all, {&last, 1})) {
      return false;
    }
  }
  return CBS_len(&all) == 0;
}

bool ReadsAltNames(CBS& list, const SubjectAltNames& names) {
  if (names.empty()) return true;
  CBS value, all;
  if (!Open(list, 17, false, value) || !Take(value, CBS_ASN1_SEQUENCE, all) ||
      CBS_len(&value) != 0) {
    return false;
  }
  for (const auto& [tag, wanted] :
       {std::pair<unsigned, const std::vector<std::string>*>{2,
                                                             &names.dns_names},
        {7, &names.ip_addresses},
        {6, &names.uris}}) {
    for (const std::string& name : *wanted) {
      if (!Holds(all, CBS_ASN1_CONTEXT_SPECIFIC | tag, name)) return false;
    }
  }
  return CBS_len(&all) == 0;
}

// One cRLDistributionPoint with one http URL as its full name.
bool ReadsCrlPoint(CBS& list, std::string_view url) {
  if (url.empty()) return true;
  CBS value, points, point, name, full;
  return Open(list, 31, false, value) &&
         Take(value, CBS_ASN1_SEQUENCE, points) && CBS_len(&value) == 0 &&
         Take(points, CBS_ASN1_SEQUENCE, point) && CBS_len(&points) == 0 &&
         Take(point, kConstructed0, name) && CBS_len(&point) == 0 &&
         Take(name, kConstructed0, full) && CBS_len(&name) == 0 &&
         Holds(full, CBS_ASN1_CONTEXT_SPECIFIC | 6, url) && CBS_len(&full) == 0;
}

bool ReadsExtensions(CBS& tbs, const CertificateSpec& spec,
                     const CertificateProfile& profile,
                     std::string_view issuer_key_id) {
  CBS outer, list, value, sequence;
  if (!Take(tbs, kExtensionsTag, outer) || CBS_len(&tbs) != 0 ||
      !Take(outer, CBS_ASN1_SEQUENCE, list) || CBS_len(&outer) != 0) {
    return false;
  }
  return Open(list, 35, false, value) &&
         Take(value, CBS_ASN1_SEQUENCE, sequence) && CBS_len(&value) == 0 &&
         Holds(sequence, CBS_ASN1_CONTEXT_SPECIFIC | 0, issuer_key_id) &&
         CBS_len(&sequence) == 0 && Open(list, 14, false, value) &&
         Holds(value, CBS_ASN1_OCTETSTRING, spec.key.key_id()) &&
         CBS_len(&value) == 0 &&
         ReadsKeyUsage(list, profile.KeyUsage(spec.key.is_rsa())) &&
         ReadsBasicConstraints(list, profile) &&
         ReadsExtendedKeyUsage(list, profile) &&
         ReadsAltNames(list, spec.names) && ReadsCrlPoint(list, spec.crl_url) &&
         CBS_len(&list) == 0;
}

// What FromSpki() proved of it is not proven again: a PublicKey is only made
// there. Its floor may have been lower.
bool MayBeCertified(const PublicKey& key) {
  const KeyPolicy floor;
  return !key.is_rsa() ||
         (key.bits() >= floor.min_rsa_bits && key.bits() <= floor.max_rsa_bits);
}

}  // namespace

bool ReadsAsMeant(ByteSpan tbs, const CertificateSpec& spec,
                  const std::optional<Issuer>& issuer, absl::Time now) {
  if (tbs.size() > kMaxTbsBytes) return false;
  const CertificateProfile& profile = ProfileFor(spec.profile);
  const size_t serial = spec.serial.size();
  // Positive and without a leading zero, as its first octet is 1 to 127.
  if (serial < 17 || serial > 20 || spec.serial[0] < 1 ||
      !MayBeCertified(spec.key) ||
      !CheckNames(profile, spec.subject, spec.names).ok() ||
      (issuer.has_value() && issuer->key.spki() == spec.key.spki())) {
    return false;
  }
  CBS input, body, issuer_name, subject;
  CBS_init(&input, tbs.data(), tbs.size());
  if (!Take(input, CBS_ASN1_SEQUENCE, body) || CBS_len(&input) != 0 ||
      !Holds(body, kConstructed0, "\x02\x01\x02"sv) ||
      !Holds(body, CBS_ASN1_INTEGER, spec.serial) ||
      !Is(body, AlgorithmOf(issuer.has_value() ? issuer->key.kind()
                                               : spec.key.kind())) ||
      !CBS_get_asn1_element(&body, &issuer_name, CBS_ASN1_SEQUENCE) ||
      !ReadsValidity(body, spec, profile, issuer, now) ||
      !CBS_get_asn1_element(&body, &subject, CBS_ASN1_SEQUENCE)) {
    return false;
  }
  if (Text(issuer_name) != (issuer.has_value()
                                ? std::string_view(issuer->subject_der)
                                : Text(subject))) {
    return false;
  }
  CBS parts;
  return Take(subject, CBS_ASN1_SEQUENCE, parts) &&
         ReadsSubject(parts, spec.subject) && Is(body, spec.key.spki()) &&
         ReadsExtensions(
             body, spec, profile,
             issuer.has_value() ? issuer->key_id : spec.key.key_id());
}

}  // namespace sallyport::capf
