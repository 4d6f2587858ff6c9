// Commands to one Redis server over TCP or TLS, on an event loop. hiredis
// writes commands and reads replies; connections are ours, as its packaged
// version knows no TLS.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_REDIS_CLIENT_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_REDIS_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/net/byte_stream.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/time/mono_time.h"
#include "services/common/tls/tls_context.h"

struct redisReader;

namespace sallyport::signaling_edge {

// What Redis answered, but for errors, which are statuses.
struct RedisReply {
  bool is_null = false;
  int64_t number = 0;                // of an integer
  std::string text;                  // of a string
  std::vector<RedisReply> elements;  // of an array
};

// Keeps one connection, with a new try after `min_backoff`, doubled up to
// `max_backoff`. While there is none, commands fail at once. A server that
// does not answer for `timeout` loses its connection, and everything that
// waited fails; whether that was done is then not known. Loop thread only.
class RedisClient final : private StreamHandler {
 public:
  using Done = std::function<void(absl::StatusOr<RedisReply>)>;
  using Addresses = std::vector<SocketAddress>;

  struct Options {
    std::string host;
    uint16_t port = 6379;
    std::shared_ptr<const TlsContext> tls;  // null: in clear
    std::string username;                   // of Redis 6 and later, or empty
    std::string password;                   // secret; empty: none is told
    absl::Duration timeout = absl::Seconds(1);
    absl::Duration min_backoff = absl::Milliseconds(100);
    absl::Duration max_backoff = absl::Seconds(2);
    size_t max_waiting = 20'000;
    // Where the host is; called for each new connection.
    std::function<void(std::function<void(absl::StatusOr<Addresses>)>)> resolve;
    // The connection can be used, or no longer.
    std::function<void(bool up)> on_state;
  };

  // Begins to connect with the loop's next turn. `loop` outlives it.
  RedisClient(EventLoop& loop, Options options);
  // Callbacks that are due never come.
  ~RedisClient() override;
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  // `done` is called once, never from within this call: UNAVAILABLE
  // (REGISTRY_UNAVAILABLE) without an answer, INTERNAL (REGISTRY_ERROR) when
  // Redis itself refuses.
  void Command(const std::vector<std::string>& words, Done done);

  bool up() const { return up_; }

 private:
  struct Waiting {
    Done done;
    MonoTime deadline;
  };

  void Dial();
  void OnOpen() override;
  void OnData(ByteSpan data) override;
  void OnEnd() override;
  void OnClosed(absl::Status reason) override;
  void OnTimer(MonoTime now);
  void Send(const std::vector<std::string>& words, Done done);
  void SetUp();
  void Later(Done done, std::string_view why);
  // Ends the connection and everything that waits on it.
  void Fail(const absl::Status& why);
  void Rearm();

  EventLoop& loop_;
  const Options options_;
  EventLoop::TimerId timer_;
  std::unique_ptr<ByteStream> stream_;
  redisReader* reader_ = nullptr;
  bool up_ = false;
  uint64_t dial_ = 0;  // which try; a late resolution is for an older one
  MonoTime next_try_;
  MonoTime next_ping_;
  absl::Duration backoff_;
  std::deque<Waiting> waiting_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_REDIS_CLIENT_H_
