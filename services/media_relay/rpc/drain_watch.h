// Draining by command: no new work, progress on every stream, and an end for
// whatever lives when the time is over.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_RPC_DRAIN_WATCH_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_RPC_DRAIN_WATCH_H_

#include <functional>
#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/support/server_callback.h"
#include "sallyport/media_relay/v1/relay_status.pb.h"
#include "services/media_relay/io/relay_fleet.h"

namespace sallyport::media_relay {

// The drain goes on when its caller leaves; a second call sets its time anew
// and hears the same progress. Once drained the relay stays so until it is
// ended. Must outlive the gRPC server. Thread-safe.
class DrainWatch {
 public:
  using Reactor = grpc::ServerWriteReactor<v1::DrainResponse>;

  // Between two messages.
  static constexpr absl::Duration kInterval = absl::Seconds(1);

  struct Options {
    // When a request names no time.
    absl::Duration timeout = absl::Minutes(1);
    // Stops new work on all loops, as SIGTERM does.
    std::function<void()> begin;
  };

  // `fleet` outlives this.
  DrainWatch(RelayFleet& fleet, Options options);
  ~DrainWatch();
  DrainWatch(const DrainWatch&) = delete;
  DrainWatch& operator=(const DrainWatch&) = delete;

  // INVALID_ARGUMENT with TIMEOUT_INVALID when it is negative or over a day.
  Reactor* Open(const v1::DrainRequest& request);
  static Reactor* Refuse(const absl::Status& status);

 private:
  struct Shared;

  void Run();
  void EndTheRest();

  RelayFleet& fleet_;
  const Options options_;
  const std::shared_ptr<Shared> shared_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_RPC_DRAIN_WATCH_H_
