#include "services/capf/io/dialplan_mode.h"

#include "absl/time/clock.h"
#include "grpcpp/client_context.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

namespace plan_pb = ::sallyport::dialplan::v1;

class GrpcDialplanMode final : public DialplanMode {
 public:
  GrpcDialplanMode(const std::shared_ptr<grpc::Channel>& channel,
                   absl::Duration timeout)
      : stub_(plan_pb::DialplanService::NewStub(channel)), timeout_(timeout) {}

  absl::StatusOr<ClusterSecurityMode> Get(const std::string& tenant) override {
    plan_pb::GetTenantRequest request;
    request.set_name("tenants/" + tenant);
    plan_pb::Tenant out;
    grpc::ClientContext context;
    SetTime(context);
    SP_RETURN_IF_ERROR(FromGrpc(stub_->GetTenant(&context, request, &out)));
    return out.cluster_security_mode() == plan_pb::CLUSTER_SECURITY_MODE_MIXED
               ? ClusterSecurityMode::kMixed
               : ClusterSecurityMode::kNonSecure;
  }

  absl::Status Set(const std::string& tenant, ClusterSecurityMode mode,
                   bool validate_only) override {
    plan_pb::UpdateTenantRequest request;
    request.mutable_tenant()->set_name("tenants/" + tenant);
    request.mutable_tenant()->set_cluster_security_mode(
        mode == ClusterSecurityMode::kMixed
            ? plan_pb::CLUSTER_SECURITY_MODE_MIXED
            : plan_pb::CLUSTER_SECURITY_MODE_NON_SECURE);
    request.mutable_update_mask()->add_paths("cluster_security_mode");
    request.set_validate_only(validate_only);
    plan_pb::Tenant out;
    grpc::ClientContext context;
    SetTime(context);
    return FromGrpc(stub_->UpdateTenant(&context, request, &out));
  }

 private:
  void SetTime(grpc::ClientContext& context) const {
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout_));
  }

  const std::unique_ptr<plan_pb::DialplanService::Stub> stub_;
  const absl::Duration timeout_;
};

}  // namespace

std::unique_ptr<DialplanMode> NewDialplanMode(
    std::shared_ptr<grpc::Channel> channel, absl::Duration timeout) {
  return std::make_unique<GrpcDialplanMode>(channel, timeout);
}

}  // namespace sallyport::capf
