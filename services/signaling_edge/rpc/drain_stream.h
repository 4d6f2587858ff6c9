// Draining by command: no new calls, progress as a stream, and an end for what
// is left when its time is up.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_DRAIN_STREAM_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_DRAIN_STREAM_H_

#include <cstddef>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/alarm.h"
#include "grpcpp/support/server_callback.h"
#include "sallyport/signaling_edge/v1/edge_status.pb.h"
#include "services/signaling_edge/io/loop_set.h"
#include "services/signaling_edge/rpc/journal_stream.h"

namespace sallyport::signaling_edge {

// Deletes itself. An edge that drains goes on draining when its reader is gone;
// calls are then ended by whoever stops the process, at its own time.
// Thread-safe.
class DrainStream final : public grpc::ServerWriteReactor<v1::DrainResponse>,
                          public OpenStream {
 public:
  using Reactor = grpc::ServerWriteReactor<v1::DrainResponse>;

  // Calls that live after `timeout` are ended.
  static Reactor* Open(LoopSet& loops, StreamSet& streams,
                       absl::Duration timeout);

  void End(const absl::Status& status) override;

 private:
  // Outlives the stream in the loop's and the alarm's hands.
  struct Link {
    absl::Mutex mutex;
    DrainStream* stream ABSL_GUARDED_BY(mutex) = nullptr;
  };

  DrainStream(LoopSet& loops, StreamSet& streams, absl::Duration timeout)
      : loops_(loops), streams_(streams), timeout_(timeout) {}

  void Begin();
  // Asks all loops what they still have, and writes it.
  static void Look(LoopSet& loops, const std::shared_ptr<Link>& link);
  void Tell(size_t calls, size_t connections);
  // With the link's lock held.
  void Stop(const absl::Status& status);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  LoopSet& loops_;
  StreamSet& streams_;
  const absl::Duration timeout_;
  const std::shared_ptr<Link> link_ = std::make_shared<Link>();
  // The rest with link_'s lock held.
  absl::Time deadline_;
  v1::DrainResponse message_;
  grpc::Alarm alarm_;
  bool writing_ = false;
  bool ending_ = false;
  bool finished_ = false;
  absl::Status end_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_DRAIN_STREAM_H_
