// The connections of a GrpcLoopServer that one loop serves, once their
// handshake is done.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_GRPC_LOOP_CONNECTIONS_H_
#define SALLYPORT_SERVICES_COMMON_RPC_GRPC_LOOP_CONNECTIONS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/metrics/metrics.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/rank.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/caller_identity.h"
#include "services/common/rpc/grpc_connection.h"
#include "services/common/tls/tls_stream.h"

namespace sallyport {

// A method of a GrpcLoopServer.
struct GrpcLoopMethod {
  using Reply = std::function<void(absl::StatusOr<std::string> answer)>;
  // Answers one request by calling `reply` once: at once, which is what this
  // server is for, or later from any thread, for what would hold up the others.
  // Called on the thread of the loop that serves the connection; `caller` lives
  // until it returns. Its method was checked, its tenant is for the handler.
  using Handler = std::function<void(const CallerIdentity& caller,
                                     std::string request, Reply reply)>;

  std::string path;      // "/sallyport.dialplan.v1.DialplanService/GetPeer"
  bool streams = false;  // a stream of requests, each with one answer
  Handler handler;
  // Told +1 and -1 for each call, where the handler is called; may be null.
  std::function<void(int)> open;
};

// What the loops of one server have in common: constant while it serves, but
// for what counts. Thread-safe.
struct GrpcLoopService {
  const AccessPolicy* policy = nullptr;
  GrpcConnection::Options connection;
  std::vector<GrpcLoopMethod> methods;
  std::vector<std::optional<size_t>> labels;  // of each, in the policy's list
  absl::flat_hash_map<std::string, size_t> index_by_path;
  CounterFamily requests;
  HistogramFamily seconds;
  GaugeFamily open_connections;
  CounterFamily ended;
  std::atomic<size_t> open_calls = 0;
  std::atomic<size_t> connections = 0;  // those that shake hands included
};

// Counts a connection for as long as there is one, wherever it is.
// Thread-compatible.
class GrpcLoopCount {
 public:
  explicit GrpcLoopCount(std::shared_ptr<GrpcLoopService> service);
  ~GrpcLoopCount();
  GrpcLoopCount(const GrpcLoopCount&) = delete;
  GrpcLoopCount& operator=(const GrpcLoopCount&) = delete;

  // Also one of these from now on.
  void CountIn(std::shared_ptr<std::atomic<size_t>> place);

 private:
  const std::shared_ptr<GrpcLoopService> service_;
  std::shared_ptr<std::atomic<size_t>> place_;
};

// Each has its share of a turn. Loop thread only: made and destroyed there too,
// or while the loop does not run.
class GrpcLoopConnections {
 public:
  struct Options {
    // Theirs among what the loop serves.
    Rank rank = Rank::kFirst;
    // Of a turn, for the requests of one connection.
    absl::Duration share = absl::Microseconds(500);
    // Of a turn, for what was left of earlier ones, of all connections.
    absl::Duration share_of_rest = absl::InfiniteDuration();
    // EventLoop::SetBusyPoll() while there are any; zero: as it is.
    absl::Duration busy_poll = absl::ZeroDuration();
  };
  // One whose handshake is done. An error as its caller is what its calls are
  // answered with.
  struct Arrival {
    TlsStream::Moved stream;
    absl::StatusOr<CallerIdentity> caller = absl::UnknownError("");
    std::unique_ptr<GrpcLoopCount> count;
  };

  // `loop` outlives it, and is lent busy polling.
  static absl::StatusOr<std::unique_ptr<GrpcLoopConnections>> Create(
      EventLoop& loop, std::shared_ptr<GrpcLoopService> service,
      const Options& options);
  // Ends what is open. Later calls of a Reply do nothing.
  ~GrpcLoopConnections();
  GrpcLoopConnections(const GrpcLoopConnections&) = delete;
  GrpcLoopConnections& operator=(const GrpcLoopConnections&) = delete;

  void Serve(Arrival arrival);
  // Each, and each that comes, takes no further calls (GrpcConnection::Drain).
  void Drain();

  // How much a turn may write to one before it waits for the peer to read.
  static TlsStream::Options StreamOptions();

 private:
  class Connection;
  struct Answered {
    uint64_t connection = 0;
    int32_t call = 0;
    absl::StatusOr<std::string> answer;
  };
  struct Replies;

  GrpcLoopConnections(EventLoop& loop, std::shared_ptr<GrpcLoopService> service,
                      const Options& options);
  void OnAnswered(Answered answered);
  // Goes on with it when others have had their turn.
  void Later(uint64_t id);
  void RunLater();
  void Defer(void (GrpcLoopConnections::*task)());
  void Remove(uint64_t id);
  void ClearGone();

  EventLoop& loop_;
  const std::shared_ptr<GrpcLoopService> service_;
  const Options options_;
  std::shared_ptr<Replies> replies_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // for Defer()
  absl::flat_hash_map<uint64_t, std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> gone_;  // until the turn ends
  std::deque<uint64_t> later_;
  bool deferred_ = false;  // RunLater() is
  uint64_t next_connection_ = 1;
  bool draining_ = false;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_GRPC_LOOP_CONNECTIONS_H_
