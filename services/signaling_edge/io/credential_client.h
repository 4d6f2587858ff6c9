// Asks credential_issuer for what SIP users are given: the answers to their
// MRAS requests.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CREDENTIAL_CLIENT_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CREDENTIAL_CLIENT_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"

namespace sallyport::signaling_edge {

// Thread-safe.
class CredentialClient {
 public:
  struct Options {
    std::shared_ptr<grpc::Channel> channel;
    absl::Duration deadline = absl::Seconds(3);
  };
  using Done = std::function<void(absl::StatusOr<std::string> body)>;

  explicit CredentialClient(const Options& options);
  // Waits for the callbacks that are still to come (the deadline at most).
  ~CredentialClient();

  // `done` comes once, from a gRPC thread: the body of the answer; what the
  // issuer refused; or UNAVAILABLE, CREDENTIALS_UNAVAILABLE.
  void AnswerMras(const std::string& tenant, const std::string& subject,
                  const std::string& body, Done done);

 private:
  struct Rpc;  // the generated stub: its header is a large one

  const absl::Duration deadline_;
  const std::unique_ptr<const Rpc> rpc_;
  absl::Mutex mutex_;
  int in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CREDENTIAL_CLIENT_H_
