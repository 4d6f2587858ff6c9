// The gRPC server of a service: mutual TLS, access by list, health,
// reflection, limits.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_SERVER_BUILDER_H_
#define SALLYPORT_SERVICES_COMMON_RPC_SERVER_BUILDER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/impl/service_type.h"
#include "grpcpp/server.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "services/common/metrics/metrics.h"
#include "services/common/rpc/access_policy.h"

namespace sallyport {

// Health names of grpc.health.v1: "" is readiness, which stays SERVING while
// the service drains; this one says whether it takes new work.
inline constexpr char kNewWorkHealthName[] = "sallyport.new_work";

struct GrpcServerOptions {
  // Listens here when the configuration names no address ("0.0.0.0:7001").
  std::string default_address;
  // Outlives the server.
  const AccessPolicy* policy = nullptr;
  // Outlive the server. Only callback services.
  std::vector<grpc::Service*> services;
  // Has kRpcMetrics; null: nothing is counted.
  MetricsRegistry* metrics = nullptr;
};

// A running server. Starts with both health names NOT_SERVING. Thread-safe.
class GrpcServer {
 public:
  // INVALID_ARGUMENT when the TLS files are unusable, UNAVAILABLE when the
  // address cannot be bound.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(
      const common::config::v1::ServerConfig& config,
      const GrpcServerOptions& options);
  // Shutdown(0) unless done before.
  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  int port() const { return port_; }

  void SetReady(bool ready);
  void SetTakesNewWork(bool takes);

  // Takes no more calls, waits up to `grace` for those that run, cancels the
  // rest and returns when all handlers have ended.
  void Shutdown(absl::Duration grace);

 private:
  GrpcServer() = default;

  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_SERVER_BUILDER_H_
