#include "services/common/pki/parsed_certificate.h"

#include <openssl/bytestring.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/pki/der_reader.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

constexpr unsigned kContext = CBS_ASN1_CONTEXT_SPECIFIC;
constexpr unsigned kConstructed = CBS_ASN1_CONSTRUCTED;
constexpr size_t kMaxCertificate = 64 * 1024;

absl::Status Malformed(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "CERTIFICATE_MALFORMED",
                   absl::StrCat("in the certificate ",
                                absl::string_view(what.data(), what.size()),
                                " is not as it must be"));
}

bool ReadSmallNumber(CBS* in, int64_t& out, unsigned tag = CBS_ASN1_INTEGER) {
  CBS content;
  if (!CBS_get_asn1(in, &content, tag)) return false;
  const size_t size = CBS_len(&content);
  const uint8_t* const data = CBS_data(&content);
  if (size == 0 || (data[0] & 0x80) != 0) return false;
  if (size > 1 && data[0] == 0 && (data[1] & 0x80) == 0) return false;
  // What is greater limits nothing, so the exact value does not matter.
  if (size > 4) {
    out = INT32_MAX;
    return true;
  }
  out = 0;
  for (size_t i = 0; i < size; ++i) out = out << 8 | data[i];
  return true;
}

// The whole of an extension's value as one SEQUENCE.
bool AsSequence(CBS value, CBS* content) {
  return CBS_get_asn1(&value, content, CBS_ASN1_SEQUENCE) &&
         CBS_len(&value) == 0;
}

bool ReadBasicConstraints(CBS value, ParsedCertificate& out) {
  CBS content;
  if (!AsSequence(value, &content)) return false;
  bool is_ca = false;
  if (!ReadFlagIfAny(&content, is_ca)) {
    return false;
  }
  out.has_basic_constraints = true;
  out.is_ca = is_ca;
  if (CBS_len(&content) > 0) {
    int64_t length = 0;
    if (!ReadSmallNumber(&content, length)) return false;
    out.path_length = length;
  }
  return CBS_len(&content) == 0;
}

bool ReadKeyUsage(CBS value, ParsedCertificate& out) {
  CBS bits;
  uint16_t usage = 0;
  if (!CBS_get_asn1(&value, &bits, CBS_ASN1_BITSTRING) ||
      CBS_len(&value) != 0 || !ReadNamedBits(bits, usage)) {
    return false;
  }
  out.key_usage = usage;
  return true;
}

bool ReadOids(CBS content, std::vector<std::string>& out) {
  if (CBS_len(&content) == 0) return false;
  while (CBS_len(&content) > 0) {
    CBS oid;
    if (!CBS_get_asn1(&content, &oid, CBS_ASN1_OBJECT) || CBS_len(&oid) == 0) {
      return false;
    }
    out.push_back(OctetsOf(oid));
  }
  return true;
}

bool ReadExtendedKeyUsage(CBS value, ParsedCertificate& out) {
  CBS content;
  std::vector<std::string> usages;
  if (!AsSequence(value, &content) || !ReadOids(content, usages)) return false;
  out.extended_key_usage = std::move(usages);
  return true;
}

bool ReadSubtrees(CBS content, std::vector<GeneralName>& out) {
  if (CBS_len(&content) == 0) return false;
  while (CBS_len(&content) > 0) {
    CBS subtree;
    GeneralName base;
    // minimum is 0 and maximum absent (section 4.2.1.10): nothing follows.
    if (!CBS_get_asn1(&content, &subtree, CBS_ASN1_SEQUENCE) ||
        !ReadGeneralName(&subtree, true, base) || CBS_len(&subtree) != 0) {
      return false;
    }
    out.push_back(std::move(base));
  }
  return true;
}

