// Streams of questions, each answered by the plan.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_ROUTE_STREAMS_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_ROUTE_STREAMS_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "sallyport/dialplan/v1/resolve_route.pb.h"
#include "services/common/metrics/metrics.h"

namespace sallyport::dialplan {

class RouteStream;

// Answers what is asked on a stream, in the order asked. While a message is on
// its way, further answers wait and then go together. A stream whose client
// does not read has at most `max_waiting` octets of answers waiting and one
// request in hand, and is read no further; it holds no thread meanwhile.
// Thread-safe.
class RouteStreams {
 public:
  struct Options {
    int max_questions = 100;  // in one request
    size_t max_waiting = 256 << 10;
    // A stream with much to answer lets others have the thread after that.
    absl::Duration turn = absl::Milliseconds(2);
    MetricsRegistry* metrics = nullptr;  // has kDialplanMetrics; may be null
  };
  // Answers one question, having checked that the caller may ask it. Called
  // for each, so that it is today's rights that count. Thread-safe.
  using Answer = std::function<
      absl::StatusOr<::sallyport::dialplan::v1::ResolveRouteResponse>(
          const ::sallyport::dialplan::v1::ResolveRouteRequest& question)>;
  using Reactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

  explicit RouteStreams(Options options);
  RouteStreams(const RouteStreams&) = delete;
  RouteStreams& operator=(const RouteStreams&) = delete;

  // Starts a stream, which ends by itself. Its messages are octets of
  // ResolveRoutesRequest and -Response.
  Reactor* Open(Answer answer);

  // Ends all streams with UNAVAILABLE, those that were asked something once
  // they have answered, and new ones at once.
  void Drain();
  size_t open_streams() const;

 private:
  friend class RouteStream;

  void Remove(const std::shared_ptr<RouteStream>& stream);

  const Options options_;
  GaugeFamily open_;
  CounterFamily questions_;
  mutable absl::Mutex mutex_;
  std::set<std::shared_ptr<RouteStream>> streams_ ABSL_GUARDED_BY(mutex_);
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_ROUTE_STREAMS_H_
