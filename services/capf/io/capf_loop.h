// The CAPF port: TCP 3804, TLS with our certificate, one core for all phones.

#ifndef SALLYPORT_SERVICES_CAPF_IO_CAPF_LOOP_H_
#define SALLYPORT_SERVICES_CAPF_IO_CAPF_LOOP_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/capf/core/capf_core.h"
#include "services/capf/io/ledger_step.h"
#include "services/capf/io/metrics_table.h"
#include "services/capf/io/registration_authority.h"
#include "services/capf/io/work_pool.h"
#include "services/common/metrics/metrics.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/mailbox.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/tcp_listener.h"
#include "services/common/random/random_source.h"
#include "services/common/tls/tls_context.h"

namespace sallyport::capf {

// Phones wait here while their keys are made, so a connection must stay small:
// a TLS session, and the few octets of a message that is not whole yet. All
// methods but the two marked belong to the loop thread.
class CapfLoop {
 public:
  struct Options {
    SocketAddress address;
    CapfCoreOptions core;
    std::shared_ptr<const TlsContext> tls;
    // From the END_SESSION until the phone must have closed.
    absl::Duration linger = absl::Seconds(5);
  };

  // All but `options` must outlive this object; `work` must have stopped
  // before it goes. `registration` is used on its threads.
  static absl::StatusOr<std::unique_ptr<CapfLoop>> Create(
      EventLoop& loop, Options options, RegistrationAuthority& registration,
      WorkPool& work, RandomSource& random, MetricsRegistry& metrics);
  ~CapfLoop();

  int port() const { return port_; }

  // New connections get this certificate. Thread-safe.
  absl::Status SetTls(std::shared_ptr<const TlsContext> tls);
  // Runs `task` on the loop. Thread-safe.
  absl::Status Post(std::function<void()> task);
  // No more connections are accepted; those there go on. Thread-safe.
  absl::Status StopAccepting();
  // Connections that are open. Thread-safe.
  size_t open_connections() const { return open_; }

 private:
  class Connection;
  using Task = std::function<void()>;

  CapfLoop(EventLoop& loop, Options options,
           RegistrationAuthority& registration, WorkPool& work,
           RandomSource& random, MetricsRegistry& metrics);

  void OnAccept(UniqueFd fd, const SocketAddress& peer);
  void OnSecured(ConnectionId id);
  void OnData(ConnectionId id, ByteSpan data);
  void OnClosed(ConnectionId id, bool secured);
  void OnTimer(MonoTime now);
  // Performs what the core asked, counts, and arms the timer.
  void Perform(const CapfCore::Actions& actions);
  void PerformOne(ConnectionId id, const CapfSession::Action& action);
  // Half-closes after `last`, if that is not empty; the phone has to close too.
  void Close(ConnectionId id, const std::string& last);
  // What is done for a phone on threads of `work_`: the first step; the last
  // one calls `answer` with what is to be run here.
  using Answer = std::function<void(Task)>;
  using Job = std::function<LedgerStep(Answer answer)>;
  struct Order {
    Job job;
    Task if_busy;  // instead, if there is too much work
  };
  // Runs the orders of one connection one after the other.
  void Work(ConnectionId id, Job job, Task if_busy);
  void Begin(ConnectionId id, Order order);
  // The order under way has come to its end.
  void OnWorked(ConnectionId id);
  void Arm();
  void Count();
  void Erase(ConnectionId id);

  EventLoop& loop_;
  Options options_;
  RegistrationAuthority& registration_;
  WorkPool& work_;
  CapfCore core_;
  CounterFamily connections_total_;
  GaugeFamily open_gauge_;
  CounterFamily sessions_total_;
  CounterFamily admissions_total_;
  CapfCore::Stats counted_;
  EventLoop::TimerId timer_;
  std::unique_ptr<Mailbox<Task>> mailbox_;
  std::unique_ptr<TcpListener> listener_;
  int port_ = 0;
  ConnectionId next_ = 1;
  absl::flat_hash_map<ConnectionId, std::unique_ptr<Connection>> connections_;
  // Connections with an order under way, and those that wait for its end.
  absl::flat_hash_map<ConnectionId, std::deque<Order>> working_;
  // Told the end, and waiting for the phone to close.
  DeadlineQueue<ConnectionId> lingering_;
  std::atomic<size_t> open_ = 0;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_CAPF_LOOP_H_
