// The streams of verification keys to the relays.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_KEY_WATCH_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_KEY_WATCH_H_

#include <cstddef>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/support/server_callback.h"
#include "sallyport/credential_issuer/v1/verification_keys.pb.h"
#include "services/common/metrics/metrics.h"
#include "services/common/time/clock.h"
#include "services/credential_issuer/core/issuer_state.h"
#include "services/credential_issuer/rpc/consumer_registry.h"

namespace sallyport::credential_issuer {

// Each stream begins with the whole state and then follows it: at once when it
// changes, with a sign of life when it does not. A slow relay gets the newest
// state when it can take one, never a queue. Must outlive the gRPC server.
// Thread-safe.
class KeyWatch {
 public:
  using Reactor = grpc::ServerWriteReactor<v1::WatchVerificationKeysResponse>;

  // More streams are refused.
  static constexpr size_t kMaxStreams = 10'000;

  // `consumers` and `clock` outlive this.
  KeyWatch(std::string realm, std::shared_ptr<const IssuerState> state,
           ConsumerRegistry& consumers, const Clock& clock,
           MetricsRegistry& metrics);
  ~KeyWatch();

  // A stream for `consumer`, which showed `identity`.
  Reactor* Open(const std::string& consumer, const std::string& identity);
  // A stream that ends with `status` at once.
  static Reactor* Refuse(const absl::Status& status);

  // The listener of IssuerKeeper.
  void OnState(std::shared_ptr<const IssuerState> state);
  // What the relays hold allocations of single tenants to, from now on.
  void SetMediaLimits(v1::TenantMediaLimitsList limits);
  // Every heartbeat interval.
  void OnHeartbeat();
  // Ends all streams with UNAVAILABLE, DRAINING, and refuses new ones.
  void Drain();
  size_t stream_count() const;

 private:
  class Stream;

  void Remove(Stream* stream);

  const std::string realm_;
  ConsumerRegistry& consumers_;
  const Clock& clock_;
  const GaugeFamily watchers_;

  mutable absl::Mutex mutex_;
  std::shared_ptr<const IssuerState> state_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const v1::TenantMediaLimitsList> limits_ ABSL_GUARDED_BY(
      mutex_) = std::make_shared<const v1::TenantMediaLimitsList>();
  std::set<Stream*> streams_ ABSL_GUARDED_BY(mutex_);
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_KEY_WATCH_H_
