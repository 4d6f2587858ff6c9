#include "services/common/rpc/grpc_loop_server.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/common/bytes/string_view.h"
#include "services/common/log/log.h"
#include "services/common/log/redact.h"
#include "services/common/net/byte_stream.h"
#include "services/common/rpc/health_message.h"
#include "services/common/rpc/metrics_table.h"
#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/tls/tls_stream.h"

namespace sallyport {
namespace {

constexpr char kHealthCheck[] = "/grpc.health.v1.Health/Check";
constexpr size_t kNoLabel = static_cast<size_t>(-1);

// Replies that come from other threads; handlers bound theirs below that.
constexpr size_t kMaxReplies = 16'384;
// A connection's share of a turn, of requests; the others then have theirs.
constexpr absl::Duration kShare = absl::Microseconds(500);
constexpr int kBatch = 8;
// More than this in TCP's hands, and the peer is read no further.
constexpr size_t kHighWater = 256 << 10;
constexpr size_t kPiece = 64 << 10;
constexpr absl::Duration kHandshake = absl::Seconds(5);
// For the peer to close too, after we have.
constexpr absl::Duration kLinger = absl::Seconds(2);

// How clients of the gRPC library close: HTTP/2 shows itself what is cut.
constexpr char kTruncated[] = "TLS_TRUNCATED";

// Why a connection has ended, for the metric.
ConnectionEnd EndOf(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  if (status.ok() || reason == kTruncated) return ConnectionEnd::kClosed;
  if (reason == "HTTP2_FLOOD") return ConnectionEnd::kFlood;
  if (reason == "HTTP2_MALFORMED") return ConnectionEnd::kMalformed;
  if (reason == "KEEPALIVE_TIMEOUT") return ConnectionEnd::kSilent;
  return ConnectionEnd::kLost;
}

}  // namespace

// Where answers of other threads go, for as long as there is a server.
struct GrpcLoopServer::Replies {
  absl::Mutex mutex;
  std::unique_ptr<Mailbox<Answered>> box ABSL_GUARDED_BY(mutex);
  std::thread::id loop_thread;  // set before any call
};

// One connection, from TCP to gRPC. Loop thread only.
class GrpcLoopServer::Connection final : public StreamHandler,
                                         public GrpcCallOwner {
 public:
  Connection(GrpcLoopServer& server, uint64_t id)
      : server_(server),
        id_(id),
        timer_(server.loop_->AddTimer([this](MonoTime) { OnTimer(); })) {
    server_.open_connections_.Add(1);
  }
  ~Connection() override {
    server_.loop_->RemoveTimer(timer_);
    server_.open_connections_.Add(-1);
  }

  absl::Status Start(UniqueFd fd, const SocketAddress& peer) {
    TlsStream::Options options;
    options.tcp.max_write_buffer = kHighWater + 2 * kPiece;
    options.handshake_timeout = kHandshake;
    SP_ASSIGN_OR_RETURN(
        stream_, TlsStream::Accept(*server_.loop_, std::move(fd), peer,
                                   server_.tls_->current(), options, *this));
    return absl::OkStatus();
  }

  void Drain() {
    if (grpc_ == nullptr) return;
    grpc_->Drain();
    Pump();
  }

  void OnAnswered(int32_t call, absl::StatusOr<std::string> answer) {
    if (grpc_ == nullptr) return;
    grpc_->Answer(call, std::move(answer));
    if (!pumping_) Pump();
  }

  // Of the stream.
  void OnOpen() override {
    if (stream_->session().application_protocol() != "h2") {
      return End(MakeError(absl::StatusCode::kFailedPrecondition,
                           "ALPN_MISSING", "the peer does not speak h2"));
    }
    const auto& peer = stream_->session().peer();
    caller_ = peer.has_value() && peer->verified
                  ? server_.options_.policy->Identify(
                        peer->leaf.AltNames(SubjectAltName::Type::kUri))
                  : MakeError(absl::StatusCode::kUnauthenticated,
                              "PEER_CERTIFICATE_MISSING",
                              "the connection has no verified client "
                              "certificate");
    grpc_ = std::make_unique<GrpcConnection>(*this, server_.options_.connection,
                                             server_.loop_->now());
    if (server_.draining_) grpc_->Drain();
    Pump();
  }
  void OnData(ByteSpan data) override {
    if (grpc_ == nullptr) return;
    const absl::Status status = grpc_->Feed(data, server_.loop_->now());
    if (status.ok()) return Pump();
    Flush();  // GOAWAY
    End(status);
  }
  void OnEnd() override { End(absl::OkStatus()); }
  void OnDrained() override {
    if (std::exchange(paused_, false)) stream_->ResumeReading();
    if (grpc_ != nullptr) Pump();
  }
  void OnClosed(absl::Status reason) override {
    NoteEnd(reason);
    server_.Remove(id_);
  }

  // Of the calls.
  absl::StatusOr<Method> OnCall(std::string_view path) override {
    absl::Status status =
        caller_.ok() ? server_.options_.policy->CheckMethod(*caller_, path)
                     : caller_.status();
    if (!status.ok()) {
      SALLYPORT_LOG_LIMITED(kWarning, "call refused",
                            {{"reason", ReasonOf(status)},
                             {"caller", caller_.ok() ? caller_->ToString()
                                                     : std::string("unknown")},
                             {"method", path.substr(0, 200)}});
      return status;
    }
    const auto it = server_.index_by_path_.find(AbslView(path));
    if (it == server_.index_by_path_.end()) {
      return MakeError(
          absl::StatusCode::kUnimplemented, "METHOD_NOT_IMPLEMENTED",
          absl::StrCat(AbslView(path), " is not implemented at this port"));
    }
    const GrpcLoopServer::Method& method = server_.methods_[it->second];
    ++server_.open_calls_;
    if (method.open != nullptr) method.open(1);
    return Method{it->second, method.streams};
  }
  void OnRequest(int32_t call, size_t method, std::string request) override {
    Reply reply = [replies = server_.replies_, this, id = id_,
                   call](absl::StatusOr<std::string> answer) {
      // On the loop it comes from within OnRequest, as handlers promise.
      if (std::this_thread::get_id() == replies->loop_thread) {
        OnAnswered(call, std::move(answer));
        return;
      }
      absl::MutexLock lock(&replies->mutex);
      if (replies->box == nullptr) return;
      const absl::Status sent =
          replies->box->Send({id, call, std::move(answer)});
      if (!sent.ok()) LogError("an answer is lost", {{"error", sent}});
    };
    server_.methods_[method].handler(*caller_, std::move(request),
                                     std::move(reply));
  }
  void OnEnded(size_t method, MonoTime start, absl::StatusCode code) override {
    --server_.open_calls_;
    if (const auto& open = server_.methods_[method].open; open != nullptr) {
      open(-1);
    }
    const size_t label = server_.labels_[method];
    if (label == kNoLabel) return;
    server_.requests_.Increment(label, static_cast<size_t>(code));
    server_.seconds_.Observe(
        absl::ToDoubleSeconds(server_.loop_->clock().MonoNow() - start), label);
  }

 private:
  // Hands out what waits and sends what there is, for a share of the turn.
  void Pump() {
    if (ending_) return;
    EventLoop& loop = *server_.loop_;
    const MonoTime until = loop.now() + kShare;
    MonoTime now = loop.now();
    bool more = true;
    while (more && now < until) {
      // Answers of a batch go out together, in one record of TLS.
      int count = 0;
      pumping_ = true;
      while (count < kBatch && stream_->buffered() < kHighWater &&
             grpc_->RunOne(now)) {
        ++count;
      }
      pumping_ = false;
      Flush();
      if (!ending_ && grpc_->finished()) End(absl::OkStatus());
      if (ending_) return;
      more = count > 0;
      now = loop.RefreshNow();
    }
    SetTimer();
    if (!more || deferred_) return;
    deferred_ = true;
    loop.Defer([server = &server_, id = id_] {
      const auto it = server->connections_.find(id);
      if (it == server->connections_.end()) return;
      it->second->deferred_ = false;
      it->second->Pump();
    });
  }

  void Flush() {
    while (stream_->buffered() < kHighWater) {
      const std::string out = grpc_->TakeOutput(kPiece);
      if (out.empty()) break;
      const absl::Status sent = stream_->Write(AsBytes(out));
      if (!sent.ok()) return End(sent);
    }
    if (stream_->buffered() >= kHighWater && !paused_) {
      paused_ = true;
      stream_->PauseReading();
    }
  }

  // Only when the deadline comes earlier: it moves with every octet that comes,
  // and a timer that finds nothing to do costs less.
  void SetTimer() {
    const MonoTime deadline = grpc_->deadline();
    if (deadline >= armed_) return;
    armed_ = deadline;
    server_.loop_->SetTimer(timer_, deadline);
  }

  void OnTimer() {
    armed_ = MonoTime::InfiniteFuture();
    if (ending_) return server_.Remove(id_);
    if (grpc_ == nullptr) return;
    const MonoTime now = server_.loop_->now();
    if (now < grpc_->deadline()) return SetTimer();
    const absl::Status status = grpc_->OnDeadline(now);
    if (!status.ok()) return End(status);
    Pump();
  }

  // Counts and logs the end, once.
  void NoteEnd(const absl::Status& reason) {
    if (std::exchange(ending_, true)) return;
    server_.ended_.Increment(grpc_ == nullptr ? ConnectionEnd::kHandshake
                                              : EndOf(reason));
    grpc_.reset();
    if (reason.ok() || ReasonOf(reason) == kTruncated) return;
    SALLYPORT_LOG_LIMITED(kWarning, "a connection has ended",
                          {{"reason", ReasonOf(reason)},
                           {"peer", Redacted(stream_->peer_address().IpText())},
                           {"error", reason}});
  }

  // Says goodbye; OnClosed follows when the peer has, or the timer.
  void End(const absl::Status& reason) {
    if (ending_) return;
    NoteEnd(reason);
    stream_->Finish();
    server_.loop_->SetTimer(timer_, server_.loop_->now() + kLinger);
  }

  GrpcLoopServer& server_;
  const uint64_t id_;
  const EventLoop::TimerId timer_;
  MonoTime armed_ = MonoTime::InfiniteFuture();
  absl::StatusOr<CallerIdentity> caller_ = absl::UnknownError("");
  std::unique_ptr<TlsStream> stream_;
  std::unique_ptr<GrpcConnection> grpc_;  // from OnOpen until End
  bool pumping_ = false;
  bool deferred_ = false;
  bool paused_ = false;
  bool ending_ = false;
};

GrpcLoopServer::GrpcLoopServer(const GrpcLoopServerOptions& options)
    : options_(options), replies_(std::make_shared<Replies>()) {}

absl::StatusOr<std::unique_ptr<GrpcLoopServer>> GrpcLoopServer::Start(
    const GrpcLoopServerOptions& options, std::vector<Method> methods) {
  SP_CHECK(options.policy != nullptr && options.health != nullptr);
  std::unique_ptr<GrpcLoopServer> server(new GrpcLoopServer(options));
  SP_RETURN_IF_ERROR(server->Listen(std::move(methods)));
  server->thread_ = std::thread([s = server.get()] { s->Serve(); });
  return server;
}

absl::Status GrpcLoopServer::Listen(std::vector<Method> methods) {
  methods_ = std::move(methods);
  AddHealth();
  const std::vector<std::string>& listed = options_.policy->methods();
  for (size_t i = 0; i < methods_.size(); ++i) {
    index_by_path_[methods_[i].path] = i;
    const auto it =
        std::lower_bound(listed.begin(), listed.end(), methods_[i].path);
    labels_.push_back(it != listed.end() && *it == methods_[i].path
                          ? static_cast<size_t>(it - listed.begin())
                          : kNoLabel);
  }
  if (options_.metrics != nullptr) {
    const std::vector<std::vector<std::string>> lists = {listed};
    requests_ = options_.metrics->Counter(kRpcRequestsTotal, lists);
    seconds_ = options_.metrics->Histogram(kRpcRequestSeconds, lists);
    open_connections_ = options_.metrics->Gauge(kGrpcLoopConnections);
    ended_ = options_.metrics->Counter(kGrpcLoopConnectionsEndedTotal);
  }
  SP_ASSIGN_OR_RETURN(
      tls_, WatchedTlsContext::Create(
                "grpc loop",
                {options_.tls.certificate_file(), options_.tls.key_file(),
                 options_.tls.ca_file()},
                [] {
                  TlsContextOptions tls;
                  tls.client_certificate = ClientCertificateMode::kRequire;
                  tls.application_protocols = {"h2"};
                  return tls;
                },
                options_.tls_refresh));
  SP_ASSIGN_OR_RETURN(const SocketAddress address,
                      SocketAddress::Parse(options_.listen_address));
  SP_ASSIGN_OR_RETURN(loop_, EventLoop::Create());
  loop_->SetBusyPoll(options_.busy_poll);
  absl::StatusOr<std::unique_ptr<TcpListener>> listener =
      TcpListener::Listen(*loop_, address, TcpListener::Options(),
                          [this](UniqueFd fd, const SocketAddress& peer) {
                            OnAccept(std::move(fd), peer);
                          });
  if (!listener.ok()) {
    return MakeError(absl::StatusCode::kUnavailable, "ADDRESS_NOT_BOUND",
                     absl::StrCat("cannot listen on ", options_.listen_address,
                                  ": ", listener.status().ToString()));
  }
  listener_ = *std::move(listener);
  port_ = listener_->local_address().port();
  SP_ASSIGN_OR_RETURN(
      tasks_, Mailbox<std::function<void()>>::Create(
                  *loop_, 16, [](std::function<void()> task) { task(); }));
  absl::MutexLock lock(&replies_->mutex);
  SP_ASSIGN_OR_RETURN(
      replies_->box,
      Mailbox<Answered>::Create(*loop_, kMaxReplies, [this](Answered answered) {
        OnAnswered(std::move(answered));
      }));
  return absl::OkStatus();
}

void GrpcLoopServer::AddHealth() {
  Method check;
  check.path = kHealthCheck;
  check.handler = [this](const CallerIdentity&, std::string request,
                         const Reply& reply) {
    const std::optional<std::string> name = ParseHealthRequest(request);
    if (!name.has_value()) {
      return reply(MakeError(absl::StatusCode::kInvalidArgument,
                             "REQUEST_MALFORMED",
                             "it is no HealthCheckRequest"));
    }
    const std::optional<bool> serves = options_.health(*name);
    if (!serves.has_value()) {
      return reply(MakeError(absl::StatusCode::kNotFound, "NOT_FOUND",
                             "nothing has that name"));
    }
    reply(HealthResponse(*serves));
  };
  methods_.push_back(std::move(check));
}

void GrpcLoopServer::Serve() {
  replies_->loop_thread = std::this_thread::get_id();
  pthread_setname_np(pthread_self(), "grpc-loop");
  if (options_.cpu.has_value()) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<size_t>(*options_.cpu), &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0) {
      LogWarning("the loop cannot have its processor",
                 {{"cpu", *options_.cpu}});
    }
  }
  loop_->Run();
}

