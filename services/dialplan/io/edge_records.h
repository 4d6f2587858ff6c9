// The calls of late, as the edges recorded them.

#ifndef SALLYPORT_SERVICES_DIALPLAN_IO_EDGE_RECORDS_H_
#define SALLYPORT_SERVICES_DIALPLAN_IO_EDGE_RECORDS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/repeated_field.h"
#include "grpcpp/channel.h"
#include "sallyport/common/config/v1/client_config.pb.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "sallyport/dialplan/v1/resolve_route.pb.h"

namespace sallyport::dialplan {

// What one edge answered.
struct EdgeAttempts {
  std::string edge;     // its target, as configured
  absl::Status status;  // why there are none, or not all
  std::vector<::sallyport::dialplan::v1::ResolveRouteRequest> attempts;
  // It has every attempt since then.
  absl::Time complete_since = absl::InfinitePast();
};

// Asks the edges that are configured. Thread-safe.
class EdgeRecords {
 public:
  // INVALID_ARGUMENT when the TLS files of `own` are unusable.
  static absl::StatusOr<std::unique_ptr<EdgeRecords>> Create(
      const common::config::v1::ServerConfig& own,
      const google::protobuf::RepeatedPtrField<
          common::config::v1::ClientConfig>& edges);

  bool empty() const { return edges_.empty(); }

  // The calls of `tenant` ("tenants/t") that ended since `since`, as attempts
  // of the same caller to the same number; all edges at once. Waits for the
  // slowest, `patience` at most.
  std::vector<EdgeAttempts> Fetch(const std::string& tenant, absl::Time since,
                                  absl::Duration patience) const;

 private:
  struct Edge {
    std::string target;
    std::shared_ptr<grpc::Channel> channel;
  };

  EdgeAttempts FetchOne(const Edge& edge, const std::string& tenant,
                        absl::Time since, absl::Time deadline) const;

  std::vector<Edge> edges_;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_IO_EDGE_RECORDS_H_
