// The names that certificates bear, and which of them we would ever sign.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_NAMES_H_
#define SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_NAMES_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace sallyport::capf {

// The parts of a distinguished name that we write; empty ones are left out.
struct SubjectName {
  std::string country;  // two letters
  std::string state;
  std::string locality;
  std::string organization;
  std::string organizational_unit;
  std::string common_name;

  bool operator==(const SubjectName&) const = default;
};

// UTF-8 without control characters; country of two capitals; a common name of
// at most 64 octets and other parts of at most 128 (RFC 5280 appendix A.1).
// kInvalidArgument SUBJECT_INVALID otherwise.
absl::Status CheckSubjectName(const SubjectName& name);

struct SubjectAltNames {
  std::vector<std::string> dns_names;
  std::vector<std::string> uris;
  std::vector<std::string> ip_addresses;  // 4 or 16 octets each

  bool empty() const {
    return dns_names.empty() && uris.empty() && ip_addresses.empty();
  }
  bool operator==(const SubjectAltNames&) const = default;
};

// A host name of lower-case letters, digits and hyphens, no wildcard (RFC 5922
// section 7.2 allows none), no final dot, 253 octets at most, not an address.
bool IsDnsName(std::string_view name);

// `sip:domain` or `sips:domain` with nothing before or after the domain, as
// RFC 5922 section 7.1 names a domain.
bool IsSipDomainUri(std::string_view uri);

// `spiffe://trust-domain/path`, in the form of the SPIFFE ID specification:
// lower-case trust domain, segments of letters, digits, dot, dash and
// underscore, none empty, none "." or "..", no query, 2048 octets at most.
bool IsSpiffeUri(std::string_view uri);

// A phone's name in the CAPF protocol: 1 to 64 letters, digits, '-' and '_'.
// No dot, so that no device can bear the name of a host.
bool IsDeviceName(std::string_view name);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_NAMES_H_
