#include "services/media_relay/rpc/drain_watch.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "sallyport/media_relay/v1/relay_status.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"
#include "services/common/time/clock.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/io/relay_fleet.h"
#include "services/media_relay/io/relay_loop.h"
#include "services/media_relay/rpc/load_report.h"
#include "services/media_relay/rpc/message_stream.h"

namespace sallyport::media_relay {
namespace {

using Stream = MessageStream<v1::DrainResponse>;

constexpr absl::Duration kLongest = absl::Hours(24);
constexpr size_t kMaxWaiting = 100;

}  // namespace

struct DrainWatch::Shared {
  void OnReports(const std::vector<RelayLoopReport>& reports, bool whole) {
    auto message = std::make_shared<v1::DrainResponse>();
    uint32_t sessions = 0;
    uint32_t allocations = 0;
    for (const RelayLoopReport& report : reports) {
      sessions += static_cast<uint32_t>(report.sessions);
      allocations += static_cast<uint32_t>(report.allocations);
    }
    absl::MutexLock lock(&mutex);
    if (!whole) return;  // of a loop with too much to do nothing is known
    message->set_sessions_remaining(sessions);
    message->set_allocations_remaining(allocations);
    *message->mutable_deadline_time() =
        ToProto(Clock::Real().Now() + (deadline - Clock::Real().MonoNow()));
    message->set_done(sessions + allocations == 0);
    for (const auto& [id, stream] : streams) {
      stream->Push(message);
      if (message->done()) stream->End(absl::OkStatus());
    }
  }

  absl::Mutex mutex;
  absl::CondVar changed;
  std::map<uint64_t, Stream*> streams ABSL_GUARDED_BY(mutex);
  uint64_t next_id ABSL_GUARDED_BY(mutex) = 1;
  // InfiniteFuture(): nobody has asked for a drain.
  MonoTime deadline ABSL_GUARDED_BY(mutex) = MonoTime::InfiniteFuture();
  MonoTime next_report ABSL_GUARDED_BY(mutex) = MonoTime::InfiniteFuture();
  bool rest_ended ABSL_GUARDED_BY(mutex) = false;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
};

DrainWatch::DrainWatch(RelayFleet& fleet, Options options)
    : fleet_(fleet),
      options_(std::move(options)),
      shared_(std::make_shared<Shared>()),
      thread_([this] { Run(); }) {}

DrainWatch::~DrainWatch() {
  {
    absl::MutexLock lock(&shared_->mutex);
    shared_->stopping = true;
    shared_->changed.SignalAll();
  }
  thread_.join();
}

DrainWatch::Reactor* DrainWatch::Refuse(const absl::Status& status) {
  return Stream::Refused(status);
}

DrainWatch::Reactor* DrainWatch::Open(const v1::DrainRequest& request) {
  const absl::Duration timeout =
      FromProtoOr(request.timeout(), options_.timeout);
  if (timeout < absl::ZeroDuration() || timeout > kLongest) {
    return Refuse(MakeError(absl::StatusCode::kInvalidArgument,
                            "TIMEOUT_INVALID", "the request is not valid",
                            {{"timeout", "must be at most 24 hours"}}));
  }
  options_.begin();
  absl::MutexLock lock(&shared_->mutex);
  const uint64_t id = shared_->next_id++;
  auto* const stream = new Stream(kMaxWaiting, [shared = shared_, id] {
    absl::MutexLock inner(&shared->mutex);
    shared->streams.erase(id);
  });
  shared_->streams[id] = stream;
  const MonoTime now = Clock::Real().MonoNow();
  shared_->deadline = now + timeout;
  shared_->next_report = now;
  shared_->rest_ended = false;
  shared_->changed.SignalAll();
  return stream;
}

void DrainWatch::EndTheRest() {
  fleet_.PostToAll(
      [](size_t, RelayLoopContext& context) {
        context.core.sessions().EndAll("DRAINED", context.now, context.sockets);
        std::vector<SocketId> sockets;
        for (const Allocation* allocation :
             context.core.turn().allocations().All()) {
          sockets.push_back(allocation->relay_socket());
        }
        for (const SocketId socket : sockets) {
          context.core.turn().Delete(socket, context.now, context.sockets);
        }
      },
      [](const absl::Status&) {});  // asked for again with the next report
}

void DrainWatch::Run() {
  while (true) {
    bool end_rest = false;
    {
      absl::MutexLock lock(&shared_->mutex);
      if (shared_->stopping) return;
      const MonoTime now = Clock::Real().MonoNow();
      const MonoTime next =
          shared_->streams.empty() && shared_->rest_ended
              ? MonoTime::InfiniteFuture()
              : std::min(shared_->next_report, shared_->rest_ended
                                                   ? MonoTime::InfiniteFuture()
                                                   : shared_->deadline);
      if (next > now) {
        shared_->changed.WaitWithTimeout(&shared_->mutex, next - now);
        continue;
      }
      end_rest = shared_->deadline <= now;
      shared_->rest_ended = shared_->rest_ended || end_rest;
      shared_->next_report = now + kInterval;
    }
    // A full mailbox may have refused it: once more with each report.
    if (end_rest) EndTheRest();
    CollectReports(fleet_,
                   [shared = shared_](std::vector<RelayLoopReport> reports,
                                      const absl::Status& status) {
                     shared->OnReports(reports, status.ok());
                   });
  }
}

}  // namespace sallyport::media_relay
