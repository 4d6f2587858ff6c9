#include "services/common/rpc/server_interceptor.h"

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/server_context.h"
#include "services/common/rpc/metrics_table.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"

namespace sallyport {
namespace {

using ::grpc::experimental::InterceptionHookPoints;
using ::grpc::experimental::InterceptorBatchMethods;
using ::grpc::experimental::ServerRpcInfo;

constexpr size_t kNoMethod = static_cast<size_t>(-1);

// The interceptor of one call. Thread-compatible: gRPC calls it in turn.
class CallInterceptor final : public grpc::experimental::Interceptor {
 public:
  CallInterceptor(ServerRpcInfo* info, size_t method, CallLimit& limit,
                  const CounterFamily& requests, const HistogramFamily& seconds)
      : info_(info),
        method_(method),
        requests_(requests),
        seconds_(seconds),
        limit_(limit),
        start_(absl::Now()) {
    if (info->type() == ServerRpcInfo::Type::UNARY) {
      call_ = limit.Begin(info->server_context(), start_);
    }
  }

  ~CallInterceptor() override {
    if (call_.has_value()) limit_.End(*call_);
  }

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            InterceptionHookPoints::PRE_SEND_STATUS)) {
      grpc::Status status = methods->GetSendStatus();
      if (!status.ok() && status.error_details().empty()) {
        status = ToGrpc(Explain(status));
        methods->ModifySendStatus(status);
      }
      if (method_ != kNoMethod) {
        requests_.Increment(method_, static_cast<size_t>(status.error_code()));
        seconds_.Observe(absl::ToDoubleSeconds(absl::Now() - start_), method_);
      }
    }
    methods->Proceed();
  }

 private:
  absl::Status Explain(const grpc::Status& status) const {
    // What the generated base class of a service answers.
    if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED &&
        status.error_message().empty()) {
      return MakeError(absl::StatusCode::kUnimplemented,
                       "METHOD_NOT_IMPLEMENTED",
                       absl::StrCat(info_->method(), " is not implemented"));
    }
    return FromGrpc(status);
  }

  ServerRpcInfo* const info_;
  const size_t method_;
  const CounterFamily& requests_;
  const HistogramFamily& seconds_;
  CallLimit& limit_;
  const absl::Time start_;
  std::optional<CallLimit::Call> call_;
};

}  // namespace

ServerInterceptorFactory::ServerInterceptorFactory(
    const std::vector<std::string>& methods, absl::Duration longest,
    MetricsRegistry* metrics)
    : limit_(longest) {
  if (metrics != nullptr) {
    for (size_t i = 0; i < methods.size(); ++i) {
      index_by_method_[methods[i]] = i;
    }
    const std::vector<std::vector<std::string>> lists = {methods};
    requests_ = metrics->Counter(kRpcRequestsTotal, lists);
    seconds_ = metrics->Histogram(kRpcRequestSeconds, lists);
  }
}

grpc::experimental::Interceptor*
ServerInterceptorFactory::CreateServerInterceptor(ServerRpcInfo* info) {
  const auto it = index_by_method_.find(info->method());
  return new CallInterceptor(
      info, it == index_by_method_.end() ? kNoMethod : it->second, limit_,
      requests_, seconds_);
}

}  // namespace sallyport
