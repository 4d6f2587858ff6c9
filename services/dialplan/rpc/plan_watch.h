// The stream of the plan to its consumers.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_PLAN_WATCH_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_PLAN_WATCH_H_

#include <memory>
#include <set>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/support/server_callback.h"
#include "sallyport/dialplan/v1/snapshot.pb.h"
#include "services/common/metrics/metrics.h"
#include "services/dialplan/io/plan_board.h"
#include "services/dialplan/rpc/consumer_table.h"

namespace sallyport::dialplan {

class WatchStream;

// Who opened a stream, and for what.
struct WatchCaller {
  std::string identity;       // verified: "service signaling_edge"
  bool sees_secrets = false;  // signaling_edge alone
};

// Keeps every open stream up to date. A stream has at most one message on its
// way; what changes meanwhile is sent as one delta when that is through, so a
// slow consumer costs nothing and holds up nobody: the latest state wins.
// Thread-safe.
class PlanWatch {
 public:
  struct Options {
    absl::Duration heartbeat = absl::Seconds(15);
    size_t part_bytes = 1 << 20;  // about how large a part of a full snapshot
    MetricsRegistry* metrics = nullptr;  // has kDialplanMetrics; may be null
  };

  // Both must outlive this object.
  PlanWatch(const PlanBoard& board, ConsumerTable& consumers, Options options);
  // All streams must have ended.
  ~PlanWatch();
  PlanWatch(const PlanWatch&) = delete;
  PlanWatch& operator=(const PlanWatch&) = delete;

  // Starts a stream, which ends by itself.
  grpc::ServerWriteReactor<::sallyport::dialplan::v1::WatchSnapshotResponse>*
  Open(const ::sallyport::dialplan::v1::WatchSnapshotRequest& request,
       const WatchCaller& caller);

  // The board has a new version: the streams are brought up to date by this
  // object's own thread, so that the writer goes on at once.
  void Wake();

  // Ends all streams with UNAVAILABLE and refuses new ones.
  void Drain();
  size_t open_streams() const;

 private:
  friend class WatchStream;

  void Remove(const std::shared_ptr<WatchStream>& stream);
  void Run();

  const PlanBoard& board_;
  ConsumerTable& consumers_;
  const Options options_;
  GaugeFamily open_;
  CounterFamily messages_;
  mutable absl::Mutex mutex_;
  std::set<std::shared_ptr<WatchStream>> streams_ ABSL_GUARDED_BY(mutex_);
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_PLAN_WATCH_H_
