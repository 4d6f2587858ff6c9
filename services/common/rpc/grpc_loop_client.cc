#include "services/common/rpc/grpc_loop_client.h"

#include <pthread.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/log/log.h"
#include "services/common/net/name_lookup.h"
#include "services/common/rpc/grpc_caller.h"
#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/tls_stream.h"

namespace sallyport {
namespace {

constexpr size_t kMaxUnsent = size_t{1} << 20;  // octets in the stream
constexpr size_t kMaxNewStreams = 10'000;       // that wait to be looked at

// nullopt unless it is "host:port".
std::optional<HostPort> ReadTarget(std::string_view target) {
  constexpr std::string_view kDns = "dns:///";
  if (target.starts_with(kDns)) target.remove_prefix(kDns.size());
  return SplitHostPort(target);
}

absl::Status Unreachable(const std::string& target, const absl::Status& why) {
  return MakeError(
      absl::StatusCode::kUnavailable, "SERVER_UNREACHABLE",
      absl::StrCat(target, " cannot be reached: ", why.ToString()));
}

}  // namespace

// A stream, from one attempt to the next.
struct GrpcLoopClient::Watched {
  size_t server = 0;
  Stream stream;
  bool heard = false;    // in this attempt
  absl::Status refused;  // by on_message
  absl::Duration pause;
  MonoTime retry = MonoTime::InfiniteFuture();
};

// One call, or one attempt of a stream.
struct GrpcLoopClient::Ask {
  size_t server = 0;
  std::string path;
  std::string request;
  MonoTime deadline;  // InfiniteFuture() of a stream
  Done done;
  std::shared_ptr<Watched> watched = nullptr;
  bool again = false;  // was refused by a connection that goes
};

// One connection, from TCP to gRPC. Loop thread only.
class GrpcLoopClient::Connection final : public StreamHandler,
                                         public GrpcCallerOwner {
 public:
  Connection(Channel& channel, EventLoop& loop, absl::Duration keepalive)
      : channel_(channel),
        loop_(loop),
        keepalive_(keepalive),
        timer_(loop.AddTimer([this](MonoTime) { OnTimer(); })),
        caller_(*this) {}
  ~Connection() override { loop_.RemoveTimer(timer_); }

  absl::Status Start(const SocketAddress& to,
                     std::shared_ptr<const TlsContext> context,
                     absl::Duration timeout, Rank rank) {
    TlsStream::Options options;
    options.tcp.rank = rank;
    options.tcp.max_write_buffer = 4 * kMaxUnsent;
    options.handshake_timeout = timeout;
    SP_ASSIGN_OR_RETURN(
        stream_,
        TlsStream::Connect(loop_, to, std::move(context), options, *this));
    return absl::OkStatus();
  }

  bool takes_calls() const {
    return ready_ && !ended_ && !caller_.told_to_go();
  }
  size_t calls() const { return calls_.size(); }

  void Make(Ask ask, MonoTime now) {
    GrpcCaller::Headers timeout;
    if (ask.watched == nullptr) {
      const auto left =
          std::max<int64_t>(absl::ToInt64Milliseconds(ask.deadline - now), 1);
      timeout = {{"grpc-timeout", absl::StrCat(left, "m")}};
    }
    const int32_t id = caller_.Start(ask.path, timeout);
    if (id == 0) {  // its ids are used up
      ask.again = true;
      return Refused(std::move(ask));
    }
    caller_.Send(id, ask.request, true);
    if (ask.watched == nullptr) deadlines_.Set(id, ask.deadline);
    calls_[id].ask = std::move(ask);
    SetTimer();
    FlushLater();
  }

  void Flush() {
    if (ended_ || !open_ || stream_->buffered() > kMaxUnsent) return;
    const std::string out = caller_.TakeOutput();
    if (out.empty()) return;
    const absl::Status sent = stream_->Write(AsBytes(out));
    if (!sent.ok()) End(sent);
  }

  // Ends all that is open.
  void Fail(const absl::Status& why);
  // Ends when its calls have.
  void Leave() {
    leaving_ = true;
    if (calls_.empty()) End(Left());
  }

  // Of the stream.
  void OnOpen() override;
  void OnData(ByteSpan data) override;
  void OnEnd() override {
    End(MakeError(absl::StatusCode::kUnavailable, "CALL_RESET",
                  "the server has closed the connection"));
  }
  void OnDrained() override { Flush(); }
  void OnClosed(absl::Status reason) override { End(reason); }

  // Of the calls.
  void OnAnswer(int32_t call, std::string answer) override;
  void OnStatus(int32_t call, const absl::Status& status) override;

 private:
  struct Open {
    Ask ask;
    std::optional<std::string> answer;
  };

  static absl::Status Left() {
    return MakeError(absl::StatusCode::kUnavailable, "CALL_RESET",
                     "the server is called elsewhere");
  }
  void Refused(Ask ask);
  void OnTimer();
  void End(const absl::Status& why);
  void SetTimer() {
    loop_.SetTimer(timer_, std::min(deadlines_.next(), look_));
  }

  void FlushLater() {
    if (std::exchange(flush_deferred_, true)) return;
    loop_.Defer([this, alive = std::weak_ptr<int>(alive_)] {
      if (alive.expired()) return;
      flush_deferred_ = false;
      Flush();
    });
  }

  Channel& channel_;
  EventLoop& loop_;
  const absl::Duration keepalive_;
  const EventLoop::TimerId timer_;
  std::unique_ptr<TlsStream> stream_;
  GrpcCaller caller_;
  absl::flat_hash_map<int32_t, Open> calls_;
  DeadlineQueue<int32_t> deadlines_;
  MonoTime look_ = MonoTime::InfiniteFuture();  // when keepalive is due
  bool heard_ = false;                          // since it last was
  bool asked_ = false;
  bool open_ = false;   // TLS is
  bool ready_ = false;  // the server has said something
  bool leaving_ = false;
  bool ended_ = false;
  bool flush_deferred_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

// One server. Loop thread only.
class GrpcLoopClient::Channel {
 public:
  Channel(GrpcLoopClient& client, size_t index, std::string target)
      : client_(client),
        index_(index),
        target_(std::move(target)),
        host_(ReadTarget(target_).value_or(HostPort())),
        timer_(client.loop_->AddTimer([this](MonoTime now) { OnTimer(now); })) {
  }
  ~Channel() {
    connections_.clear();
    client_.loop_->RemoveTimer(timer_);
  }

  void Take(Ask ask) {
    if (cancelled_) return FailLater(std::move(ask), Cancelled());
    const MonoTime now = client_.loop_->now();
    if (ask.deadline <= now) return TimedOut(std::move(ask));
    if (Connection* const open = Current(); open != nullptr) {
      if (open->calls() >= client_.options_.max_waiting) {
        return TooMany(std::move(ask));
      }
      return open->Make(std::move(ask), now);
    }
    if (state_ == State::kBackoff) {
      return FailLater(std::move(ask), Unreachable(target_, why_));
    }
    if (waiting_.size() >= client_.options_.max_waiting) {
      return TooMany(std::move(ask));
    }
    waiting_.push_back(std::move(ask));
    if (state_ == State::kIdle) Connect();
    SetTimer();
  }

  // Whether a call would be on its way at once; if not, it will be before long.
  bool IsConnected() {
    if (Connection* const open = Current(); open != nullptr) {
      return open->calls() < client_.options_.max_waiting;
    }
    if (state_ == State::kIdle) Connect();
    return false;
  }

  void Flush() {
    if (Connection* const open = Current(); open != nullptr) open->Flush();
  }

  // No call follows; it is done with when those that are there have ended.
  void Leave() {
    left_ = true;
    // Each may end, and be taken off, within.
    for (size_t i = connections_.size(); i > 0; --i) {
      connections_[i - 1]->Leave();
    }
  }
  bool is_over() const { return connections_.empty(); }

  void OnAddresses(const std::vector<SocketAddress>& addresses) {
    if (state_ != State::kResolving) return;
    addresses_ = addresses;
    next_address_ = 0;
    why_ = absl::NotFoundError("the name has no address");
    TryNextAddress();
  }

  void Watch(std::shared_ptr<Watched> watched) {
    watched->pause = watched->stream.first_backoff;
    streams_.push_back(watched);
    Open(watched);
  }

  void OnConnected() {
    state_ = State::kReady;
    backoff_ = absl::ZeroDuration();
    std::deque<Ask> waiting = std::exchange(waiting_, {});
    for (Ask& ask : waiting) Take(std::move(ask));
    SetTimer();
  }

  // `connection` is over; its calls have ended.
  void OnGone(Connection* connection, bool was_ready, const absl::Status& why) {
    const auto it = std::find_if(
        connections_.begin(), connections_.end(),
        [connection](const auto& one) { return one.get() == connection; });
    if (it == connections_.end()) return;
    client_.gone_.push_back(std::move(*it));  // it may be what runs
    client_.Later([client = &client_] { client->gone_.clear(); });
    connections_.erase(it);
    why_ = why;
    if (left_) return;
    if (!was_ready) {
      SALLYPORT_LOG_LIMITED(
          kWarning, "a server cannot be reached",
          {{"target", target_}, {"reason", ReasonOf(why)}, {"error", why}});
      return TryNextAddress();
    }
    if (state_ == State::kReady && Current() == nullptr) {
      state_ = State::kIdle;
    }
  }

  // From now on nothing is asked.
  void CancelAll() {
    cancelled_ = true;
    for (const auto& connection : connections_) connection->Fail(Cancelled());
    FailWaiting(Cancelled());
  }

  const std::string& target() const { return target_; }

 private:
  enum class State { kIdle, kResolving, kConnecting, kReady, kBackoff };

  Connection* Current() {
    if (state_ == State::kReady &&
        (connections_.empty() || !connections_.back()->takes_calls())) {
      state_ = State::kIdle;
    }
    return state_ == State::kReady ? connections_.back().get() : nullptr;
  }

  void Connect() {
    state_ = State::kResolving;
    if (const auto address = SocketAddress::FromIp(host_.host, host_.port);
        address.ok()) {
      return OnAddresses({*address});
    }
    if (client_.names_ == nullptr) {
      auto names = NameLookup::Create(
          *client_.loop_,
          [client = &client_](const HostPort& of,
                              const std::vector<SocketAddress>& addresses) {
            for (const auto* list : {&client->channels_, &client->preferred_}) {
              for (const auto& channel : *list) {
                if (channel != nullptr && channel->host_ == of) {
                  channel->OnAddresses(addresses);
                }
              }
            }
          });
      if (!names.ok()) {
        why_ = names.status();
        return TryNextAddress();
      }
      client_.names_ = *std::move(names);
    }
    client_.names_->Ask(host_);
  }

  void TryNextAddress() {
    state_ = State::kConnecting;
    while (next_address_ < addresses_.size()) {
      const SocketAddress to = addresses_[next_address_++];
      auto connection = std::make_unique<Connection>(
          *this, *client_.loop_, client_.options_.keepalive);
      const auto& identity = client_.options_.servers[index_].expected_identity;
      const absl::Status started =
          connection->Start(to, client_.tls_->at(identity)->current(),
                            client_.options_.connect_timeout, client_.rank_);
      if (started.ok()) {
        connections_.push_back(std::move(connection));
        return;
      }
      why_ = started;
    }
    const GrpcLoopClient::Options& options = client_.options_;
    backoff_ = backoff_ == absl::ZeroDuration()
                   ? options.first_backoff
                   : std::min(backoff_ * 1.6, options.max_backoff);
    state_ = State::kBackoff;
    retry_ = client_.loop_->now() + backoff_;
    FailWaiting(Unreachable(target_, why_));
    SetTimer();
  }

  void Open(const std::shared_ptr<Watched>& watched) {
    if (cancelled_) return;
    watched->heard = false;
    watched->refused = absl::OkStatus();
    watched->retry = MonoTime::InfiniteFuture();
    Ask ask;
    ask.server = index_;
    ask.path = watched->stream.path;
    ask.request = watched->stream.request();
    ask.deadline = MonoTime::InfiniteFuture();
    ask.watched = watched;
    ask.done = [this, watched](const absl::StatusOr<std::string>& end) {
      OnStreamEnd(*watched, end.status());
    };
    Take(std::move(ask));
  }

  void OnStreamEnd(Watched& watched, const absl::Status& why) {
    if (cancelled_) return;
    if (watched.heard) watched.pause = watched.stream.first_backoff;
    watched.retry = client_.loop_->now() + watched.pause;
    watched.pause = std::min(watched.pause * 2, watched.stream.max_backoff);
    SetTimer();
    watched.stream.on_state(false,
                            watched.refused.ok() ? why : watched.refused);
  }

  static absl::Status Cancelled() {
    return MakeError(absl::StatusCode::kCancelled, "CALL_RESET",
                     "the client is being destroyed");
  }

  void FailWaiting(const absl::Status& why) {
    std::deque<Ask> waiting = std::exchange(waiting_, {});
    for (Ask& ask : waiting) FailLater(std::move(ask), why);
  }

  // Whoever asks may be what is running.
  void FailLater(Ask ask, absl::Status why) {
    client_.Later(
        [done = std::move(ask.done), why = std::move(why)] { done(why); });
  }
  void TimedOut(Ask ask) {
    FailLater(std::move(ask),
              MakeError(absl::StatusCode::kDeadlineExceeded, "CALL_TIMEOUT",
                        absl::StrCat(target_, " did not answer in time")));
  }
  void TooMany(Ask ask) {
    FailLater(std::move(ask),
              MakeError(absl::StatusCode::kResourceExhausted, "TOO_MANY_CALLS",
                        absl::StrCat(target_, " has too many open calls")));
  }

  void OnTimer(MonoTime now) {
    if (state_ == State::kBackoff && retry_ <= now) state_ = State::kIdle;
    std::deque<Ask> waiting = std::exchange(waiting_, {});
    for (Ask& ask : waiting) {
      if (ask.deadline <= now) {
        TimedOut(std::move(ask));
      } else {
        waiting_.push_back(std::move(ask));
      }
    }
    for (const auto& watched : streams_) {
      if (watched->retry <= now) Open(watched);
    }
    SetTimer();
  }

  void SetTimer() {
    MonoTime next =
        state_ == State::kBackoff ? retry_ : MonoTime::InfiniteFuture();
    for (const Ask& ask : waiting_) next = std::min(next, ask.deadline);
    for (const auto& watched : streams_) next = std::min(next, watched->retry);
    client_.loop_->SetTimer(timer_, next);
  }

  friend class Connection;

  GrpcLoopClient& client_;
  const size_t index_;
  const std::string target_;
  const HostPort host_;
  const EventLoop::TimerId timer_;
  State state_ = State::kIdle;
  std::vector<SocketAddress> addresses_;
  size_t next_address_ = 0;
  absl::Status why_;
  absl::Duration backoff_ = absl::ZeroDuration();
  MonoTime retry_;
  bool cancelled_ = false;
  bool left_ = false;
  std::deque<Ask> waiting_;  // for a connection
  std::vector<std::shared_ptr<Watched>> streams_;
  // The last is the one for new calls; those before it were told to go.
  std::vector<std::unique_ptr<Connection>> connections_;
};

void GrpcLoopClient::Connection::OnOpen() {
  if (stream_->session().application_protocol() != "h2") {
    return End(MakeError(absl::StatusCode::kUnavailable, "ALPN_MISSING",
                         "the server does not speak h2"));
  }
  open_ = true;
  look_ = loop_.now() + keepalive_;
  SetTimer();
  Flush();  // the preface
}

void GrpcLoopClient::Connection::OnData(ByteSpan data) {
  heard_ = true;
  const absl::Status status = caller_.Feed(data);
  if (ended_) return;
  if (!status.ok()) return End(status);
  // With TLS 1.3 a server judges our certificate after we are done: only when
  // it says something are we in.
  if (!std::exchange(ready_, true)) channel_.OnConnected();
  if (leaving_ && calls_.empty()) return End(Left());
  if (caller_.told_to_go() && calls_.empty()) {
    return End(MakeError(absl::StatusCode::kUnavailable, "CALL_RESET",
                         "the server has asked to be left"));
  }
  FlushLater();
}

void GrpcLoopClient::Connection::OnAnswer(int32_t call, std::string answer) {
  const auto it = calls_.find(call);
  if (it == calls_.end()) return;
  // Kept: what is called may end this connection.
  const std::shared_ptr<Watched> watched = it->second.ask.watched;
  if (watched == nullptr) {
    it->second.answer = std::move(answer);
    return;
  }
  if (!watched->refused.ok()) return;  // its end is on its way
  if (!std::exchange(watched->heard, true)) {
    watched->stream.on_state(true, absl::OkStatus());
  }
  watched->refused = watched->stream.on_message(answer);
  if (watched->refused.ok()) return;
  caller_.Reset(call);
  FlushLater();
}

void GrpcLoopClient::Connection::OnStatus(int32_t call,
                                          const absl::Status& status) {
  const auto it = calls_.find(call);
  if (it == calls_.end()) return;
  Open open = std::move(it->second);
  calls_.erase(it);
  (void)deadlines_.Erase(call);
  if (ReasonOf(status) == kCallRefused && !open.ask.again) {
    open.ask.again = true;
    return Refused(std::move(open.ask));
  }
  if (!status.ok()) return open.ask.done(status);
  if (open.ask.watched != nullptr) return open.ask.done("");
  if (!open.answer.has_value()) {
    return open.ask.done(MakeError(absl::StatusCode::kUnavailable, "CALL_RESET",
                                   "the call had no answer"));
  }
  open.ask.done(*std::move(open.answer));
}

void GrpcLoopClient::Connection::Refused(Ask ask) {
  // Not from within nghttp2.
  channel_.client_.Later([client = &channel_.client_,
                          kept = std::make_shared<Ask>(std::move(ask))]() {
    client->Take(std::move(*kept));
  });
}

void GrpcLoopClient::Connection::OnTimer() {
  const MonoTime now = loop_.now();
  while (const std::optional<int32_t> late = deadlines_.PopExpired(now)) {
    const auto it = calls_.find(*late);
    if (it == calls_.end()) continue;
    Open open = std::move(it->second);
    calls_.erase(it);
    caller_.Reset(*late);
    FlushLater();
    channel_.TimedOut(std::move(open.ask));
  }
  if (look_ <= now) {
    if (!heard_ && asked_) {
      return End(MakeError(absl::StatusCode::kUnavailable, "CALL_RESET",
                           "the server says nothing"));
    }
    asked_ = !std::exchange(heard_, false);
    if (asked_) caller_.Ping();
    look_ = now + keepalive_;
    FlushLater();
  }
  SetTimer();
}

void GrpcLoopClient::Connection::Fail(const absl::Status& why) {
  absl::flat_hash_map<int32_t, Open> calls = std::exchange(calls_, {});
  for (const auto& [id, open] : calls) {
    (void)deadlines_.Erase(id);
    open.ask.done(why);
  }
}

void GrpcLoopClient::Connection::End(const absl::Status& why) {
  if (std::exchange(ended_, true)) return;
  loop_.SetTimer(timer_, MonoTime::InfiniteFuture());
  if (stream_ != nullptr) stream_->Close();
  Fail(why.ok() || !absl::IsUnavailable(why)
           ? MakeError(
                 absl::StatusCode::kUnavailable, "CALL_RESET",
                 absl::StrCat(channel_.target(),
                              " has ended the connection: ", why.ToString()))
           : why);
  channel_.OnGone(this, ready_, why);
}

GrpcLoopClient::GrpcLoopClient(Options options,
                               std::shared_ptr<const Contexts> tls,
                               EventLoop& loop, Rank rank)
    : options_(std::move(options)),
      tls_(std::move(tls)),
      loop_(&loop),
      rank_(rank) {
  for (size_t i = 0; i < options_.servers.size(); ++i) {
    channels_.push_back(
        std::make_unique<Channel>(*this, i, options_.servers[i].target));
  }
  preferred_.resize(channels_.size());
}

absl::StatusOr<std::unique_ptr<GrpcLoopClient>> GrpcLoopClient::Start(
    Options options) {
  SP_ASSIGN_OR_RETURN(std::shared_ptr<const Contexts> tls, ContextsOf(options));
  SP_ASSIGN_OR_RETURN(std::unique_ptr<EventLoop> loop, EventLoop::Create());
  std::unique_ptr<GrpcLoopClient> client(new GrpcLoopClient(
      std::move(options), std::move(tls), *loop, Rank::kFirst));
  client->own_loop_ = std::move(loop);
  SP_RETURN_IF_ERROR(client->Begin());
  client->thread_ = std::thread([c = client.get()] {
    pthread_setname_np(pthread_self(), "grpc-client");
    c->loop_->Run();
  });
  return client;
}

std::unique_ptr<GrpcLoopClient> GrpcLoopClient::On(EventLoop& loop,
                                                   Rank rank) const {
  return absl::WrapUnique(new GrpcLoopClient(options_, tls_, loop, rank));
}

absl::StatusOr<std::shared_ptr<const GrpcLoopClient::Contexts>>
GrpcLoopClient::ContextsOf(const Options& options) {
  auto out = std::make_shared<Contexts>();
  for (const Server& server : options.servers) {
    if (!ReadTarget(server.target).has_value()) {
      return MakeError(absl::StatusCode::kInvalidArgument, "TARGET_MALFORMED",
                       absl::StrCat("not host:port: ", server.target));
    }
    const std::string& identity = server.expected_identity;
    if (out->contains(identity)) continue;
    const auto make_options = [identity] {
      TlsContextOptions tls;
      tls.role = TlsRole::kClient;
      tls.application_protocols = {"h2"};
      tls.accept_peer = [identity](const PeerCertificate& peer) {
        const auto uris = peer.leaf.AltNames(SubjectAltName::Type::kUri);
        if (uris.size() == 1 && uris.front() == identity) {
          return absl::OkStatus();
        }
        return MakeError(absl::StatusCode::kUnauthenticated,
                         "PEER_IDENTITY_MISMATCH",
                         absl::StrCat("the server is not ", identity));
      };
      return tls;
    };
    SP_ASSIGN_OR_RETURN((*out)[identity],
                        WatchedTlsContext::Create(
                            "grpc client",
                            {options.tls.certificate_file(),
                             options.tls.key_file(), options.tls.ca_file()},
                            make_options, options.tls_refresh));
  }
  return out;
}

absl::Status GrpcLoopClient::Begin() {
  SP_ASSIGN_OR_RETURN(
      asks_, Mailbox<Ask>::Create(*loop_, options_.max_waiting,
                                  [this](Ask ask) { Take(std::move(ask)); }));
  SP_ASSIGN_OR_RETURN(watches_, Mailbox<std::shared_ptr<Watched>>::Create(
                                    *loop_, kMaxNewStreams,
                                    [this](std::shared_ptr<Watched> watched) {
                                      Channel& to = *channels_[watched->server];
                                      to.Watch(std::move(watched));
                                    }));
  return absl::OkStatus();
}

GrpcLoopClient::~GrpcLoopClient() { Stop(); }

void GrpcLoopClient::Stop() {
  if (thread_.joinable()) {
    loop_->Stop();
    thread_.join();
  }
  // The loop is this thread's now. What is in the mailbox and what a connection
  // has refused is read once more, and cancelled.
  names_ = nullptr;
  for (const auto* list : {&channels_, &preferred_, &left_}) {
    for (const auto& channel : *list) {
      if (channel != nullptr) channel->CancelAll();
    }
  }
  if (asks_ != nullptr) loop_->RunOnce(absl::ZeroDuration());
  while (!later_.empty()) RunLater();
  asks_ = nullptr;
  watches_ = nullptr;
  gone_.clear();
  left_.clear();
  preferred_.clear();
  channels_.clear();
}

void GrpcLoopClient::Later(std::function<void()> task) {
  later_.push_back(std::move(task));
  if (later_.size() > 1) return;
  loop_->Defer([this, alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired()) RunLater();
  });
}

void GrpcLoopClient::RunLater() {
  const std::vector<std::function<void()>> tasks = std::exchange(later_, {});
  for (const auto& task : tasks) task();
}

void GrpcLoopClient::Call(size_t server, std::string_view path,
                          std::string request, absl::Duration timeout,
                          Done done) {
  Ask ask;
  ask.server = server;
  ask.path = path;
  ask.request = std::move(request);
  ask.deadline = loop_->clock().MonoNow() + timeout;
  ask.done = std::move(done);
  if (!has_thread()) return Take(std::move(ask));
  if (asks_->Send(std::move(ask)).ok()) return;
  ask.done(MakeError(absl::StatusCode::kResourceExhausted, "TOO_MANY_CALLS",
                     "more calls wait than are allowed"));
}

void GrpcLoopClient::Take(Ask ask) {
  Channel* const preferred = preferred_[ask.server].get();
  if (preferred != nullptr && ask.watched == nullptr &&
      preferred->IsConnected()) {
    return preferred->Take(std::move(ask));
  }
  channels_[ask.server]->Take(std::move(ask));
}

void GrpcLoopClient::Prefer(size_t server, const std::string& target) {
  SP_CHECK(!has_thread());
  std::unique_ptr<Channel>& preferred = preferred_[server];
  if (preferred == nullptr ? target.empty() : preferred->target() == target) {
    return;
  }
  std::erase_if(left_, [](const auto& channel) { return channel->is_over(); });
  if (preferred != nullptr) {
    left_.push_back(std::move(preferred));
    left_.back()->Leave();
  }
  if (target.empty() || !ReadTarget(target).has_value()) return;
  preferred = std::make_unique<Channel>(*this, server, target);
}

void GrpcLoopClient::Flush() {
  SP_CHECK(!has_thread());
  for (const auto* list : {&channels_, &preferred_}) {
    for (const auto& channel : *list) {
      if (channel != nullptr) channel->Flush();
    }
  }
}

void GrpcLoopClient::Watch(size_t server, Stream stream) {
  auto watched = std::make_shared<Watched>();
  watched->server = server;
  watched->stream = std::move(stream);
  if (!has_thread()) return channels_[server]->Watch(std::move(watched));
  if (watches_->Send(std::shared_ptr(watched)).ok()) return;
  watched->stream.on_state(
      false, MakeError(absl::StatusCode::kResourceExhausted, "TOO_MANY_CALLS",
                       "more streams wait than are allowed"));
}

}  // namespace sallyport
