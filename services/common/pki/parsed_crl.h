// A certificate revocation list read to the last field (RFC 5280 section 5).

#ifndef SALLYPORT_SERVICES_COMMON_PKI_PARSED_CRL_H_
#define SALLYPORT_SERVICES_COMMON_PKI_PARSED_CRL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/pki/parsed_certificate.h"

namespace sallyport {

// CRLReason of an entry; 8 takes a certificate off a list.
inline constexpr int kReasonCertificateHold = 6;
inline constexpr int kReasonRemoveFromCrl = 8;

struct IssuingDistributionPoint {
  std::vector<GeneralName> full_name;
  std::string relative_name;
  bool only_user = false;
  bool only_ca = false;
  bool only_attributes = false;
  bool indirect = false;
  bool has_reasons = false;
  uint16_t reasons = 0xffff;
};

// Immutable.
struct ParsedCrl {
  std::string der;
  std::string issuer_der;
  DistinguishedName issuer;
  std::string issuer_key;
  absl::Time this_update;
  std::optional<absl::Time> next_update;
  std::string signature_algorithm;
  std::string tbs;
  std::string signature;
  std::optional<std::string> authority_key_id;
  std::string number;               // octets without leading zeros
  std::optional<std::string> base;  // of a delta list, likewise
  // Where delta lists of it are (section 5.2.6).
  std::vector<DistributionPoint> freshest_points;
  std::optional<IssuingDistributionPoint> point;
  std::string point_der;  // the value of that extension; empty: none
  // A critical extension, of the list or an entry, that is not known.
  bool unknown_critical_extension = false;
  // Issuer's key (of entries of an indirect list: theirs) and serial, joined
  // by RevocationKey(), to the reason.
  absl::flat_hash_map<std::string, int> entries;
};

std::string RevocationKey(const std::string& issuer_key,
                          const std::string& serial);

// Reads one DER list of at most 32 MiB; nothing of it is believed.
// kInvalidArgument, reason CRL_MALFORMED. Pure.
absl::StatusOr<std::shared_ptr<const ParsedCrl>> ParseWholeCrl(ByteSpan der);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PKI_PARSED_CRL_H_