bool ReadNameConstraints(CBS value, ParsedCertificate& out) {
  CBS content, permitted, excluded;
  int has_permitted = 0;
  int has_excluded = 0;
  if (!AsSequence(value, &content) ||
      !CBS_get_optional_asn1(&content, &permitted, &has_permitted,
                             kContext | kConstructed | 0) ||
      !CBS_get_optional_asn1(&content, &excluded, &has_excluded,
                             kContext | kConstructed | 1) ||
      CBS_len(&content) != 0 || (has_permitted == 0 && has_excluded == 0)) {
    return false;
  }
  NameConstraintSet set;
  if (has_permitted != 0 && !ReadSubtrees(permitted, set.permitted)) {
    return false;
  }
  if (has_excluded != 0 && !ReadSubtrees(excluded, set.excluded)) return false;
  out.name_constraints = std::move(set);
  return true;
}

bool ReadAltNames(CBS value, ParsedCertificate& out) {
  CBS content;
  std::vector<GeneralName> names;
  if (!AsSequence(value, &content) ||
      !ReadGeneralNames(content, false, names)) {
    return false;
  }
  out.alt_names = std::move(names);
  return true;
}

bool ReadPolicies(CBS value, ParsedCertificate& out) {
  CBS content;
  if (!AsSequence(value, &content) || CBS_len(&content) == 0) return false;
  std::vector<std::string> policies;
  while (CBS_len(&content) > 0) {
    CBS information, oid;
    if (!CBS_get_asn1(&content, &information, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&information, &oid, CBS_ASN1_OBJECT)) {
      return false;
    }
    policies.push_back(OctetsOf(oid));  // qualifiers are for people
  }
  std::vector<std::string> sorted = policies;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    return false;
  }
  out.policies = std::move(policies);
  return true;
}

bool ReadPolicyMappings(CBS value, ParsedCertificate& out) {
  CBS content;
  if (!AsSequence(value, &content) || CBS_len(&content) == 0) return false;
  while (CBS_len(&content) > 0) {
    CBS mapping, issuer, subject;
    if (!CBS_get_asn1(&content, &mapping, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&mapping, &issuer, CBS_ASN1_OBJECT) ||
        !CBS_get_asn1(&mapping, &subject, CBS_ASN1_OBJECT) ||
        CBS_len(&mapping) != 0) {
      return false;
    }
    out.policy_mappings.push_back({OctetsOf(issuer), OctetsOf(subject)});
  }
  return true;
}

bool ReadPolicyConstraints(CBS value, ParsedCertificate& out) {
  CBS content;
  if (!AsSequence(value, &content) || CBS_len(&content) == 0) return false;
  int64_t number = 0;
  if (CBS_peek_asn1_tag(&content, kContext | 0)) {
    if (!ReadSmallNumber(&content, number, kContext | 0)) return false;
    out.require_explicit_policy = number;
  }
  if (CBS_peek_asn1_tag(&content, kContext | 1)) {
    if (!ReadSmallNumber(&content, number, kContext | 1)) return false;
    out.inhibit_policy_mapping = number;
  }
  return CBS_len(&content) == 0;
}

bool ReadInhibitAnyPolicy(CBS value, ParsedCertificate& out) {
  int64_t number = 0;
  if (!ReadSmallNumber(&value, number) || CBS_len(&value) != 0) return false;
  out.inhibit_any_policy = number;
  return true;
}

bool ReadAuthorityKeyId(CBS value, ParsedCertificate& out) {
  CBS content;
  if (!AsSequence(value, &content)) return false;
  AuthorityKeyId id;
  CBS part;
  int present = 0;
  if (!CBS_get_optional_asn1(&content, &part, &present, kContext | 0)) {
    return false;
  }
  if (present != 0) id.key_id = OctetsOf(part);
  if (!CBS_get_optional_asn1(&content, &part, &present,
                             kContext | kConstructed | 1)) {
    return false;
  }
  id.has_issuer = present != 0;
  if (!CBS_get_optional_asn1(&content, &part, &present, kContext | 2)) {
    return false;
  }
  id.has_serial = present != 0;
  if (CBS_len(&content) != 0) return false;
  out.authority_key_id = std::move(id);
  return true;
}

