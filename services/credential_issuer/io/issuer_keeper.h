// Holds the state of the issuer: performs its commands one at a time, makes
// each durable, then publishes it; and follows what other replicas make.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_ISSUER_KEEPER_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_ISSUER_KEEPER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/common/metrics/metrics.h"
#include "services/common/random/random_source.h"
#include "services/common/time/clock.h"
#include "services/credential_issuer/core/clock_guard.h"
#include "services/credential_issuer/core/issuer.h"
#include "services/credential_issuer/core/issuer_state.h"
#include "services/credential_issuer/io/issuer_store.h"
#include "services/credential_issuer/io/metrics_table.h"

namespace sallyport::credential_issuer {

// Readers take issuer(), an immutable snapshot, and never wait for a write to
// the store. Thread-safe.
class IssuerKeeper {
 public:
  struct Options {
    IssueLimits limits;
    KeyRingPolicy ring;
  };
  // What must outlive the keeper.
  struct Parts {
    IssuerStore& store;
    const Secret& subject_key;
    const Clock& clock;
    RandomSource& random;  // Thread-safe, as SystemRandom is
    MetricsRegistry& metrics;
    // True if every relay has this version in force. Empty: none is asked.
    std::function<bool(int64_t version)> acknowledged;
  };
  using Listener = std::function<void(std::shared_ptr<const IssuerState>)>;

  // Loads the state; makes the first key, or the next one if it is overdue.
  static absl::StatusOr<std::unique_ptr<IssuerKeeper>> Create(
      const Options& options, const Parts& parts);

  std::shared_ptr<const Issuer> issuer() const;
  std::shared_ptr<const IssuerState> state() const;

  // What may be asked for from now on.
  void SetLimits(IssueLimits limits);

  // Called with each new state, in order of versions, on the thread that made
  // it; must not call back. Set once, before commands come.
  void SetListener(Listener listener);

  // The key that was made, or the one that the same request made before.
  absl::StatusOr<RingKey> RotateKey(std::string_view request_id);
  // The key, revoked.
  absl::StatusOr<RingKey> RevokeKey(uint32_t id, std::string reason);
  // The revocation, or the one that was there.
  absl::StatusOr<Revocation> RevokeCredential(std::string_view tenant,
                                              std::string_view credential_id,
                                              std::string reason);
  absl::StatusOr<Revocation> RevokeUser(std::string_view tenant,
                                        std::string_view subject,
                                        std::string reason);

  // Does what the schedule wants by now: call every second or so. Nothing is
  // removed while the clock is not to be trusted (ClockGuard).
  absl::Status OnTimer();
  absl::Time deadline() const;
  bool clock_settled() const;
  // Of the last time that the store was asked or told something.
  absl::Status store_status() const;

  // Takes over what another replica made.
  absl::Status Refresh();

 private:
  IssuerKeeper(const Options& options, const Parts& parts);

  // Gives the next state from the current one; the same version: no change.
  using Command = absl::FunctionRef<absl::StatusOr<IssuerState>(
      const IssuerState& current)>;

  // Performs `command`, again if another replica was first, and gives the
  // state before and after it.
  struct Change {
    std::shared_ptr<const IssuerState> before;
    std::shared_ptr<const IssuerState> after;

    bool made() const { return before->version != after->version; }
  };
  absl::StatusOr<Change> Perform(Command command)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(command_mutex_);
  absl::Status Commit(const IssuerState& current,
                      std::shared_ptr<const IssuerState> next)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(command_mutex_);
  absl::Status RefreshLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(command_mutex_);
  absl::Status Noted(const absl::Status& status);
  void Publish(std::shared_ptr<const IssuerState> next)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(command_mutex_);
  void WatchClock() ABSL_EXCLUSIVE_LOCKS_REQUIRED(command_mutex_);
  // A pending key whose time has come is used from now on, in `state`.
  absl::StatusOr<IssuerState> ActivateWhatIsKnown(IssuerState state,
                                                  absl::Time now);
  absl::StatusOr<Revocation> Revoke(RevocationKind kind,
                                    std::string_view tenant,
                                    std::string_view target, std::string reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(command_mutex_);
  // In whole microseconds, as the store keeps it: what is told before a restart
  // and after it is the same.
  absl::Time Now() const;
  std::string FreshId();
  Secret FreshKey();
  void ShowState(const IssuerState& state);

  const KeyRingPolicy ring_;
  const Parts parts_;
  const CounterFamily rotations_;
  const CounterFamily revocations_;
  const GaugeFamily version_;
  const GaugeFamily keys_;
  const GaugeFamily entries_;
  const HistogramFamily write_seconds_;
  const CounterFamily store_failures_;
  const CounterFamily clock_jumps_;
  const CounterFamily activations_;
  const CounterFamily conflicts_;

  // Held for a whole command, its write included.
  mutable absl::Mutex command_mutex_;
  Listener listener_ ABSL_GUARDED_BY(command_mutex_);
  ClockGuard clock_guard_ ABSL_GUARDED_BY(command_mutex_);

  // Held only to take or swap the pointer.
  mutable absl::Mutex mutex_;
  IssueLimits limits_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Issuer> issuer_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const IssuerState> state_ ABSL_GUARDED_BY(mutex_);
  absl::Status store_status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_ISSUER_KEEPER_H_
