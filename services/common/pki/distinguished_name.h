// Names of subjects and issuers, in the form in which they are compared
// (RFC 5280 section 7.1).

#ifndef SALLYPORT_SERVICES_COMMON_PKI_DISTINGUISHED_NAME_H_
#define SALLYPORT_SERVICES_COMMON_PKI_DISTINGUISHED_NAME_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport {

// One string for each RelativeDistinguishedName, in order. Two names are the
// same if these are: texts of any string type as UTF-8, ASCII letters in lower
// case, white space at the ends left out and inside made one space. Other
// values are compared octet by octet. Immutable.
struct DistinguishedName {
  std::vector<std::string> rdns;

  bool empty() const { return rdns.empty(); }
  // All of them as one key.
  std::string Key() const;
  // The first ones are those of `base`: what a name constraint asks.
  bool IsWithin(const DistinguishedName& base) const;

  bool operator==(const DistinguishedName&) const = default;
};

// Reads one DER Name. kInvalidArgument, reason NAME_MALFORMED.
absl::StatusOr<DistinguishedName> ParseDistinguishedName(ByteSpan der);

// `base` with one more RDN, given as the content of its SET, as names relative
// to a list's issuer are (RFC 5280 section 4.2.1.13). NAME_MALFORMED.
absl::StatusOr<DistinguishedName> ExtendDistinguishedName(
    const DistinguishedName& base, ByteSpan rdn_content);

// The values of every emailAddress attribute: names from before subject
// alternative names hold mail addresses so, and constraints reach them (RFC
// 5280 section 4.2.1.10).
std::vector<std::string> EmailAttributes(ByteSpan der);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PKI_DISTINGUISHED_NAME_H_
