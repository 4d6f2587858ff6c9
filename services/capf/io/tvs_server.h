// The Trust Verification Service: TCP 2445, TLS with our certificate only.

#ifndef SALLYPORT_SERVICES_CAPF_IO_TVS_SERVER_H_
#define SALLYPORT_SERVICES_CAPF_IO_TVS_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/capf/io/trust_vouching.h"
#include "services/capf/io/work_thread.h"
#include "services/common/metrics/metrics.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/mailbox.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/tcp_listener.h"
#include "services/common/random/random_source.h"
#include "services/common/rate_limit/gcra.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/tls/tls_context.h"

namespace sallyport::capf {

// Phones ask one question and go, or stay for a few. Nothing they say is
// believed: an answer is about the certificate alone. One question of a
// connection is worked on at a time; the rest waits in the socket. All methods
// but SetTls belong to the loop thread.
class TvsServer {
 public:
  struct Options {
    SocketAddress address;
    std::shared_ptr<const TlsContext> tls;
    size_t max_connections = 4000;
    // Connections from one address.
    GcraLimit per_source = GcraLimit::PerSecond(20, 100);
    // Without a whole question.
    absl::Duration idle_timeout = absl::Seconds(30);
  };

  // All but `options` must outlive this object; `work` must have stopped
  // before it goes. `vouching` is used on the work thread only.
  static absl::StatusOr<std::unique_ptr<TvsServer>> Create(
      EventLoop& loop, Options options, TrustVouching& vouching,
      WorkThread& work, RandomSource& random, MetricsRegistry& metrics);
  ~TvsServer();

  int port() const { return port_; }
  // New connections get this certificate. Thread-safe.
  absl::Status SetTls(std::shared_ptr<const TlsContext> tls);

 private:
  class Connection;
  using Task = std::function<void()>;
  using Id = uint64_t;

  TvsServer(EventLoop& loop, Options options, TrustVouching& vouching,
            WorkThread& work, RandomSource& random, MetricsRegistry& metrics);

  void OnAccept(UniqueFd fd, const SocketAddress& peer);
  void OnData(Id id, ByteSpan data);
  // Works on the next whole question of the connection, if there is one.
  void Next(Id id);
  void OnAnswer(Id id, const std::string& wire);
  void Erase(Id id);

  EventLoop& loop_;
  Options options_;
  TrustVouching& vouching_;
  WorkThread& work_;
  GcraTable sources_;
  CounterFamily answers_total_;
  EventLoop::TimerId timer_;
  std::unique_ptr<Mailbox<Task>> mailbox_;
  std::unique_ptr<TcpListener> listener_;
  int port_ = 0;
  Id next_ = 1;
  absl::flat_hash_map<Id, std::unique_ptr<Connection>> connections_;
  DeadlineQueue<Id> idle_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_TVS_SERVER_H_