bool ReadSubjectKeyId(CBS value, ParsedCertificate& out) {
  CBS id;
  if (!CBS_get_asn1(&value, &id, CBS_ASN1_OCTETSTRING) ||
      CBS_len(&value) != 0) {
    return false;
  }
  out.subject_key_id = OctetsOf(id);
  return true;
}

// authorityInfoAccess: only its form; nobody is asked while a path is checked.
bool ReadInfoAccess(CBS value) {
  CBS content;
  if (!AsSequence(value, &content) || CBS_len(&content) == 0) return false;
  while (CBS_len(&content) > 0) {
    CBS description, method;
    GeneralName location;
    if (!CBS_get_asn1(&content, &description, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&description, &method, CBS_ASN1_OBJECT) ||
        !ReadGeneralName(&description, false, location) ||
        CBS_len(&description) != 0) {
      return false;
    }
  }
  return true;
}

// One extension by the content octets of its OID; false: malformed.
bool ReadExtension(const std::string& oid, bool critical, CBS value,
                   ParsedCertificate& out) {
  const auto standard = [&oid](uint8_t last) {
    return oid.size() == 3 && oid[0] == '\x55' && oid[1] == '\x1d' &&
           static_cast<uint8_t>(oid[2]) == last;
  };
  const auto fault = [&out](FormFault which) {
    out.form_faults.push_back(which);
  };
  if (standard(14)) {
    if (critical) fault(FormFault::kSkiCritical);
    return ReadSubjectKeyId(value, out);
  }
  if (standard(15)) return ReadKeyUsage(value, out);
  if (standard(17)) {
    out.alt_names_critical = critical;
    return ReadAltNames(value, out);
  }
  if (standard(18)) return true;  // issuerAltName: decides nothing
  if (standard(19)) {
    if (!ReadBasicConstraints(value, out)) return false;
    if (out.is_ca && !critical) fault(FormFault::kBasicConstraintsNotCritical);
    return true;
  }
  if (standard(30)) {
    if (!critical) fault(FormFault::kNameConstraintsNotCritical);
    return ReadNameConstraints(value, out);
  }
  if (standard(31)) {
    return ReadDistributionPoints(value, out.distribution_points);
  }
  if (standard(32)) return ReadPolicies(value, out);
  if (standard(33)) return ReadPolicyMappings(value, out);
  if (standard(35)) {
    if (critical) fault(FormFault::kAkiCritical);
    return ReadAuthorityKeyId(value, out);
  }
  if (standard(36)) return ReadPolicyConstraints(value, out);
  if (standard(37)) {
    out.extended_key_usage_critical = critical;
    return ReadExtendedKeyUsage(value, out);
  }
  if (standard(46)) {
    if (critical) out.unknown_critical_extension = true;
    return ReadDistributionPoints(value, out.freshest_points);
  }
  if (standard(54)) return ReadInhibitAnyPolicy(value, out);
  if (oid == "\x2b\x06\x01\x05\x05\x07\x01\x01") {
    if (critical) fault(FormFault::kAiaCritical);
    return ReadInfoAccess(value);
  }
  if (critical) out.unknown_critical_extension = true;
  return true;
}

absl::Status ReadExtensions(CBS list, ParsedCertificate& out) {
  if (CBS_len(&list) == 0) return Malformed("the list of extensions");
  std::set<std::string> seen;
  while (CBS_len(&list) > 0) {
    CBS extension, oid, value;
    bool critical = false;
    if (!CBS_get_asn1(&list, &extension, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&extension, &oid, CBS_ASN1_OBJECT) ||
        !ReadFlagIfAny(&extension, critical) ||
        !CBS_get_asn1(&extension, &value, CBS_ASN1_OCTETSTRING) ||
        CBS_len(&extension) != 0) {
      return Malformed("an extension");
    }
    const std::string id = OctetsOf(oid);
    if (!seen.insert(id).second) return Malformed("an extension that is twice");
    if (!ReadExtension(id, critical, value, out)) {
      return Malformed("the value of an extension");
    }
  }
  return absl::OkStatus();
}

