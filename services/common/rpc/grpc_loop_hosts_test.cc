// Connections that a GrpcLoopServer gives to loops of other work.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/metrics/metrics.h"
#include "services/common/net/byte_stream.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/mailbox.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/tcp_stream.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/grpc_loop_server.h"
#include "services/common/rpc/metrics_table.h"
#include "services/common/rpc/testing/raw_grpc_peer.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/mtls_pki.h"

namespace sallyport {
namespace {

using ::testing::HasSubstr;

constexpr char kTrustDomain[] = "t.test";
// Two methods of a service that there is.
constexpr char kAsk[] =
    "/sallyport.credential_issuer.v1.CredentialIssuerService/"
    "IssueTurnCredential";
constexpr char kWatch[] =
    "/sallyport.credential_issuer.v1.CredentialIssuerService/ListKeys";

// These for signaling_edge, all others of the service for dialplan.
std::vector<MethodRule> Rules() {
  const google::protobuf::ServiceDescriptor* const service =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
          "sallyport.credential_issuer.v1.CredentialIssuerService");
  std::vector<MethodRule> rules;
  for (int i = 0; i < service->method_count(); ++i) {
    const std::string path = absl::StrCat("/", service->full_name(), "/",
                                          service->method(i)->name());
    const bool ours = path == kAsk || path == kWatch;
    rules.push_back({path, {ours ? "signaling_edge" : "dialplan"}});
  }
  return rules;
}

// A loop with work of its own, which a server may use.
class Host {
 public:
  using Task = std::function<void(EventLoop&)>;

  Host()
      : loop_(*EventLoop::Create()),
        box_(*Mailbox<Task>::Create(
            *loop_, 100, [this](const Task& task) { task(*loop_); })),
        thread_([this] { loop_->Run(); }) {}
  ~Host() {
    loop_->Stop();
    thread_.join();
    box_ = nullptr;
  }

  GrpcLoopServerOptions::Host Run() {
    return [this](Task task) {
      if (full) return absl::ResourceExhaustedError("full");
      ++tasks;
      return Post(std::move(task));
    };
  }
  absl::Status Post(Task task) { return box_->Send(std::move(task)); }
  // Until it has come to what was posted so far.
  void Settle() {
    absl::Notification done;
    ASSERT_THAT(Post([&](EventLoop&) { done.Notify(); }), IsOk());
    done.WaitForNotification();
  }
  std::thread::id id() const { return thread_.get_id(); }

  std::atomic<bool> full = false;
  std::atomic<int> tasks = 0;  // that the server has given it

 private:
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Mailbox<Task>> box_;
  std::thread thread_;
};

class GrpcLoopHostsTest : public testing::Test {
 protected:
  GrpcLoopHostsTest() {
    own_ = pki_.IssueSpiffe(kTrustDomain, "server");
    edge_ = pki_.IssueSpiffe(kTrustDomain, "signaling_edge");
    common::config::v1::ServerConfig config;
    config.set_trust_domain(kTrustDomain);
    policy_.emplace(*AccessPolicy::Create(config, Rules()));
    metrics_ =
        *MetricsRegistry::Create(std::vector<absl::Span<const MetricSpec>>{
            kRpcMetrics, kGrpcLoopMetrics});
    options_.listen_address = "127.0.0.1:0";
    options_.tls.set_certificate_file(own_.certificate_file);
    options_.tls.set_key_file(own_.key_file);
    options_.tls.set_ca_file(own_.ca_file);
    options_.policy = &*policy_;
    options_.metrics = metrics_.get();
    options_.health = [](std::string_view) { return true; };
  }
  ~GrpcLoopHostsTest() override {
    server_ = nullptr;
    for (std::thread& thread : later_) thread.join();
  }

