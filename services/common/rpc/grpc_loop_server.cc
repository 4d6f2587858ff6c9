#include "services/common/rpc/grpc_loop_server.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "services/common/bytes/byte_span.h"
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

// On a loop of other work: one connection's requests, what is left of all, and
// with that what EventLoop gives to Rank::kLast are what a turn takes longer.
constexpr absl::Duration kShareOfHost = absl::Microseconds(100);

// Until it has run. A loop with too much to do is asked again.
void RunOn(const GrpcLoopServerOptions::Host& run,
           const std::function<void(EventLoop&)>& task) {
  absl::Notification done;
  while (!run([&](EventLoop& loop) {
            task(loop);
            done.Notify();
          }).ok()) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  done.WaitForNotification();
}

}  // namespace

// A connection until its peer is known. The loop's thread's own.
class GrpcLoopServer::Handshake final : public StreamHandler {
 public:
  Handshake(GrpcLoopServer& server, uint64_t id)
      : server_(server),
        id_(id),
        count_(std::make_unique<GrpcLoopCount>(server.service_)) {}

  absl::Status Start(UniqueFd fd, const SocketAddress& peer) {
    SP_ASSIGN_OR_RETURN(
        stream_,
        TlsStream::Accept(*server_.loop_, std::move(fd), peer,
                          server_.tls_->current(),
                          GrpcLoopConnections::StreamOptions(), *this));
    return absl::OkStatus();
  }

  void OnOpen() override {
    if (stream_->session().application_protocol() != "h2") {
      stream_->Finish();
      return End(MakeError(absl::StatusCode::kFailedPrecondition,
                           "ALPN_MISSING", "the peer does not speak h2"));
    }
    GrpcLoopConnections::Arrival arrival;
    const auto& peer = stream_->session().peer();
    arrival.caller = peer.has_value() && peer->verified
                         ? server_.options_.policy->Identify(
                               peer->leaf.AltNames(SubjectAltName::Type::kUri))
                         : MakeError(absl::StatusCode::kUnauthenticated,
                                     "PEER_CERTIFICATE_MISSING",
                                     "the connection has no verified client "
                                     "certificate");
    arrival.stream = stream_->Detach();
    arrival.count = std::move(count_);
    server_.HandOver(std::move(arrival));
    server_.Remove(id_);
  }
  void OnData(ByteSpan /*data*/) override {}
  void OnEnd() override { End(absl::OkStatus()); }
  void OnClosed(absl::Status reason) override { End(reason); }

 private:
  void End(const absl::Status& reason) {
    server_.service_->ended.Increment(ConnectionEnd::kHandshake);
    if (!reason.ok()) {
      SALLYPORT_LOG_LIMITED(
          kWarning, "a connection has ended",
          {{"reason", ReasonOf(reason)},
           {"peer", Redacted(stream_->peer_address().IpText())},
           {"error", reason}});
    }
    server_.Remove(id_);
  }

  GrpcLoopServer& server_;
  const uint64_t id_;
  std::unique_ptr<GrpcLoopCount> count_;
  std::unique_ptr<TlsStream> stream_;
};

GrpcLoopServer::GrpcLoopServer(const GrpcLoopServerOptions& options)
    : options_(options) {}

absl::StatusOr<std::unique_ptr<GrpcLoopServer>> GrpcLoopServer::Start(
    const GrpcLoopServerOptions& options, std::vector<Method> methods) {
  SP_CHECK(options.policy != nullptr && options.health != nullptr);
  std::unique_ptr<GrpcLoopServer> server(new GrpcLoopServer(options));
  SP_RETURN_IF_ERROR(server->Listen(std::move(methods)));
  SP_RETURN_IF_ERROR(server->OpenPlaces());
  server->thread_ = std::thread([s = server.get()] { s->Serve(); });
  return server;
}

