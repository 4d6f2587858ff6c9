// The streams of load and capacity to the edges, and the last sample for the
// issuer.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_RPC_LOAD_WATCH_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_RPC_LOAD_WATCH_H_

#include <cstddef>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/support/server_callback.h"
#include "sallyport/media_relay/v1/relay_status.pb.h"
#include "services/media_relay/io/relay_fleet.h"
#include "services/media_relay/rpc/load_report.h"

namespace sallyport::media_relay {

// One thread asks the loops when a stream wants to know, and once a second in
// any case. A stream has at most one message on its way: a slow edge gets the
// newest load, never a queue. Must outlive the gRPC server. Thread-safe.
class LoadWatch {
 public:
  using Reactor = grpc::ServerWriteReactor<v1::WatchLoadResponse>;

  // More streams are refused with RESOURCE_EXHAUSTED, TOO_MANY_STREAMS.
  static constexpr size_t kMaxStreams = 1000;

  // `fleet` outlives this. `session_target` is told as it is.
  LoadWatch(RelayFleet& fleet, RelayCapacity capacity,
            std::string session_target);
  ~LoadWatch();
  LoadWatch(const LoadWatch&) = delete;
  LoadWatch& operator=(const LoadWatch&) = delete;

  // A stream with a message at once and then every interval of `request`.
  // INVALID_ARGUMENT with INTERVAL_INVALID unless it is 100 ms to 1 minute.
  Reactor* Open(const v1::WatchLoadRequest& request);
  // A stream that ends with `status` at once.
  static Reactor* Refuse(const absl::Status& status);

  // Every stream is told now, as when a drain begins.
  void Tell();
  // Ends all streams with UNAVAILABLE, DRAINING.
  void End();

  // As of at most a second ago.
  v1::RelayLoad latest() const;

 private:
  class Stream;
  struct Shared;

  void Run();

  RelayFleet& fleet_;
  // Shared with samples under way on the loops.
  const std::shared_ptr<Shared> shared_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_RPC_LOAD_WATCH_H_
