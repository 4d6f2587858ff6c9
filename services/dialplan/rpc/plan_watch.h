// The stream of the plan to its consumers.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_PLAN_WATCH_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_PLAN_WATCH_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "sallyport/dialplan/v1/snapshot.pb.h"
#include "services/common/metrics/metrics.h"
#include "services/dialplan/io/plan_board.h"
#include "services/dialplan/rpc/consumer_table.h"
#include "services/dialplan/rpc/snapshot_feed.h"

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
// Messages are encoded once for all streams that are to get the same.
// Thread-safe.
class PlanWatch {
 public:
  struct Options {
    absl::Duration heartbeat = absl::Seconds(15);
    // Changes that follow each other closer than this share a message.
    absl::Duration batch = absl::Milliseconds(20);
    // A consumer that takes longer over one message is cut off: it can resume.
    absl::Duration longest_write = absl::Minutes(2);
    size_t part_bytes = 1 << 20;  // about how large a part of a full snapshot
    MetricsRegistry* metrics = nullptr;  // has kDialplanMetrics; may be null
  };

  // Both must outlive this object.
  PlanWatch(const PlanBoard& board, ConsumerTable& consumers, Options options);
  // All streams must have ended.
  ~PlanWatch();
  PlanWatch(const PlanWatch&) = delete;
  PlanWatch& operator=(const PlanWatch&) = delete;

  // Starts a stream, which ends by itself. Its messages are octets of
  // WatchSnapshotResponse.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Open(
      grpc::CallbackServerContext* context,
      const ::sallyport::dialplan::v1::WatchSnapshotRequest& request,
      const WatchCaller& caller);

  // The board has a new version: the streams are brought up to date by this
  // object's own thread, so that the writer goes on at once.
  void Wake();

  // Ends all streams with UNAVAILABLE and refuses new ones.
  void Drain();
  size_t open_streams() const;

 private:
  friend class WatchStream;

  // Which streams are sent the same.
  using Audience = std::pair<PlanBoard::Tenants, bool /*with secrets*/>;

  std::shared_ptr<SnapshotFeed> FeedFor(const Audience& audience)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remove(const std::shared_ptr<WatchStream>& stream);
  void Run();
  // Brings all feeds, then all streams, up to date.
  void Publish();
  void Beat();
  std::vector<std::shared_ptr<WatchStream>> Streams() const;

  const PlanBoard& board_;
  ConsumerTable& consumers_;
  const Options options_;
  GaugeFamily open_;
  CounterFamily messages_;
  mutable absl::Mutex mutex_;
  std::set<std::shared_ptr<WatchStream>> streams_ ABSL_GUARDED_BY(mutex_);
  // Their streams keep them.
  std::map<Audience, std::weak_ptr<SnapshotFeed>> feeds_
      ABSL_GUARDED_BY(mutex_);
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_PLAN_WATCH_H_
