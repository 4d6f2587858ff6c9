// gRPC calls to services of ours, for those that make thousands a second, and
// the streams that tell as much: HTTP/2 over mutual TLS on one event loop,
// without the threads and queues of the gRPC library (services/adr/0005). All
// else calls by client_channel.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_GRPC_LOOP_CLIENT_H_
#define SALLYPORT_SERVICES_COMMON_RPC_GRPC_LOOP_CLIENT_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/mailbox.h"
#include "services/common/net/name_lookup.h"
#include "services/common/net/rank.h"
#include "services/common/net/socket_address.h"
#include "services/common/tls/watched_context.h"

namespace sallyport {

// To several servers by one thread, or by that of a loop that is there. A
// server is connected to when it is first called, and again after a failure,
// with backoff; as long as it cannot be reached, calls to it fail at once.
// Where a name has several addresses, they are tried in turn. A certificate or
// key that changes on disk is used by the next connection. A server that asks
// to be left (GOAWAY) gets no further calls there, and those it refused are
// made again elsewhere. Thread-safe, unless it is On() a loop.
class GrpcLoopClient {
 public:
  struct Server {
    // "host:port"; an IPv6 address in brackets. "dns:///" in front is ignored.
    std::string target;
    // The URI SAN that it must show, octet for octet.
    std::string expected_identity;
  };
  struct Options {
    std::vector<Server> servers;
    // Where our certificate and key and the roots are.
    common::config::v1::TlsFiles tls;
    absl::Duration tls_refresh = absl::Seconds(5);
    absl::Duration connect_timeout = absl::Seconds(1);  // for each address
    absl::Duration first_backoff = absl::Milliseconds(200);
    absl::Duration max_backoff = absl::Seconds(5);
    // A connection with nothing heard for so long is asked, and ended if it
    // says nothing for as long again.
    absl::Duration keepalive = absl::Seconds(10);
    size_t max_waiting = 100'000;  // calls that have no answer yet
  };
  // The answer's octets. Once, on the client's thread, which it must not hold
  // up, and not before Call() returns; but when the mailbox of the thread is
  // full, within Call() (RESOURCE_EXHAUSTED, TOO_MANY_CALLS). Errors are the
  // server's (FromGrpc), or DEADLINE_EXCEEDED with reason CALL_TIMEOUT,
  // UNAVAILABLE with SERVER_UNREACHABLE, CALL_RESET or HTTP_STATUS,
  // RESOURCE_EXHAUSTED with TOO_MANY_CALLS, CANCELLED.
  using Done = std::function<void(absl::StatusOr<std::string> answer)>;

  // A server stream that is to stay open. All is called on the client's thread,
  // which it must not hold up.
  struct Stream {
    std::string path;
    // The octets to begin with; asked for anew at each attempt, so that they
    // can name the version held by now.
    std::function<std::string()> request;
    // An error ends this attempt: the stream is opened again.
    std::function<absl::Status(std::string_view message)> on_message;
    // True with the first message of an attempt, false when it has ended;
    // `why` is then what the server said, the connection, or on_message.
    std::function<void(bool connected, const absl::Status& why)> on_state;
    // Between attempts; doubled each time, and starts over after a message.
    absl::Duration first_backoff = absl::Milliseconds(100);
    absl::Duration max_backoff = absl::Seconds(5);
  };

  // INVALID_ARGUMENT when the TLS files or a target are unusable.
  static absl::StatusOr<std::unique_ptr<GrpcLoopClient>> Start(Options options);
  // The same servers, called on `loop` by connections of its own, with neither
  // a thread nor a mailbox between: Loop thread only. `loop` outlives it, and
  // serves the connections at `rank`.
  std::unique_ptr<GrpcLoopClient> On(EventLoop& loop,
                                     Rank rank = Rank::kFirst) const;
  // What has no answer by now ends with CANCELLED, before this returns. A name
  // that is being looked up is waited for.
  ~GrpcLoopClient();
  // The same, before the end: nothing is called back any more, and Call and
  // Watch must not be.
  void Stop();
  GrpcLoopClient(const GrpcLoopClient&) = delete;
  GrpcLoopClient& operator=(const GrpcLoopClient&) = delete;

  // `server` is an index of Options::servers. `path` as in
  // "/sallyport.media_relay.v1.MediaRelayService/CreateSession".
  void Call(size_t server, std::string_view path, std::string request,
            absl::Duration timeout, Done done);
  // From now on calls of `server` go to `target`, where the same server answers
  // them too, whenever there is a connection to it; else where they would go,
  // without waiting for one. Empty: no longer. Streams stay where they are. Of
  // one On() a loop.
  void Prefer(size_t server, const std::string& target);
  // Sends what was asked since, which else goes when the loop's turn is over.
  // Of one On() a loop; not within what it calls back.
  void Flush();
  // Opens the stream, and again whenever it ends, as long as this lives.
  void Watch(size_t server, Stream stream);

 private:
  class Connection;
  struct Watched;
  class Channel;
  struct Ask;
  // By identity, as several servers share one.
  using Contexts =
      absl::flat_hash_map<std::string, std::unique_ptr<WatchedTlsContext>>;

  GrpcLoopClient(Options options, std::shared_ptr<const Contexts> tls,
                 EventLoop& loop, Rank rank);
  static absl::StatusOr<std::shared_ptr<const Contexts>> ContextsOf(
      const Options& options);
  absl::Status Begin();
  bool has_thread() const { return own_loop_ != nullptr; }
  void Take(Ask ask);
  // When what runs has returned, or at the end.
  void Later(std::function<void()> task);
  void RunLater();

  const Options options_;
  const std::shared_ptr<const Contexts> tls_;
  std::unique_ptr<EventLoop> own_loop_;  // null: On() another's
  EventLoop* loop_;
  const Rank rank_;
  std::vector<std::unique_ptr<Channel>> channels_;
  std::vector<std::unique_ptr<Channel>> preferred_;  // null: none
  std::vector<std::unique_ptr<Channel>> left_;       // until their calls end
  std::vector<std::unique_ptr<Connection>> gone_;    // until the turn ends
  std::vector<std::function<void()>> later_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  std::unique_ptr<NameLookup> names_;  // null until a name is looked up
  // Null without a thread.
  std::unique_ptr<Mailbox<Ask>> asks_;
  std::unique_ptr<Mailbox<std::shared_ptr<Watched>>> watches_;
  std::thread thread_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_GRPC_LOOP_CLIENT_H_
