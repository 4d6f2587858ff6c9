#include "services/capf/io/capf_loop.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "services/common/bytes/byte_span.h"
#include "services/common/log/log.h"
#include "services/common/net/byte_stream.h"
#include "services/common/status/status_macros.h"
#include "services/common/tls/tls_stream.h"

namespace sallyport::capf {
namespace {

// Small: a phone is sent one certificate at most.
constexpr size_t kMaxWriteBuffer = 128 * 1024;
// Answers of the work thread, and a few commands.
constexpr size_t kMailboxCapacity = 100000;

}  // namespace

// One phone's stream, which tells the loop under its id.
class CapfLoop::Connection final : public StreamHandler {
 public:
  Connection(CapfLoop& owner, ConnectionId id) : owner_(owner), id_(id) {}

  void OnOpen() override {
    secured_ = true;
    owner_.OnSecured(id_);
  }
  void OnData(ByteSpan data) override { owner_.OnData(id_, data); }
  void OnEnd() override { owner_.OnClosed(id_, secured_); }
  void OnClosed(absl::Status) override { owner_.OnClosed(id_, secured_); }

  std::unique_ptr<TlsStream> stream;

 private:
  CapfLoop& owner_;
  const ConnectionId id_;
  bool secured_ = false;
};

CapfLoop::CapfLoop(EventLoop& loop, Options options,
                   RegistrationAuthority& registration, WorkPool& work,
                   RandomSource& random, MetricsRegistry& metrics)
    : loop_(loop),
      options_(std::move(options)),
      registration_(registration),
      work_(work),
      core_(options_.core, random),
      connections_total_(metrics.Counter(kCapfConnectionsTotal)),
      open_gauge_(metrics.Gauge(kCapfOpenConnections)),
      sessions_total_(metrics.Counter(kCapfSessionsTotal)),
      admissions_total_(metrics.Counter(kCapfAdmissionsTotal)),
      timer_(loop.AddTimer([this](MonoTime now) { OnTimer(now); })) {}

CapfLoop::~CapfLoop() { loop_.RemoveTimer(timer_); }

absl::StatusOr<std::unique_ptr<CapfLoop>> CapfLoop::Create(
    EventLoop& loop, Options options, RegistrationAuthority& registration,
    WorkPool& work, RandomSource& random, MetricsRegistry& metrics) {
  std::unique_ptr<CapfLoop> self(new CapfLoop(
      loop, std::move(options), registration, work, random, metrics));
  SP_ASSIGN_OR_RETURN(
      self->mailbox_,
      Mailbox<Task>::Create(loop, kMailboxCapacity, [](Task task) { task(); }));
  CapfLoop* raw = self.get();
  SP_ASSIGN_OR_RETURN(
      self->listener_,
      TcpListener::Listen(loop, raw->options_.address, {},
                          [raw](UniqueFd fd, const SocketAddress& peer) {
                            raw->OnAccept(std::move(fd), peer);
                          }));
  self->port_ = self->listener_->local_address().port();
  return self;
}

absl::Status CapfLoop::SetTls(std::shared_ptr<const TlsContext> tls) {
  return mailbox_->Send([this, tls = std::move(tls)]() mutable {
    options_.tls = std::move(tls);
  });
}

absl::Status CapfLoop::Post(std::function<void()> task) {
  return mailbox_->Send(std::move(task));
}

absl::Status CapfLoop::StopAccepting() {
  return mailbox_->Send([this] { listener_.reset(); });
}

void CapfLoop::OnAccept(UniqueFd fd, const SocketAddress& peer) {
  const ConnectionId id = next_++;
  const CapfCore::Actions refused =
      core_.OnConnected(id, peer.Canonical().IpText(), loop_.now());
  if (!refused.empty()) {
    // At a limit: the descriptor closes as it goes out of scope.
    Count();
    return;
  }
  auto connection = std::make_unique<Connection>(*this, id);
  TlsStream::Options stream_options;
  stream_options.tcp.max_write_buffer = kMaxWriteBuffer;
  stream_options.handshake_timeout = options_.core.session.pre_auth_timeout;
  absl::StatusOr<std::unique_ptr<TlsStream>> stream = TlsStream::Accept(
      loop_, std::move(fd), peer, options_.tls, stream_options, *connection);
  if (!stream.ok()) {
    Perform(core_.OnClosed(id, loop_.now()));
    return;
  }
  connection->stream = *std::move(stream);
  connections_.emplace(id, std::move(connection));
  open_ = connections_.size();
  Perform({});
}

void CapfLoop::OnSecured(ConnectionId id) {
  Perform(core_.OnSecured(id, loop_.now()));
}

void CapfLoop::OnData(ConnectionId id, ByteSpan data) {
  Perform(core_.OnData(id, data, loop_.now()));
}

void CapfLoop::OnClosed(ConnectionId id, bool secured) {
  if (!secured) connections_total_.Increment(ConnectionResult::kTlsFailed);
  Perform(core_.OnClosed(id, loop_.now()));
  Erase(id);
}

void CapfLoop::OnTimer(MonoTime now) {
  Perform(core_.OnDeadline(now));
  while (const std::optional<ConnectionId> id = lingering_.PopExpired(now)) {
    Erase(*id);
  }
  Arm();
}

void CapfLoop::Arm() {
  loop_.SetTimer(timer_, std::min(core_.deadline(), lingering_.next()));
}

void CapfLoop::Erase(ConnectionId id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  lingering_.Erase(id);
  // The handler may be what is calling us, so it goes at the turn's end.
  std::shared_ptr<Connection> gone = std::move(it->second);
  gone->stream->Close();
  connections_.erase(it);
  open_ = connections_.size();
  open_gauge_.Set(static_cast<double>(connections_.size()));
  loop_.Defer([gone] {});
  Arm();
}

void CapfLoop::Count() {
  const CapfCore::Stats& now = core_.stats();
  connections_total_.Add(
      static_cast<double>(now.connections - counted_.connections),
      ConnectionResult::kAccepted);
  connections_total_.Add(
      static_cast<double>(now.refused_limit - counted_.refused_limit),
      ConnectionResult::kLimited);
  sessions_total_.Add(static_cast<double>(now.ended_ok - counted_.ended_ok),
                      SessionEnd::kOk);
  sessions_total_.Add(
      static_cast<double>(now.ended_no_action - counted_.ended_no_action),
      SessionEnd::kNoAction);
  sessions_total_.Add(
      static_cast<double>(now.ended_declined - counted_.ended_declined),
      SessionEnd::kDeclined);
  sessions_total_.Add(
      static_cast<double>(now.ended_without_word - counted_.ended_without_word),
      SessionEnd::kSilent);
  counted_ = now;
  open_gauge_.Set(static_cast<double>(connections_.size()));
}

void CapfLoop::Perform(const CapfCore::Actions& actions) {
  for (size_t i = 0; i < actions.size(); ++i) {
    const ConnectionId id = actions[i].connection;
    const auto* const send = std::get_if<CapfSession::Send>(&actions[i].action);
    if (send != nullptr && i + 1 < actions.size() &&
        actions[i + 1].connection == id &&
        std::holds_alternative<CapfSession::Close>(actions[i + 1].action)) {
      // The last word and the end of the stream are one segment.
      Close(id, send->wire);
      ++i;
    } else {
      PerformOne(id, actions[i].action);
    }
  }
  Count();
  Arm();
}

void CapfLoop::Close(ConnectionId id, const std::string& last) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  if (last.empty()) {
    it->second->stream->Finish();
  } else if (!it->second->stream->FinishWith(AsBytes(last)).ok()) {
    Erase(id);
    return;
  }
  lingering_.Set(id, loop_.now() + options_.linger);
}