absl::Status GrpcLoopServer::Listen(std::vector<Method> methods) {
  GrpcLoopService& service = *service_;
  service.policy = options_.policy;
  service.connection = options_.connection;
  service.methods = std::move(methods);
  AddHealth();
  const std::vector<std::string>& listed = options_.policy->methods();
  for (size_t i = 0; i < service.methods.size(); ++i) {
    const std::string& path = service.methods[i].path;
    service.index_by_path[path] = i;
    const auto it = std::lower_bound(listed.begin(), listed.end(), path);
    service.labels.emplace_back();
    if (it != listed.end() && *it == path) {
      service.labels.back() = static_cast<size_t>(it - listed.begin());
    }
  }
  if (options_.metrics != nullptr) {
    const std::vector<std::vector<std::string>> lists = {listed};
    service.requests = options_.metrics->Counter(kRpcRequestsTotal, lists);
    service.seconds = options_.metrics->Histogram(kRpcRequestSeconds, lists);
    service.open_connections = options_.metrics->Gauge(kGrpcLoopConnections);
    service.ended = options_.metrics->Counter(kGrpcLoopConnectionsEndedTotal);
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
  GrpcLoopConnections::Options own;
  if (options_.hosts.empty()) own.busy_poll = options_.busy_poll;
  SP_ASSIGN_OR_RETURN(own_, GrpcLoopConnections::Create(*loop_, service_, own));
  return absl::OkStatus();
}

absl::Status GrpcLoopServer::OpenPlaces() {
  GrpcLoopConnections::Options options;
  options.rank = Rank::kLast;
  options.share = kShareOfHost;
  options.share_of_rest = kShareOfHost;
  options.busy_poll = options_.busy_poll;
  for (const GrpcLoopServerOptions::Host& host : options_.hosts) {
    auto place = std::make_unique<Place>();
    place->run = host;
    absl::Status made;
    RunOn(host, [&](EventLoop& loop) {
      auto connections = GrpcLoopConnections::Create(loop, service_, options);
      made = connections.status();
      if (made.ok()) place->connections = *std::move(connections);
    });
    SP_RETURN_IF_ERROR(made);
    places_.push_back(std::move(place));
  }
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
  service_->methods.push_back(std::move(check));
}

void GrpcLoopServer::Serve() {
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
  // Nobody is answered from here on; the loop is this thread's now. What was
  // handed over before is there by the time that this task runs.
  for (const std::unique_ptr<Place>& place : places_) {
    RunOn(place->run, [&](EventLoop&) { place->connections = nullptr; });
  }
  gone_.clear();
  handshakes_.clear();
  own_ = nullptr;
  tasks_ = nullptr;
  listener_ = nullptr;
  loop_ = nullptr;
}

void GrpcLoopServer::OnAccept(UniqueFd fd, const SocketAddress& peer) {
  if (service_->connections >= options_.max_connections) {
    service_->ended.Increment(ConnectionEnd::kTooMany);
    return;
  }
  const uint64_t id = next_handshake_++;
  auto handshake = std::make_unique<Handshake>(*this, id);
  const absl::Status started = handshake->Start(std::move(fd), peer);
  if (!started.ok()) {
    SALLYPORT_LOG_LIMITED(kWarning, "a connection cannot be taken",
                          {{"error", started}});
    return;
  }
  handshakes_[id] = std::move(handshake);
}

bool GrpcLoopServer::MayCallAny(const CallerIdentity& caller) const {
  return std::any_of(service_->methods.begin(), service_->methods.end(),
                     [&](const Method& m) {
                       return m.path != kHealthCheck &&
                              options_.policy->CheckMethod(caller, m.path).ok();
                     });
}

void GrpcLoopServer::HandOver(GrpcLoopConnections::Arrival arrival) {
  if (places_.empty() || !arrival.caller.ok() || !MayCallAny(*arrival.caller)) {
    return own_->Serve(std::move(arrival));
  }
  Place& place = **std::min_element(
      places_.begin(), places_.end(),
      [](const auto& a, const auto& b) { return *a->count < *b->count; });
  // Tasks are copied.
  const auto moved =
      std::make_shared<GrpcLoopConnections::Arrival>(std::move(arrival));
  moved->count->CountIn(place.count);
  const absl::Status sent = place.run([&place, moved](EventLoop&) {
    place.connections->Serve(std::move(*moved));
  });
  if (sent.ok()) return;
  moved->count->CountIn(nullptr);
  own_->Serve(std::move(*moved));
}

void GrpcLoopServer::Remove(uint64_t handshake) {
  const auto it = handshakes_.find(handshake);
  if (it == handshakes_.end()) return;
  // Its own callback may be what runs.
  gone_.push_back(std::move(it->second));
  handshakes_.erase(it);
  loop_->Defer([this] { gone_.clear(); });
}

void GrpcLoopServer::Drain() {
  const absl::Status sent = tasks_->Send([this] { DrainOnLoop(); });
  if (!sent.ok()) LogError("the loop takes no tasks", {{"error", sent}});
}

void GrpcLoopServer::DrainOnLoop() {
  listener_ = nullptr;
  own_->Drain();
  for (const std::unique_ptr<Place>& place : places_) {
    const absl::Status sent = place->run(
        [place = place.get()](EventLoop&) { place->connections->Drain(); });
    if (!sent.ok())
      LogWarning("a loop is not told to drain", {{"error", sent}});
  }
}

}  // namespace sallyport