void FindFormFaults(ParsedCertificate& out) {
  const auto fault = [&out](FormFault which) {
    out.form_faults.push_back(which);
  };
  const bool negative =
      !out.serial.empty() && (static_cast<uint8_t>(out.serial[0]) & 0x80) != 0;
  if (negative || out.serial == std::string(1, '\0')) {
    fault(FormFault::kSerialNotPositive);
  }
  if (out.serial.size() > 20) fault(FormFault::kSerialTooLong);
  if (out.issuer.empty()) fault(FormFault::kIssuerEmpty);
  if (out.is_ca && out.subject.empty()) fault(FormFault::kCaSubjectEmpty);
  if (out.subject.empty() && out.alt_names.has_value() &&
      !out.alt_names_critical) {
    fault(FormFault::kSanNotCritical);
  }
  if (out.is_ca && !out.subject_key_id.has_value()) {
    fault(FormFault::kSkiMissing);
  }
  // Only a self-signed one may do without; whether it is, the path tells.
  if (!out.self_issued() && (!out.authority_key_id.has_value() ||
                             !out.authority_key_id->key_id.has_value())) {
    fault(FormFault::kAkiMissing);
  }
  if (!out.is_ca && out.name_constraints.has_value()) {
    fault(FormFault::kNameConstraintsInLeaf);
  }
  if (!out.is_ca && out.key_usage.has_value() &&
      (*out.key_usage & kKeyCertSign) != 0) {
    fault(FormFault::kCertSignWithoutCa);
  }
}

absl::Status ReadTbs(CBS tbs, ParsedCertificate& out) {
  CBS part, serial, algorithm, issuer, validity, subject, spki, extensions;
  int has_version = 0;
  if (!CBS_get_optional_asn1(&tbs, &part, &has_version,
                             kContext | kConstructed | 0)) {
    return Malformed("the version");
  }
  if (has_version != 0) {
    int64_t version = 0;
    if (!ReadSmallNumber(&part, version) || CBS_len(&part) != 0 ||
        version < 1 || version > 2) {
      return Malformed("the version");
    }
    out.version = static_cast<int>(version) + 1;
  }
  if (!CBS_get_asn1(&tbs, &serial, CBS_ASN1_INTEGER) || CBS_len(&serial) == 0) {
    return Malformed("the serial number");
  }
  out.serial = OctetsOf(serial);
  if (!CBS_get_asn1_element(&tbs, &algorithm, CBS_ASN1_SEQUENCE) ||
      OctetsOf(algorithm) != out.signature_algorithm) {
    return Malformed("one of two signature algorithms");
  }
  if (!CBS_get_asn1_element(&tbs, &issuer, CBS_ASN1_SEQUENCE)) {
    return Malformed("the issuer");
  }
  if (!CBS_get_asn1(&tbs, &validity, CBS_ASN1_SEQUENCE)) {
    return Malformed("the validity");
  }
  const std::optional<absl::Time> not_before = ReadTime(&validity);
  const std::optional<absl::Time> not_after =
      not_before.has_value() ? ReadTime(&validity) : std::nullopt;
  if (!not_after.has_value() || CBS_len(&validity) != 0) {
    return Malformed("the validity");
  }
  out.not_before = *not_before;
  out.not_after = *not_after;
  if (!CBS_get_asn1_element(&tbs, &subject, CBS_ASN1_SEQUENCE)) {
    return Malformed("the subject");
  }
  if (!CBS_get_asn1_element(&tbs, &spki, CBS_ASN1_SEQUENCE)) {
    return Malformed("the public key");
  }
  out.issuer_der = OctetsOf(issuer);
  out.subject_der = OctetsOf(subject);
  out.spki = OctetsOf(spki);
  absl::StatusOr<DistinguishedName> name =
      ParseDistinguishedName(AsBytes(out.issuer_der));
  if (!name.ok()) return Malformed("the issuer");
  out.issuer = *std::move(name);
  name = ParseDistinguishedName(AsBytes(out.subject_der));
  if (!name.ok()) return Malformed("the subject");
  out.subject = *std::move(name);
  out.issuer_key = out.issuer.Key();
  out.subject_key = out.subject.Key();

  for (const unsigned unique_id : {1u, 2u}) {
    int present = 0;
    if (!CBS_get_optional_asn1(&tbs, &part, &present, kContext | unique_id) ||
        (present != 0 && out.version < 2)) {
      return Malformed("a unique identifier");
    }
  }
  int has_extensions = 0;
  if (!CBS_get_optional_asn1(&tbs, &part, &has_extensions,
                             kContext | kConstructed | 3) ||
      CBS_len(&tbs) != 0) {
    return Malformed("what follows the public key");
  }
  if (has_extensions != 0) {
    if (out.version != 3 ||
        !CBS_get_asn1(&part, &extensions, CBS_ASN1_SEQUENCE) ||
        CBS_len(&part) != 0) {
      return Malformed("the list of extensions");
    }
    const absl::Status read = ReadExtensions(extensions, out);
    if (!read.ok()) return read;
  }
  FindFormFaults(out);
  return absl::OkStatus();
}

}  // namespace

