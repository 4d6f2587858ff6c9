// Certificate policies along a path (RFC 5280 section 6.1, with the graph of
// RFC 9618 in place of the tree, whose size an issuer could make exponential).

#ifndef SALLYPORT_SERVICES_COMMON_PKI_POLICY_GRAPH_H_
#define SALLYPORT_SERVICES_COMMON_PKI_POLICY_GRAPH_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/common/pki/parsed_certificate.h"

namespace sallyport {

struct PolicyInputs {
  // OID content octets; empty: any policy will do.
  std::set<std::string> acceptable;
  bool require_explicit = false;
  bool inhibit_mapping = false;
  bool inhibit_any = false;
};

// One path from the top down. Thread-compatible.
class PolicyGraph {
 public:
  // `length`: certificates below the anchor.
  PolicyGraph(const PolicyInputs& inputs, size_t length);

  // The next certificate. Reason POLICY_VIOLATED.
  absl::Status Next(const ParsedCertificate& certificate, bool last);

 private:
  struct Node {
    std::set<std::string> expected;
    std::set<std::string> parents;  // policies of the level above
  };
  using Level = std::map<std::string, Node>;  // by valid policy

  void Process(const ParsedCertificate& certificate, bool last);
  absl::Status Prepare(const ParsedCertificate& certificate);
  absl::Status WrapUp(const ParsedCertificate& certificate);
  bool UserAccepts() const;

  const PolicyInputs inputs_;
  int64_t explicit_policy_;
  int64_t policy_mapping_;
  int64_t inhibit_any_;
  std::vector<Level> levels_;  // the last one empty: no policy is valid
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PKI_POLICY_GRAPH_H_
