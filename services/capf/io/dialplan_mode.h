// The cluster security mode as the dial plan has it.

#ifndef SALLYPORT_SERVICES_CAPF_IO_DIALPLAN_MODE_H_
#define SALLYPORT_SERVICES_CAPF_IO_DIALPLAN_MODE_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "services/capf/core/phone_cluster.h"

namespace sallyport::capf {

// dialplan decides by the mode which security profiles a tenant's phones may
// have; phones are told of it by their trust lists. A procedure keeps both the
// same. Thread-safe.
class DialplanMode {
 public:
  virtual ~DialplanMode() = default;

  // NOT_FOUND if dialplan has no such tenant; UNAVAILABLE or DEADLINE_EXCEEDED
  // if it cannot be asked.
  virtual absl::StatusOr<ClusterSecurityMode> Get(
      const std::string& tenant) = 0;
  // Also what dialplan itself refuses, with its reason: such as
  // CLUSTER_SECURITY_MODE_IN_USE, while a phone needs what the mode forbids.
  // Only asks whether it would with `validate_only`.
  virtual absl::Status Set(const std::string& tenant, ClusterSecurityMode mode,
                           bool validate_only) = 0;
};

// The dialplan service at the other end of `channel`, with `timeout` for each
// answer.
std::unique_ptr<DialplanMode> NewDialplanMode(
    std::shared_ptr<grpc::Channel> channel, absl::Duration timeout);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_DIALPLAN_MODE_H_