void CapfLoop::Work(ConnectionId id, Job job, Task if_busy) {
  Order order{std::move(job), std::move(if_busy)};
  const auto [it, free] = working_.try_emplace(id);
  if (free) {
    Begin(id, std::move(order));
  } else {
    it->second.push_back(std::move(order));
  }
}

void CapfLoop::Begin(ConnectionId id, Order order) {
  const absl::Status posted =
      work_.Post([this, id, job = std::move(order.job)] {
        const Answer answer = [this, id](Task task) {
          // The mailbox holds more than one answer per connection that there
          // can be, so a full one means that this loop is stuck or stopping.
          mailbox_
              ->Send([this, id, task = std::move(task)] {
                OnWorked(id);
                if (task) task();
              })
              .IgnoreError();
        };
        TakeStepsOn(work_, registration_.ledger(), job(answer));
      });
  if (posted.ok()) return;
  // At the end of this turn.
  loop_.Defer([this, id, if_busy = std::move(order.if_busy)] {
    OnWorked(id);
    if (if_busy) if_busy();
  });
}

void CapfLoop::OnWorked(ConnectionId id) {
  const auto it = working_.find(id);
  if (it->second.empty()) {
    working_.erase(it);
    return;
  }
  Order next = std::move(it->second.front());
  it->second.pop_front();
  Begin(id, std::move(next));
}

