// A certificate read to the last field, for the check of a path (RFC 5280
// section 4). A parser: nothing here is believed.

#ifndef SALLYPORT_SERVICES_COMMON_PKI_PARSED_CERTIFICATE_H_
#define SALLYPORT_SERVICES_COMMON_PKI_PARSED_CERTIFICATE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/pki/distinguished_name.h"

namespace sallyport {

// One GeneralName. The numbers are the context tags.
struct GeneralName {
  enum class Type {
    kOther = 0,
    kEmail = 1,
    kDns = 2,
    kX400 = 3,
    kDirectory = 4,
    kEdi = 5,
    kUri = 6,
    kIp = 7,
    kRegisteredId = 8,
  };

  Type type = Type::kOther;
  std::string value;            // content octets; of kDirectory the DER Name
  DistinguishedName directory;  // of kDirectory

  bool operator==(const GeneralName&) const = default;
};

// Bits of keyUsage (section 4.2.1.3).
enum KeyUsageBit : uint16_t {
  kDigitalSignature = 1 << 0,
  kNonRepudiation = 1 << 1,
  kKeyEncipherment = 1 << 2,
  kDataEncipherment = 1 << 3,
  kKeyAgreement = 1 << 4,
  kKeyCertSign = 1 << 5,
  kCrlSign = 1 << 6,
};

struct NameConstraintSet {
  std::vector<GeneralName> permitted;  // of kIp: address and mask
  std::vector<GeneralName> excluded;
};

struct PolicyMapping {
  std::string issuer_policy;  // OID content octets
  std::string subject_policy;
};

// One point of the cRLDistributionPoints extension.
struct DistributionPoint {
  std::vector<GeneralName> full_name;
  std::string relative_name;  // DER of the RDN's content; empty: none
  uint16_t reasons = 0xffff;  // ReasonFlags, all where there are none
  bool has_reasons = false;
  std::vector<GeneralName> crl_issuer;
};

struct AuthorityKeyId {
  std::optional<std::string> key_id;
  bool has_issuer = false;  // authorityCertIssuer
  bool has_serial = false;  // authorityCertSerialNumber
};

// What RFC 5280 section 4 asks of those who issue, and what no attack follows
// from. A path is refused for these only by whoever asks for the strict form.
enum class FormFault {
  kSerialNotPositive,
  kSerialTooLong,
  kIssuerEmpty,
  kCaSubjectEmpty,
  kAkiMissing,
  kAkiCritical,
  kSkiMissing,
  kSkiCritical,
  kSanNotCritical,  // with an empty subject
  kBasicConstraintsNotCritical,
  kNameConstraintsNotCritical,
  kNameConstraintsInLeaf,
  kAiaCritical,
  kCertSignWithoutCa,
};
std::string_view FormFaultText(FormFault fault);

// Extended key usages as the content octets of their OIDs.
inline constexpr std::string_view kAnyExtendedKeyUsage{"\x55\x1d\x25\x00", 4};
inline constexpr std::string_view kServerAuthUsage{
    "\x2b\x06\x01\x05\x05\x07\x03\x01", 8};
inline constexpr std::string_view kClientAuthUsage{
    "\x2b\x06\x01\x05\x05\x07\x03\x02", 8};
// id-kp-sipDomain (RFC 5924).
inline constexpr std::string_view kSipDomainUsage{
    "\x2b\x06\x01\x05\x05\x07\x03\x14", 8};
inline constexpr std::string_view kAnyPolicy{"\x55\x1d\x20\x00", 4};

// Immutable.
struct ParsedCertificate {
  std::string der;
  int version = 1;
  std::string serial;               // content octets as they stand
  std::string signature_algorithm;  // DER AlgorithmIdentifier
  std::string tbs;                  // DER
  std::string signature;            // octets
  std::string issuer_der;
  std::string subject_der;
  DistinguishedName issuer;
  DistinguishedName subject;
  std::string issuer_key;  // Key() of the two above
  std::string subject_key;
  absl::Time not_before;
  absl::Time not_after;
  std::string spki;  // DER

  bool has_basic_constraints = false;
  bool is_ca = false;
  std::optional<int64_t> path_length;
  std::optional<uint16_t> key_usage;
  std::optional<std::vector<std::string>> extended_key_usage;
  bool extended_key_usage_critical = false;
  std::optional<NameConstraintSet> name_constraints;
  std::optional<std::vector<GeneralName>> alt_names;
  bool alt_names_critical = false;
  std::optional<std::vector<std::string>> policies;
  std::vector<PolicyMapping> policy_mappings;
  std::optional<int64_t> require_explicit_policy;
  std::optional<int64_t> inhibit_policy_mapping;
  std::optional<int64_t> inhibit_any_policy;
  std::optional<AuthorityKeyId> authority_key_id;
  std::optional<std::string> subject_key_id;
  std::vector<DistributionPoint> distribution_points;
  std::vector<DistributionPoint> freshest_points;  // of delta lists
  bool unknown_critical_extension = false;
  std::vector<FormFault> form_faults;

  bool self_issued() const { return issuer == subject; }
  bool AllowsUsage(std::string_view usage) const;
};

// Reads one DER certificate, every extension that section 4.2 defines for
// paths included. kInvalidArgument, reason CERTIFICATE_MALFORMED, says which
// part is not as it must be: also for the same extension twice, two different
// signature algorithms, and extensions in an old version. Pure.
absl::StatusOr<std::shared_ptr<const ParsedCertificate>> ParseWholeCertificate(
    ByteSpan der);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PKI_PARSED_CERTIFICATE_H_