std::string_view FormFaultText(FormFault fault) {
  switch (fault) {
    case FormFault::kSerialNotPositive:
      return "the serial number is not positive";
    case FormFault::kSerialTooLong:
      return "the serial number has more than 20 octets";
    case FormFault::kIssuerEmpty:
      return "the issuer is empty";
    case FormFault::kCaSubjectEmpty:
      return "the subject of an authority is empty";
    case FormFault::kAkiMissing:
      return "there is no authority key identifier";
    case FormFault::kAkiCritical:
      return "the authority key identifier is critical";
    case FormFault::kSkiMissing:
      return "an authority has no subject key identifier";
    case FormFault::kSkiCritical:
      return "the subject key identifier is critical";
    case FormFault::kSanNotCritical:
      return "the subject is empty and its alternative name not critical";
    case FormFault::kBasicConstraintsNotCritical:
      return "the basic constraints of an authority are not critical";
    case FormFault::kNameConstraintsNotCritical:
      return "the name constraints are not critical";
    case FormFault::kNameConstraintsInLeaf:
      return "what is no authority has name constraints";
    case FormFault::kAiaCritical:
      return "the authority information access is critical";
    case FormFault::kCertSignWithoutCa:
      return "what is no authority may sign certificates";
  }
  return "";
}

bool ParsedCertificate::AllowsUsage(std::string_view usage) const {
  if (!extended_key_usage.has_value()) return true;
  for (const std::string& one : *extended_key_usage) {
    if (one == usage || one == kAnyExtendedKeyUsage) return true;
  }
  return false;
}

absl::StatusOr<std::shared_ptr<const ParsedCertificate>> ParseWholeCertificate(
    ByteSpan der) {
  if (der.size() > kMaxCertificate) return Malformed("the size");
  auto out = std::make_shared<ParsedCertificate>();
  CBS in, certificate, tbs, tbs_element, algorithm, signature;
  CBS_init(&in, der.data(), der.size());
  uint8_t unused = 0;
  if (!CBS_get_asn1(&in, &certificate, CBS_ASN1_SEQUENCE) ||
      CBS_len(&in) != 0 ||
      !CBS_get_asn1_element(&certificate, &tbs_element, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1_element(&certificate, &algorithm, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&certificate, &signature, CBS_ASN1_BITSTRING) ||
      CBS_len(&certificate) != 0 || !CBS_get_u8(&signature, &unused) ||
      unused != 0) {
    return Malformed("the outermost structure");
  }
  out->der = ToString(der);
  out->tbs = OctetsOf(tbs_element);
  out->signature_algorithm = OctetsOf(algorithm);
  out->signature = OctetsOf(signature);
  if (!CBS_get_asn1(&tbs_element, &tbs, CBS_ASN1_SEQUENCE)) {
    return Malformed("the outermost structure");
  }
  const absl::Status read = ReadTbs(tbs, *out);
  if (!read.ok()) return read;
  return std::shared_ptr<const ParsedCertificate>(std::move(out));
}

}  // namespace sallyport
