// The edge's view of dialplan: the plan as it streams in, kept on disk.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_DIALPLAN_CLIENT_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_DIALPLAN_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "services/common/digit_analysis/region_plan.h"
#include "services/common/plan_snapshot/snapshot_state.h"
#include "services/common/rpc/stream_watch.h"

namespace sallyport::signaling_edge {

// Watches WatchSnapshot and hands on what each version changes; starts from the
// last one on disk while dialplan is down (design.md section 5). The disk is
// written by a thread of its own, which pauses for as many times as long as a
// plan takes to write: what is lost by a crash comes again from dialplan.
// Thread-safe.
class DialplanClient {
 public:
  struct Options {
    std::shared_ptr<grpc::Channel> channel;
    std::string consumer;    // instance id, one line in dialplan's GetStatus
    std::string cache_file;  // empty: nothing is kept
    absl::Duration max_backoff = absl::Seconds(5);
    // What every new version changes, from the constructor's thread (the one on
    // disk) and then from the stream's. Must not block: it posts to the loops.
    std::function<void(PlanUpdate, bool from_cache)> on_plan;
    // The stream came up or went down; for events and logs.
    std::function<void(bool connected, const absl::Status& why)> on_state;
  };

  // Calls on_plan before it returns if the disk holds a plan.
  explicit DialplanClient(Options options);
  ~DialplanClient();

  // Tells dialplan which version every loop now routes by, on the stream's
  // thread with its next message, and at once if it waits. Any thread.
  void ReportActive(int64_t version, const std::string& checksum);

  struct Status {
    int64_t version = 0;  // received
    std::string checksum;
    bool connected = false;
    bool from_cache = false;  // the version is the one that was on disk
  };
  Status status() const;

 private:
  using Response = dialplan::v1::WatchSnapshotResponse;
  struct Rpc;  // the generated stub: its header is a large one

  void RestoreFromDisk();
  std::unique_ptr<grpc::ClientReader<Response>> Open(
      grpc::ClientContext* context);
  absl::Status OnMessage(const Response& message);
  void KeepSaving();
  void SaveToDisk(const SnapshotState& state);

  const Options options_;
  std::unique_ptr<const Rpc> rpc_;
  mutable absl::Mutex mutex_;
  SnapshotState state_ ABSL_GUARDED_BY(mutex_);
  bool connected_ ABSL_GUARDED_BY(mutex_) = false;
  bool from_cache_ ABSL_GUARDED_BY(mutex_) = false;
  bool unsaved_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<StreamWatch<Response>> watch_;
  std::thread saver_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_DIALPLAN_CLIENT_H_
