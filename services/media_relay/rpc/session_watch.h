// The streams of WatchSessions: what happens to sessions, to those who want to
// know.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_RPC_SESSION_WATCH_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_RPC_SESSION_WATCH_H_

#include <cstddef>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "grpcpp/support/server_callback.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "services/media_relay/core/session_table.h"
#include "services/media_relay/io/relay_fleet.h"

namespace sallyport::media_relay {

// Each stream begins with the sessions that live at that moment, loop by loop,
// and then misses nothing: a loop's events follow its present sessions. Its
// thread asks for statistics. Must outlive the loops and the gRPC server.
// Thread-safe.
class SessionWatch {
 public:
  using Reactor = grpc::ServerWriteReactor<v1::WatchSessionsResponse>;

  // More streams are refused with RESOURCE_EXHAUSTED, TOO_MANY_STREAMS.
  static constexpr size_t kMaxStreams = 1000;
  // Messages that may wait on one stream.
  static constexpr size_t kMaxWaiting = 50000;

  SessionWatch();
  ~SessionWatch();
  SessionWatch(const SessionWatch&) = delete;
  SessionWatch& operator=(const SessionWatch&) = delete;

  // Once, before the first Open(). `fleet` lives until Stop().
  void Start(RelayFleet& fleet);
  // No more is asked of the fleet.
  void Stop();

  // On a loop's thread.
  void OnNotice(size_t loop, const SessionNotice& notice);

  // `tenant` empty: of all. INVALID_ARGUMENT with INTERVAL_INVALID unless the
  // interval is none or 1 s to 1 hour.
  Reactor* Open(const std::string& tenant,
                const v1::WatchSessionsRequest& request);
  static Reactor* Refuse(const absl::Status& status);
  // Ends all streams with UNAVAILABLE, DRAINING.
  void End();

 private:
  struct Shared;

  void Run();

  RelayFleet* fleet_ = nullptr;
  // Shared with commands under way on the loops.
  const std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_RPC_SESSION_WATCH_H_