  void Start(size_t hosts) {
    for (size_t i = 0; i < hosts; ++i) {
      hosts_.push_back(std::make_unique<Host>());
      options_.hosts.push_back(hosts_.back()->Run());
    }
    GrpcLoopServer::Method ask;
    ask.path = kAsk;
    ask.handler = [this](const CallerIdentity&, std::string request,
                         const GrpcLoopServer::Reply& reply) {
      {
        absl::MutexLock lock(&mutex_);
        served_by_.push_back(std::this_thread::get_id());
        if (handler_) handler_();
      }
      if (request != "later") return reply(std::move(request));
      later_.emplace_back([reply] {
        absl::SleepFor(absl::Milliseconds(20));
        reply("late");
      });
    };
    GrpcLoopServer::Method watch;
    watch.path = kWatch;
    watch.streams = true;
    watch.handler = [](const CallerIdentity&, std::string request,
                       const GrpcLoopServer::Reply& reply) {
      reply(std::move(request));
    };
    auto server = GrpcLoopServer::Start(options_, {ask, watch});
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    for (const auto& host : hosts_) begun_.push_back(host->tasks);
  }

  std::unique_ptr<RawGrpcPeer> Connect(const PemFiles& files) {
    return std::make_unique<RawGrpcPeer>(server_->port(), files);
  }
  // Its answer, or what its status says.
  std::string Ask(RawGrpcPeer& peer, const std::string& request) {
    const size_t before = peer.answers.size();
    const int32_t call = peer.caller.Start(kAsk);
    peer.caller.Send(call, request, true);
    EXPECT_TRUE(peer.RunUntil(
        [&] { return peer.ended || peer.statuses.count(call) > 0; }));
    if (peer.answers.size() > before) return peer.answers.back();
    return ReasonOf(peer.statuses[call]);
  }
  std::vector<std::thread::id> served_by() {
    absl::MutexLock lock(&mutex_);
    return served_by_;
  }
  // What the server has given to the host since it started.
  int GivenTo(size_t host) const { return hosts_[host]->tasks - begun_[host]; }

  MtlsPki pki_;
  PemFiles own_;
  PemFiles edge_;
  std::optional<const AccessPolicy> policy_;
  std::unique_ptr<MetricsRegistry> metrics_;
  GrpcLoopServerOptions options_;
  absl::Mutex mutex_;
  std::vector<std::thread::id> served_by_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> handler_;  // set before the first call
  std::vector<std::thread> later_;
  std::vector<std::unique_ptr<Host>> hosts_;  // outlive the server
  std::vector<int> begun_;
  std::unique_ptr<GrpcLoopServer> server_;
};

TEST_F(GrpcLoopHostsTest, HandlersRunOnTheHostWithTheFewestConnections) {
  Start(2);
  auto first = Connect(edge_);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Ask(*first, "a"), "a");
  auto second = Connect(edge_);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Ask(*second, "b"), "b");
  // From another thread.
  EXPECT_EQ(Ask(*second, "later"), "late");
  std::vector<std::thread::id> by = served_by();
  ASSERT_EQ(by.size(), 41u);
  const std::set<std::thread::id> of_first(by.begin(), by.begin() + 20);
  const std::set<std::thread::id> of_second(by.begin() + 20, by.end());
  EXPECT_EQ(of_first.size(), 1u);
  EXPECT_EQ(of_second.size(), 1u);
  EXPECT_NE(*of_first.begin(), *of_second.begin());
  const size_t freed = hosts_[0]->id() == *of_first.begin() ? 0 : 1;
  EXPECT_EQ(hosts_[freed]->id(), *of_first.begin());
  EXPECT_THAT(metrics_->Text(), HasSubstr("sallyport_rpc_loop_connections 2"));
  // The place of one that has gone is the next one's.
  first = nullptr;
  while (metrics_->Text().find("sallyport_rpc_loop_connections 1") ==
         std::string::npos) {
    hosts_[freed]->Settle();
  }
  const auto third = Connect(edge_);
  EXPECT_EQ(Ask(*third, "c"), "c");
  EXPECT_EQ(served_by().back(), hosts_[freed]->id());
}

TEST_F(GrpcLoopHostsTest, WhoMayCallNothingNeverComesToAHost) {
  Start(1);
  const auto nobody = Connect(pki_.IssueSpiffe(kTrustDomain, "capf"));
  EXPECT_EQ(Ask(*nobody, "x"), "CALLER_NOT_ACCEPTED");
  // Something at another port, nothing here.
  const auto other = Connect(pki_.IssueSpiffe(kTrustDomain, "dialplan"));
  EXPECT_EQ(Ask(*other, "x"), "CALLER_NOT_ACCEPTED");
  const auto stranger = Connect(pki_.Issue("s", "URI:spiffe://else/x"));
  EXPECT_EQ(Ask(*stranger, "x"), "PEER_IDENTITY_MISMATCH");
  EXPECT_EQ(GivenTo(0), 0);
  EXPECT_EQ(Ask(*Connect(edge_), "x"), "x");
  EXPECT_EQ(GivenTo(0), 1);
}

