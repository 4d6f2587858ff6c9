// Name constraints along a path (RFC 5280 section 4.2.1.10).

#ifndef SALLYPORT_SERVICES_COMMON_PKI_NAME_CONSTRAINTS_H_
#define SALLYPORT_SERVICES_COMMON_PKI_NAME_CONSTRAINTS_H_

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "services/common/pki/parsed_certificate.h"

namespace sallyport {

// Collects the constraints of the authorities of a path from the top down and
// judges the names below them. A form of name that is constrained and that we
// cannot compare is refused, and so is a name that is not well formed.
// Thread-compatible.
class NameConstraints {
 public:
  // Those of one authority; `authority` must outlive this object.
  void Add(const ParsedCertificate& authority);

  // The subject and every alternative name of `certificate`: within the
  // permitted trees of every authority and in no excluded one. Reason
  // NAME_CONSTRAINT_VIOLATED; at most 2^18 comparisons in the life of this
  // object.
  absl::Status Check(const ParsedCertificate& certificate);

 private:
  absl::Status CheckName(const GeneralName& name);

  std::vector<const NameConstraintSet*> sets_;
  size_t comparisons_ = 0;
};

// A DNS name with labels of letters, digits, hyphens and underscores; a first
// label of "*" alone is allowed.
bool IsDnsName(std::string_view name);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PKI_NAME_CONSTRAINTS_H_
