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
  // EventLoop::SetBusyPoll().
  absl::Duration busy_poll = absl::ZeroDuration();
  // The processor that the loop runs on; unset: any.
  std::optional<int> cpu;
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
  using Reply = std::function<void(absl::StatusOr<std::string> answer)>;
  // Answers one request by calling `reply` once: at once, which is what this
  // server is for, or later from any thread, for what would hold up the others.
  // Called on the loop's thread; `caller` lives until it returns. Its method
  // was checked, its tenant is for the handler.
  using Handler = std::function<void(const CallerIdentity& caller,
                                     std::string request, Reply reply)>;
  struct Method {
    std::string path;      // "/sallyport.dialplan.v1.DialplanService/GetPeer"
    bool streams = false;  // a stream of requests, each with one answer
    Handler handler;
    // Told +1 and -1 for each call; may be null.
    std::function<void(int)> open;
  };

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
  // calls (GrpcConnection::Drain).
  void Drain();
  // Of all connections.
  size_t open_calls() const { return open_calls_; }

 private:
  class Connection;
  struct Answered {
    uint64_t connection = 0;
    int32_t call = 0;
    absl::StatusOr<std::string> answer;
  };
  struct Replies;

  explicit GrpcLoopServer(const GrpcLoopServerOptions& options);
  absl::Status Listen(std::vector<Method> methods);
  void AddHealth();
  void Serve();
  void OnAccept(UniqueFd fd, const SocketAddress& peer);
  void OnAnswered(Answered answered);
  void Remove(uint64_t id);
  void DrainOnLoop();

  const GrpcLoopServerOptions options_;
  std::unique_ptr<WatchedTlsContext> tls_;
  std::vector<Method> methods_;
  std::vector<size_t> labels_;  // of each method, in the policy's list
  absl::flat_hash_map<std::string, size_t> index_by_path_;
  CounterFamily requests_;
  HistogramFamily seconds_;
  GaugeFamily open_connections_;
  CounterFamily ended_;
  int port_ = 0;

  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<TcpListener> listener_;
  std::unique_ptr<Mailbox<std::function<void()>>> tasks_;
  std::shared_ptr<Replies> replies_;
  std::atomic<size_t> open_calls_ = 0;
  // The loop's thread's own while it runs.
  absl::flat_hash_map<uint64_t, std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> gone_;  // until the turn ends
  uint64_t next_connection_ = 1;
  bool draining_ = false;
  std::thread thread_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_GRPC_LOOP_SERVER_H_