// Whatever comes before a caller is known costs a host nothing at all.
TEST_F(GrpcLoopHostsTest, AFloodOfHandshakesNeverComesToAHost) {
  Start(1);
  struct Nobody final : StreamHandler {
    void OnOpen() override { open = true; }
    void OnData(ByteSpan /*data*/) override {}
    void OnEnd() override { over = true; }
    void OnClosed(absl::Status /*reason*/) override { over = true; }
    bool open = false;
    bool over = false;
  };
  const auto loop = *EventLoop::Create();
  const auto run_until = [&](const std::function<bool()>& done) {
    const absl::Time give_up = absl::Now() + absl::Seconds(10);
    while (!done() && absl::Now() < give_up) {
      loop->RunOnce(absl::Milliseconds(5));
    }
    EXPECT_TRUE(done());
  };
  std::vector<std::unique_ptr<Nobody>> nobodies;
  std::vector<std::unique_ptr<TcpStream>> streams;
  for (int i = 0; i < 200; ++i) {
    nobodies.push_back(std::make_unique<Nobody>());
    streams.push_back(*TcpStream::Connect(
        *loop,
        SocketAddress::LoopbackV4(static_cast<uint16_t>(server_->port())), {},
        *nobodies.back()));
  }
  // A third says nothing, one begins a handshake, one says what is none.
  for (size_t i = 0; i < streams.size(); ++i) {
    run_until([&] { return nobodies[i]->open; });
    if (i % 3 == 1) {
      ASSERT_THAT(streams[i]->Write(AsBytes("\x16\x03\x01\x02")), IsOk());
    } else if (i % 3 == 2) {
      ASSERT_THAT(streams[i]->Write(AsBytes("GET / HTTP/1.0\r\n\r\n")), IsOk());
      run_until([&] { return nobodies[i]->over; });
    }
  }
  MtlsPki others("others");
  PemFiles foreign = others.IssueSpiffe(kTrustDomain, "signaling_edge");
  foreign.ca_file = own_.ca_file;
  for (int i = 0; i < 20; ++i) {
    const auto untrusted = Connect(foreign);
    EXPECT_TRUE(untrusted->RunUntil([&] { return untrusted->ended; }));
  }
  EXPECT_EQ(GivenTo(0), 0);
  const auto edge = Connect(edge_);
  EXPECT_EQ(Ask(*edge, "x"), "x");
  EXPECT_EQ(GivenTo(0), 1);
}

TEST_F(GrpcLoopHostsTest, AHostWithTooMuchToDoIsSparedTheConnection) {
  Start(1);
  hosts_[0]->full = true;
  const auto peer = Connect(edge_);
  EXPECT_EQ(Ask(*peer, "x"), "x");
  EXPECT_EQ(GivenTo(0), 0);
  EXPECT_NE(served_by().back(), hosts_[0]->id());
  hosts_[0]->full = false;
  EXPECT_EQ(Ask(*Connect(edge_), "x"), "x");
  EXPECT_EQ(served_by().back(), hosts_[0]->id());
}

TEST_F(GrpcLoopHostsTest, ConnectionsAreCountedWhereverTheyAre) {
  options_.max_connections = 2;
  Start(1);
  const auto first = Connect(edge_);
  EXPECT_EQ(Ask(*first, "x"), "x");
  const auto nobody = Connect(pki_.IssueSpiffe(kTrustDomain, "capf"));
  EXPECT_EQ(Ask(*nobody, "x"), "CALLER_NOT_ACCEPTED");
  const auto third = Connect(edge_);
  EXPECT_TRUE(third->RunUntil([&] { return third->ended; }));
  EXPECT_EQ(Ask(*first, "y"), "y");
}