void CapfLoop::PerformOne(ConnectionId id, const CapfSession::Action& action) {
  const auto it = connections_.find(id);
  const auto admitted = [this, id](const Admission& admission) {
    Perform(core_.OnAdmission(id, admission, loop_.now()));
  };
  const auto issued = [this, id](const absl::StatusOr<IssuedLsc>& lsc) {
    Perform(core_.OnIssued(id, lsc, loop_.now()));
  };
  const auto recorded = [this, id](const absl::Status& status) {
    Perform(core_.OnRecorded(id, status, loop_.now()));
  };
  const auto not_recorded = [recorded] {
    recorded(absl::UnavailableError("busy"));
  };
  if (const auto* send = std::get_if<CapfSession::Send>(&action)) {
    if (it == connections_.end()) return;
    // One write for header and payload: phones stall on a split one.
    if (!it->second->stream->Write(AsBytes(send->wire)).ok()) Erase(id);
  } else if (std::holds_alternative<CapfSession::Close>(action)) {
    Close(id, {});
  } else if (const auto* auth =
                 std::get_if<CapfSession::Authenticate>(&action)) {
    Work(
        id,
        [this, admitted,
         claim = std::make_shared<CapfMessage>(auth->claim)](Answer answer) {
          return registration_.Admit(
              *claim, [this, admitted, claim, answer](Admission admission) {
                admissions_total_.Increment(admission.verdict);
                answer([admitted, admission = std::move(admission)] {
                  admitted(admission);
                });
                return LedgerStep();
              });
        },
        [admitted] { admitted({}); });
  } else if (const auto* issue = std::get_if<CapfSession::IssueLsc>(&action)) {
    Work(
        id,
        [this, issued, order = *issue](Answer answer) {
          return registration_.IssueLsc(
              order.enrollment, order.protocol_version, order.spki,
              [issued, answer](absl::StatusOr<IssuedLsc> lsc) {
                if (!lsc.ok()) {
                  SALLYPORT_LOG_LIMITED(kWarning, "no LSC was issued",
                                        {{"status", lsc.status()}});
                }
                answer([issued, lsc = std::move(lsc)] { issued(lsc); });
                return LedgerStep();
              });
        },
        [issued] { issued(absl::UnavailableError("busy")); });
  } else if (const auto* stored =
                 std::get_if<CapfSession::RecordStored>(&action)) {
    Work(
        id,
        [this, recorded, stored = *stored](Answer answer) {
          return registration_.RecordStored(
              stored.enrollment, stored.serial,
              [recorded, answer](absl::Status status) {
                answer([recorded, status] { recorded(status); });
                return LedgerStep();
              });
        },
        not_recorded);
  } else if (const auto* deleted =
                 std::get_if<CapfSession::RecordDeleted>(&action)) {
    Work(
        id,
        [this, recorded, name = deleted->enrollment](Answer answer) {
          const absl::Status status = registration_.RecordDeleted(name);
          answer([recorded, status] { recorded(status); });
          return LedgerStep();
        },
        not_recorded);
  } else if (const auto* fetched =
                 std::get_if<CapfSession::RecordFetched>(&action)) {
    Work(
        id,
        [this, recorded, fetched = *fetched](Answer answer) {
          const absl::Status status = registration_.RecordFetched(
              fetched.enrollment, fetched.lsc_der, fetched.mic_der);
          answer([recorded, status] { recorded(status); });
          return LedgerStep();
        },
        not_recorded);
  } else if (const auto* failure =
                 std::get_if<CapfSession::RecordFailure>(&action)) {
    Work(
        id,
        [this, failure = *failure](Answer answer) {
          const absl::Status status = registration_.RecordFailure(
              failure.enrollment, failure.serial, failure.reason);
          if (!status.ok()) {
            SALLYPORT_LOG_LIMITED(kWarning, "a failure was not recorded",
                                  {{"status", status}});
          }
          answer(nullptr);
          return LedgerStep();
        },
        nullptr);
  }
}

}  // namespace sallyport::capf