GrpcLoopServer::~GrpcLoopServer() {
  if (thread_.joinable()) {
    loop_->Stop();
    thread_.join();
  }
  // Nobody is answered from here on; the loop is this thread's now.
  {
    absl::MutexLock lock(&replies_->mutex);
    replies_->box = nullptr;
  }
  gone_.clear();
  connections_.clear();
  tasks_ = nullptr;
  listener_ = nullptr;
  loop_ = nullptr;
}

void GrpcLoopServer::OnAccept(UniqueFd fd, const SocketAddress& peer) {
  if (connections_.size() >= options_.max_connections) {
    ended_.Increment(ConnectionEnd::kTooMany);
    return;
  }
  const uint64_t id = next_connection_++;
  auto connection = std::make_unique<Connection>(*this, id);
  const absl::Status started = connection->Start(std::move(fd), peer);
  if (!started.ok()) {
    SALLYPORT_LOG_LIMITED(kWarning, "a connection cannot be taken",
                          {{"error", started}});
    return;
  }
  connections_[id] = std::move(connection);
}

void GrpcLoopServer::OnAnswered(Answered answered) {
  const auto it = connections_.find(answered.connection);
  if (it == connections_.end()) return;
  it->second->OnAnswered(answered.call, std::move(answered.answer));
}

void GrpcLoopServer::Remove(uint64_t id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  // Its own callback may be what runs.
  gone_.push_back(std::move(it->second));
  connections_.erase(it);
  loop_->Defer([this] { gone_.clear(); });
}

void GrpcLoopServer::Drain() {
  const absl::Status sent = tasks_->Send([this] { DrainOnLoop(); });
  if (!sent.ok()) LogError("the loop takes no tasks", {{"error", sent}});
}

void GrpcLoopServer::DrainOnLoop() {
  draining_ = true;
  listener_ = nullptr;
  for (const auto& [id, connection] : connections_) connection->Drain();
}

}  // namespace sallyport