// One that is on its way when the drain begins is told too.
TEST_F(GrpcLoopHostsTest, DrainReachesHostsAndWhatComesToThem) {
  Start(1);
  const auto peer = Connect(edge_);
  const int32_t call = peer->caller.Start(kWatch);
  peer->caller.Send(call, "a", false);
  ASSERT_TRUE(peer->RunUntil([&] { return peer->answers.size() == 1; }));
  absl::Notification held;
  absl::Notification go;
  ASSERT_THAT(hosts_[0]->Post([&](EventLoop&) {
    held.Notify();
    go.WaitForNotification();
  }),
              IsOk());
  held.WaitForNotification();
  const auto late = Connect(edge_);
  ASSERT_TRUE(late->RunUntil([&] { return GivenTo(0) == 2; }));
  server_->Drain();
  while (GivenTo(0) < 3) absl::SleepFor(absl::Milliseconds(1));
  go.Notify();
  ASSERT_TRUE(peer->RunUntil([&] { return peer->ended; }));
  EXPECT_EQ(ReasonOf(peer->statuses[call]), "DRAINING");
  EXPECT_TRUE(peer->caller.told_to_go());
  ASSERT_TRUE(late->RunUntil([&] { return late->ended; }));
  EXPECT_TRUE(late->caller.told_to_go());
  EXPECT_EQ(server_->open_calls(), 0u);
}

TEST_F(GrpcLoopHostsTest, TheEndOfTheServerLeavesTheHostAlone) {
  Start(1);
  const auto peer = Connect(edge_);
  const int32_t call = peer->caller.Start(kWatch);
  peer->caller.Send(call, "a", false);
  ASSERT_TRUE(peer->RunUntil([&] { return peer->answers.size() == 1; }));
  const int32_t later = peer->caller.Start(kAsk);
  peer->caller.Send(later, "later", true);
  ASSERT_TRUE(peer->RunUntil([&] { return served_by().size() == 1; }));
  server_ = nullptr;
  ASSERT_TRUE(peer->RunUntil([&] { return peer->ended; }));
  EXPECT_THAT(metrics_->Text(), HasSubstr("sallyport_rpc_loop_connections 0"));
  for (std::thread& thread : later_) thread.join();
  later_.clear();
  hosts_[0]->Settle();
}

// However many requests wait, what a host does itself has its turn after one or
// two that take longer than their share.
TEST_F(GrpcLoopHostsTest, RequestsOfATurnAreBounded) {
  std::atomic<int> turn = 0;
  std::vector<int> turns;
  handler_ = [&] {
    turns.push_back(turn);
    const absl::Time end = absl::Now() + absl::Microseconds(200);
    while (absl::Now() < end) {
    }
  };
  Start(1);
  // Comes once in each turn, as the next is sent by it.
  std::function<void(EventLoop&)> count;
  std::atomic<bool> stop = false;
  absl::Notification stopped;
  count = [&](EventLoop&) {
    ++turn;
    if (stop) return stopped.Notify();
    EXPECT_THAT(hosts_[0]->Post(count), IsOk());
  };
  constexpr size_t kCalls = 100;
  std::vector<std::unique_ptr<RawGrpcPeer>> peers;
  for (int i = 0; i < 2; ++i) {
    peers.push_back(Connect(edge_));
    EXPECT_EQ(Ask(*peers.back(), "x"), "x");
  }
  ASSERT_THAT(hosts_[0]->Post(count), IsOk());
  for (const auto& peer : peers) {
    for (size_t i = 0; i < kCalls; ++i) {
      peer->caller.Send(peer->caller.Start(kAsk), "x", true);
    }
  }
  for (const auto& peer : peers) {
    EXPECT_TRUE(
        peer->RunUntil([&] { return peer->answers.size() == kCalls + 1; }));
  }
  stop = true;
  stopped.WaitForNotification();
  absl::MutexLock lock(&mutex_);
  ASSERT_EQ(turns.size(), 2 * kCalls + 2);
  // Each of two connections when it is read, and one that waits.
  for (size_t i = 5; i < turns.size(); ++i) {
    EXPECT_GT(turns[i], turns[i - 3]) << i;
  }
}

}  // namespace
}  // namespace sallyport
