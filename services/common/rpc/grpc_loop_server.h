// gRPC for the few methods whose answer takes microseconds: real HTTP/2 over
// mutual TLS on one event loop of ours, run to completion, without the threads
// and queues of the gRPC library, which cost a call more than its answer
// (services/adr/0005). All else is GrpcServer's.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_GRPC_LOOP_SERVER_H_
#define SALLYPORT_SERVICES_COMMON_RPC_GRPC_LOOP_SERVER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "services/common/metrics/metrics.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/mailbox.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/tcp_listener.h"
#include "services/common/net/unique_fd.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/caller_identity.h"
#include "services/common/rpc/grpc_connection.h"
#include "services/common/rpc/grpc_loop_connections.h"
#include "services/common/tls/watched_context.h"

namespace sallyport {

struct GrpcLoopServerOptions {
  // "0.0.0.0:7011"; port 0 takes a free one.
  std::string listen_address;
  // Where certificate, key and roots are, and how often they are looked at.
  common::config::v1::TlsFiles tls;
  absl::Duration tls_refresh = absl::Seconds(5);
  // Outlives the server.
  const AccessPolicy* policy = nullptr;
  // What grpc.health.v1.Health/Check answers of a name; nullopt: NOT_FOUND.
  // Thread-safe.
  std::function<std::optional<bool>(std::string_view name)> health;
  // Has kRpcMetrics and kGrpcLoopMetrics; null: nothing is counted.
  MetricsRegistry* metrics = nullptr;
  // EventLoop::SetBusyPoll() of the loops that serve connections, while they
  // have any.
  absl::Duration busy_poll = absl::ZeroDuration();
  // The processor that the server's own loop runs on; unset: any.
  std::optional<int> cpu;
  // Loops of other work that serve connections beside it, so that a handler
  // runs on the thread that it would have to wake else. Each by what runs a
  // task on its thread, or refuses to at the time; they run until the server
  // has ended. The server's own loop then accepts, shakes hands, and serves
  // those who may call none of the methods; others go to the loop that has the
  // fewest, and there come last and for a bounded part of a turn. Empty: its
  // own loop serves all.
  using Host =
      std::function<absl::Status(std::function<void(EventLoop&)> task)>;
  std::vector<Host> hosts;
  // Further connections are closed at once.
  size_t max_connections = 1000;
  GrpcConnection::Options connection;
};

// Beside its methods it answers grpc.health.v1.Health/Check. Callers are known
// by AccessPolicy from their certificate, as they are to GrpcServer, and
// refused for the same reasons; a method of the policy that is not one of ours
// is UNIMPLEMENTED, reason METHOD_NOT_IMPLEMENTED. Thread-safe.
class GrpcLoopServer {
 public:
  using Method = GrpcLoopMethod;
  using Handler = GrpcLoopMethod::Handler;
  using Reply = GrpcLoopMethod::Reply;

  // Listens, and serves on a thread of its own. INVALID_ARGUMENT when the TLS
  // files are unusable, UNAVAILABLE with the reason ADDRESS_NOT_BOUND.
  static absl::StatusOr<std::unique_ptr<GrpcLoopServer>> Start(
      const GrpcLoopServerOptions& options, std::vector<Method> methods);
  // Ends what is open. Later calls of a Reply do nothing.
  ~GrpcLoopServer();
  GrpcLoopServer(const GrpcLoopServer&) = delete;
  GrpcLoopServer& operator=(const GrpcLoopServer&) = delete;

  int port() const { return port_; }

  // Takes no further connections, and on each of those there are no further
  // calls (GrpcConnection::Drain). A loop that has too much to do is not told:
  // to be called again until there are no open calls.
  void Drain();
  // Of all connections.
  size_t open_calls() const { return service_->open_calls; }

 private:
  class Handshake;
  // A loop of other work. What it serves is its thread's own.
  struct Place {
    GrpcLoopServerOptions::Host run;
    std::shared_ptr<std::atomic<size_t>> count =
        std::make_shared<std::atomic<size_t>>(0);
    std::unique_ptr<GrpcLoopConnections> connections;
  };

  explicit GrpcLoopServer(const GrpcLoopServerOptions& options);
  absl::Status Listen(std::vector<Method> methods);
  absl::Status OpenPlaces();
  void AddHealth();
  void Serve();
  void OnAccept(UniqueFd fd, const SocketAddress& peer);
  bool MayCallAny(const CallerIdentity& caller) const;
  // To who shall serve it.
  void HandOver(GrpcLoopConnections::Arrival arrival);
  void Remove(uint64_t handshake);
  void DrainOnLoop();

  const GrpcLoopServerOptions options_;
  const std::shared_ptr<GrpcLoopService> service_ =
      std::make_shared<GrpcLoopService>();
  std::unique_ptr<WatchedTlsContext> tls_;
  int port_ = 0;

  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<TcpListener> listener_;
  std::unique_ptr<Mailbox<std::function<void()>>> tasks_;
  std::vector<std::unique_ptr<Place>> places_;
  // The loop's thread's own while it runs.
  std::unique_ptr<GrpcLoopConnections> own_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Handshake>> handshakes_;
  std::vector<std::unique_ptr<Handshake>> gone_;  // until the turn ends
  uint64_t next_handshake_ = 1;
  std::thread thread_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_GRPC_LOOP_SERVER_H_
