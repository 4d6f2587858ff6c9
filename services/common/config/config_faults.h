// Collects everything that is wrong with a configuration, so that an operator
// sees all of it at once.

#ifndef SALLYPORT_SERVICES_COMMON_CONFIG_CONFIG_FAULTS_H_
#define SALLYPORT_SERVICES_COMMON_CONFIG_CONFIG_FAULTS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "services/common/status/error_reason.h"

namespace sallyport {

// Thread-compatible.
class ConfigFaults {
 public:
  // `field` is the path as in the JSON ("server.tls.key_file"); `description`
  // says what is wrong and never quotes a secret.
  void Add(std::string_view field, std::string_view description);
  // Adds "is required" when `value` is empty.
  void Require(std::string_view field, std::string_view value);

  bool empty() const { return violations_.empty(); }
  const std::vector<FieldViolation>& violations() const { return violations_; }

  // OK, or INVALID_ARGUMENT with reason CONFIG_INVALID, whose message lists
  // every fault and whose field violations are the faults.
  absl::Status ToStatus() const;

 private:
  std::vector<FieldViolation> violations_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_CONFIG_CONFIG_FAULTS_H_
