// What every call of every server of ours gets: its status put in order, its
// time measured, an end to unary calls that have none.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_SERVER_INTERCEPTOR_H_
#define SALLYPORT_SERVICES_COMMON_RPC_SERVER_INTERCEPTOR_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "grpcpp/support/server_interceptor.h"
#include "services/common/metrics/metrics.h"
#include "services/common/rpc/call_limit.h"

namespace sallyport {

// Makes one interceptor a call. It
// - names the method in the UNIMPLEMENTED of a method that has no handler yet;
// - gives an error that a handler made without details its ErrorInfo, and
//   replaces the text of INTERNAL (ToGrpc);
// - cancels a unary call that lasts longer than `longest`, whatever deadline
//   its caller set;
// - counts the answer and its time.
// Thread-safe.
class ServerInterceptorFactory final
    : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // `methods` are the label values. `metrics` may be null; else it has
  // kRpcMetrics and outlives the server.
  ServerInterceptorFactory(const std::vector<std::string>& methods,
                           absl::Duration longest, MetricsRegistry* metrics);

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;

 private:
  absl::flat_hash_map<std::string, size_t> index_by_method_;
  CallLimit limit_;
  CounterFamily requests_;
  HistogramFamily seconds_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_SERVER_INTERCEPTOR_H_
