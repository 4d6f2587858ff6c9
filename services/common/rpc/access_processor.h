// Puts AccessPolicy in front of every method of a server.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_ACCESS_PROCESSOR_H_
#define SALLYPORT_SERVICES_COMMON_RPC_ACCESS_PROCESSOR_H_

#include "grpcpp/security/auth_metadata_processor.h"
#include "services/common/rpc/access_policy.h"

namespace sallyport {

// gRPC asks this for each call, unary or streaming, known or not, when its
// headers have come and before any handler runs. What it refuses ends there.
// gRPC sends such a refusal without details, so the reason is the first word
// of the message ("CALLER_NOT_ACCEPTED: ..."), which FromGrpc understands.
// Thread-safe.
class AccessProcessor final : public grpc::AuthMetadataProcessor {
 public:
  // `policy` must outlive the server.
  explicit AccessProcessor(const AccessPolicy& policy) : policy_(policy) {}

  // No disk, no network: decided on the thread that read the headers.
  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata,
                       grpc::AuthContext* context,
                       OutputMetadata* consumed_metadata,
                       OutputMetadata* response_metadata) override;

 private:
  const AccessPolicy& policy_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_ACCESS_PROCESSOR_H_
