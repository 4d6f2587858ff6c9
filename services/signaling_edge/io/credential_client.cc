#include "services/signaling_edge/io/credential_client.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "grpcpp/client_context.h"
#include "sallyport/credential_issuer/v1/credential_issuer_service.grpc.pb.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"

namespace sallyport::signaling_edge {
namespace {

namespace pb = ::sallyport::credential_issuer::v1;

struct Call {
  grpc::ClientContext context;
  pb::IssueMrasCredentialsRequest request;
  pb::IssueMrasCredentialsResponse response;
};

// What says that there is no issuer, rather than that it refused.
bool IsOutage(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || absl::IsUnimplemented(status) ||
         absl::IsUnauthenticated(status) || ReasonOf(status).empty();
}

}  // namespace

struct CredentialClient::Rpc {
  std::unique_ptr<pb::CredentialIssuerService::Stub> stub;
};

CredentialClient::CredentialClient(const Options& options)
    : deadline_(options.deadline),
      rpc_(new Rpc{pb::CredentialIssuerService::NewStub(options.channel)}) {}

CredentialClient::~CredentialClient() {
  absl::MutexLock lock(&mutex_);
  auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return in_flight_ == 0;
  };
  mutex_.Await(absl::Condition(&idle));
}

void CredentialClient::AnswerMras(const std::string& tenant,
                                  const std::string& subject,
                                  const std::string& body, Done done) {
  {
    absl::MutexLock lock(&mutex_);
    ++in_flight_;
  }
  auto call = std::make_shared<Call>();
  call->context.set_deadline(absl::ToChronoTime(absl::Now() + deadline_));
  call->request.set_parent(tenant);
  call->request.set_subject(subject);
  call->request.set_body(body);
  // The edge lets nothing else through.
  call->request.set_signaling_transport(type::v1::TRANSPORT_TLS);
  rpc_->stub->async()->IssueMrasCredentials(
      &call->context, &call->request, &call->response,
      [this, call, done = std::move(done)](const grpc::Status& ended) {
        const absl::Status status = FromGrpc(ended);
        if (status.ok()) {
          done(call->response.body());
        } else if (IsOutage(status)) {
          done(MakeError(absl::StatusCode::kUnavailable,
                         "CREDENTIALS_UNAVAILABLE",
                         "credential_issuer does not answer"));
        } else {
          done(status);
        }
        absl::MutexLock lock(&mutex_);
        --in_flight_;
      });
}

}  // namespace sallyport::signaling_edge
