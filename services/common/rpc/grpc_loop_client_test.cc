// The client over real mutual TLS on loopback, to gRPC's own server and to
// ours.

#include "services/common/rpc/grpc_loop_client.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sallyport/credential_issuer/v1/credential_issuer_service.grpc.pb.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/grpc_loop_server.h"
#include "services/common/rpc/health_message.h"
#include "services/common/rpc/server_builder.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/mtls_pki.h"

namespace sallyport {
namespace {

using ::testing::HasSubstr;
namespace config = ::sallyport::common::config::v1;

constexpr char kTrustDomain[] = "t.test";
constexpr char kIdentity[] = "spiffe://t.test/media_relay";
constexpr char kService[] =
    "/sallyport.credential_issuer.v1.CredentialIssuerService/";
const std::string kEcho = absl::StrCat(kService, "IssueTurnCredential");
constexpr char kHealth[] = "/grpc.health.v1.Health/Check";

void Use(const PemFiles& files, config::TlsFiles& tls) {
  tls.set_certificate_file(files.certificate_file);
  tls.set_key_file(files.key_file);
  tls.set_ca_file(files.ca_file);
}

class GrpcLoopClientTest : public testing::Test {
 protected:
  GrpcLoopClientTest() {
    Use(pki_.IssueSpiffe(kTrustDomain, "media_relay"), server_tls_);
    Use(pki_.IssueSpiffe(kTrustDomain, "signaling_edge"), client_tls_);
    config_.set_trust_domain(kTrustDomain);
    config_.set_listen_address("127.0.0.1:0");
    *config_.mutable_tls() = server_tls_;
    std::vector<MethodRule> rules = {{kEcho, {"signaling_edge"}}};
    for (const char* name :
         {"RevokeCredential", "RevokeUser", "ListKeys", "RotateKey",
          "RevokeKey", "GetKey", "ReportKeysVersion", "GetStatus",
          "ListAuditRecords", "IssueMrasCredentials", "WatchVerificationKeys",
          "ListRevocations"}) {
      rules.push_back({absl::StrCat(kService, name), {"dialplan"}});
    }
    policy_.emplace(*AccessPolicy::Create(config_, rules));
  }
  ~GrpcLoopClientTest() override {
    client_ = nullptr;
    server_ = nullptr;
    absl::MutexLock lock(&mutex_);
    held_.clear();
  }

  // Answers what it is asked; "hold" when released, "refuse" with an error.
  absl::StatusOr<std::unique_ptr<GrpcLoopServer>> TryStartServer(
      const std::string& address) {
    GrpcLoopServerOptions options;
    options.listen_address = address;
    options.tls = server_tls_;
    options.policy = &*policy_;
    options.health = [](std::string_view) { return std::optional<bool>(true); };
    GrpcLoopServer::Method echo;
    echo.path = kEcho;
    echo.handler = [this](const CallerIdentity&, std::string request,
                          const GrpcLoopServer::Reply& reply) {
      ++asked_;
      if (request == "refuse") {
        return reply(MakeError(absl::StatusCode::kFailedPrecondition,
                               "NOT_TODAY", "no"));
      }
      if (request != "hold") return reply(std::move(request));
      absl::MutexLock lock(&mutex_);
      held_.push_back(reply);
    };
    return GrpcLoopServer::Start(options, {echo});
  }
  std::unique_ptr<GrpcLoopServer> StartServer(const std::string& address) {
    auto server = TryStartServer(address);
    EXPECT_THAT(server, IsOk());
    return *std::move(server);
  }
  void Start() {
    server_ = StartServer("127.0.0.1:0");
    target_ = absl::StrCat("127.0.0.1:", server_->port());
    Connect();
  }
  void Connect(const std::string& identity = kIdentity) {
    GrpcLoopClient::Options options;
    options.servers = {{target_, identity}};
    options.tls = client_tls_;
    options.first_backoff = absl::Milliseconds(50);
    options.max_backoff = absl::Milliseconds(100);
    options.keepalive = absl::Milliseconds(200);
    options.max_waiting = max_waiting_;
    auto client = GrpcLoopClient::Start(std::move(options));
    ASSERT_THAT(client, IsOk());
    client_ = *std::move(client);
  }

  absl::StatusOr<std::string> Ask(const std::string& what,
                                  std::string_view path = kEcho,
                                  absl::Duration timeout = absl::Seconds(10)) {
    absl::Notification over;
    absl::StatusOr<std::string> out;
    client_->Call(0, path, what, timeout,
                  [&](absl::StatusOr<std::string> answer) {
                    out = std::move(answer);
                    over.Notify();
                  });
    over.WaitForNotification();
    return out;
  }
  // Until it is answered: a server that comes back is found after a while.
  absl::StatusOr<std::string> AskUntilAnswered(const std::string& what) {
    const absl::Time give_up = absl::Now() + absl::Seconds(10);
    for (;;) {
      auto answer = Ask(what);
      if (answer.ok() || absl::Now() > give_up) return answer;
      absl::SleepFor(absl::Milliseconds(10));
    }
  }
  template <typename Condition>
  static bool Within10Seconds(Condition condition) {
    const absl::Time give_up = absl::Now() + absl::Seconds(10);
    while (!condition()) {
      if (absl::Now() > give_up) return false;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return true;
  }

  MtlsPki pki_;
  config::TlsFiles server_tls_;
  config::TlsFiles client_tls_;
  config::ServerConfig config_;
  std::optional<AccessPolicy> policy_;
  std::atomic<int> asked_ = 0;
  absl::Mutex mutex_;
  std::vector<GrpcLoopServer::Reply> held_;
  size_t max_waiting_ = 1000;
  std::string target_;
  std::unique_ptr<GrpcLoopServer> server_;
  std::unique_ptr<GrpcLoopClient> client_;
};

TEST_F(GrpcLoopClientTest, IsAnsweredAndRefused) {
  Start();
  EXPECT_THAT(Ask("hello"), IsOkAndHolds("hello"));
  EXPECT_THAT(Ask(std::string(200'000, 'x')),
              IsOkAndHolds(std::string(200'000, 'x')));
  const absl::Status refused = Ask("refuse").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_EQ(ReasonOf(refused), "NOT_TODAY");
  EXPECT_TRUE(absl::IsPermissionDenied(
      Ask("x", absl::StrCat(kService, "GetKey")).status()));
}

TEST_F(GrpcLoopClientTest, IsAnsweredByTheLibrarysServer) {
  GrpcServerOptions options;
  options.policy = &*policy_;
  auto server = GrpcServer::Start(config_, options);
  ASSERT_THAT(server, IsOk());
  target_ = absl::StrCat("127.0.0.1:", (*server)->port());
  Connect();
  EXPECT_THAT(Ask("", kHealth), IsOkAndHolds(HealthResponse(false)));
  (*server)->SetReady(true);
  EXPECT_THAT(Ask("", kHealth), IsOkAndHolds(HealthResponse(true)));
  // It says GOAWAY when it ends, and is there again at the same port.
  config_.set_listen_address(target_);
  (*server)->Shutdown(absl::ZeroDuration());
  *server = nullptr;
  EXPECT_EQ(ReasonOf(Ask("", kHealth).status()), "SERVER_UNREACHABLE");
  server = GrpcServer::Start(config_, options);
  ASSERT_THAT(server, IsOk());
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  auto answer = Ask("", kHealth);
  while (!answer.ok() && absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(10));
    answer = Ask("", kHealth);
  }
  EXPECT_THAT(answer, IsOkAndHolds(HealthResponse(false)));
}

TEST_F(GrpcLoopClientTest, ManyCallsOfManyThreadsEachHaveTheirAnswer) {
  Start();
  constexpr int kThreads = 4;
  constexpr int kEach = 200;  // below the server's limit of open calls
  absl::BlockingCounter left(kThreads * kEach);
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const std::string what = absl::StrCat(t, ".", i);
        client_->Call(0, kEcho, what, absl::Seconds(20),
                      [&, what](absl::StatusOr<std::string> answer) {
                        if (answer.ok() && *answer == what) ++right;
                        left.DecrementCount();
                      });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  left.Wait();
  EXPECT_EQ(right, kThreads * kEach);
}

TEST_F(GrpcLoopClientTest, WhatIsNotAnsweredInTimeEnds) {
  Start();
  const absl::Status late =
      Ask("hold", kEcho, absl::Milliseconds(100)).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(late)) << late;
  EXPECT_THAT(Ask("hello"), IsOkAndHolds("hello"));  // by the same connection
}

TEST_F(GrpcLoopClientTest, AServerOfAnotherIdentityIsNotAsked) {
  Start();
  Connect("spiffe://t.test/dialplan");
  const absl::Status refused = Ask("hello").status();
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("PEER_IDENTITY_MISMATCH"));
  EXPECT_EQ(asked_, 0);
}

TEST_F(GrpcLoopClientTest, AClientWithoutRightsIsRefused) {
  MtlsPki other("other");
  Use(other.IssueSpiffe(kTrustDomain, "signaling_edge"), client_tls_);
  client_tls_.set_ca_file(server_tls_.ca_file());
  Start();
  const absl::Status refused = Ask("hello").status();
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_EQ(asked_, 0);
}

TEST_F(GrpcLoopClientTest, AServerThatIsGoneFailsCallsAtOnceAndIsFoundAgain) {
  Start();
  EXPECT_THAT(Ask("one"), IsOkAndHolds("one"));
  absl::StatusOr<std::string> open;
  absl::Notification over;
  client_->Call(0, kEcho, "hold", absl::Seconds(20),
                [&](absl::StatusOr<std::string> answer) {
                  open = std::move(answer);
                  over.Notify();
                });
  ASSERT_TRUE(Within10Seconds([&] { return asked_ == 2; }));
  server_ = nullptr;
  over.WaitForNotification();
  EXPECT_TRUE(absl::IsUnavailable(open.status())) << open.status();
  EXPECT_EQ(ReasonOf(Ask("two").status()), "SERVER_UNREACHABLE");
  server_ = StartServer(target_);
  EXPECT_THAT(AskUntilAnswered("three"), IsOkAndHolds("three"));
}

TEST_F(GrpcLoopClientTest, AServerThatDrainsIsLeftAndNoCallIsLost) {
  Start();
  EXPECT_THAT(Ask("one"), IsOkAndHolds("one"));
  absl::StatusOr<std::string> open;
  absl::Notification over;
  client_->Call(0, kEcho, "hold", absl::Seconds(20),
                [&](absl::StatusOr<std::string> answer) {
                  open = std::move(answer);
                  over.Notify();
                });
  ASSERT_TRUE(Within10Seconds([&] { return asked_ == 2; }));
  server_->Drain();  // and gives up the port, by and by
  std::unique_ptr<GrpcLoopServer> next;
  ASSERT_TRUE(Within10Seconds([&] {
    auto server = TryStartServer(target_);
    if (server.ok()) next = *std::move(server);
    return next != nullptr;
  }));
  EXPECT_THAT(AskUntilAnswered("two"), IsOkAndHolds("two"));
  {
    absl::MutexLock lock(&mutex_);
    ASSERT_EQ(held_.size(), 1u);
    held_[0](std::string("held"));
  }
  over.WaitForNotification();
  EXPECT_THAT(open, IsOkAndHolds("held"));
  client_ = nullptr;  // before `next`
}

TEST_F(GrpcLoopClientTest, MoreCallsThanAllowedAreRefused) {
  max_waiting_ = 2;
  Start();
  EXPECT_THAT(Ask("one"), IsOkAndHolds("one"));
  absl::BlockingCounter left(2);
  for (int i = 0; i < 2; ++i) {
    client_->Call(
        0, kEcho, "hold", absl::Seconds(20),
        [&](const absl::StatusOr<std::string>&) { left.DecrementCount(); });
    ASSERT_TRUE(Within10Seconds([&] { return asked_ == 2 + i; }));
  }
  const absl::Status refused = Ask("three").status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_EQ(ReasonOf(refused), "TOO_MANY_CALLS");
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& reply : held_) reply(std::string());
  }
  left.Wait();
}

TEST_F(GrpcLoopClientTest, CallsThatAreOpenAtTheEndAreCancelled) {
  Start();
  EXPECT_THAT(Ask("one"), IsOkAndHolds("one"));
  std::atomic<int> cancelled = 0;
  for (int i = 0; i < 10; ++i) {
    client_->Call(0, kEcho, "hold", absl::Seconds(20),
                  [&](const absl::StatusOr<std::string>& answer) {
                    if (absl::IsCancelled(answer.status())) ++cancelled;
                  });
  }
  client_ = nullptr;
  EXPECT_EQ(cancelled, 10);
}

TEST_F(GrpcLoopClientTest, NamesAreLookedUp) {
  Start();
  target_ = absl::StrCat("dns:///localhost:", server_->port());
  Connect();
  EXPECT_THAT(Ask("hello"), IsOkAndHolds("hello"));
  target_ = "no-such-host.invalid:7003";
  Connect();
  EXPECT_EQ(ReasonOf(Ask("hello").status()), "SERVER_UNREACHABLE");
}

TEST_F(GrpcLoopClientTest, ATargetThatIsNoneIsRefused) {
  for (const char* target : {"", "host", ":7003", "host:"}) {
    GrpcLoopClient::Options options;
    options.servers = {{target, kIdentity}};
    options.tls = client_tls_;
    EXPECT_TRUE(absl::IsInvalidArgument(
        GrpcLoopClient::Start(std::move(options)).status()))
        << target;
  }
}

// Without a thread of its own: all happens in the turns of the loop.
class GrpcClientOnALoopTest : public GrpcLoopClientTest {
 protected:
  // Answers in the order in which they came.
  GrpcLoopClient::Done Note() {
    return [this](absl::StatusOr<std::string> answer) {
      answers_.push_back(std::move(answer));
    };
  }
  void RunUntil(size_t answers) {
    const absl::Time give_up = absl::Now() + absl::Seconds(10);
    while (answers_.size() < answers && absl::Now() < give_up) {
      loop_->RunOnce(absl::Milliseconds(10));
    }
    ASSERT_EQ(answers_.size(), answers);
  }

  const std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  std::vector<absl::StatusOr<std::string>> answers_;
};

TEST_F(GrpcClientOnALoopTest, CallsInTheTurnsOfTheLoop) {
  Start();
  const auto on = client_->On(*loop_);
  for (int i = 0; i < 100; ++i) {
    on->Call(0, kEcho, absl::StrCat(i), absl::Seconds(10), Note());
  }
  EXPECT_TRUE(answers_.empty());
  RunUntil(100);
  std::vector<std::string> said;
  for (const auto& answer : answers_) said.push_back(answer.value_or("?"));
  EXPECT_THAT(said, testing::Contains("0"));
  EXPECT_THAT(said, testing::Contains("99"));
  EXPECT_EQ(asked_, 100);
}

TEST_F(GrpcClientOnALoopTest, WhatIsUrgentGoesBeforeTheTurnIsOver) {
  Start();
  const auto on = client_->On(*loop_);
  on->Flush();  // there is no connection yet, and nothing to send
  on->Call(0, kEcho, "first", absl::Seconds(10), Note());
  RunUntil(1);
  on->Call(0, kEcho, "urgent", absl::Seconds(10), Note());
  on->Flush();
  // The server has it, and the loop has not turned.
  EXPECT_TRUE(Within10Seconds([&] { return asked_ == 2; }));
  EXPECT_EQ(answers_.size(), 1u);
  RunUntil(2);
  EXPECT_EQ(answers_[1].value_or(""), "urgent");
}

TEST_F(GrpcClientOnALoopTest, AFailureIsToldAfterTheCallHasReturned) {
  Start();
  const auto on = client_->On(*loop_);
  on->Call(0, kEcho, "a", absl::ZeroDuration(), Note());
  EXPECT_TRUE(answers_.empty());
  RunUntil(1);
  EXPECT_EQ(ReasonOf(answers_[0].status()), "CALL_TIMEOUT");
  server_ = nullptr;
  on->Call(0, kEcho, "b", absl::Seconds(5), Note());
  RunUntil(2);
  EXPECT_EQ(ReasonOf(answers_[1].status()), "SERVER_UNREACHABLE");
  on->Call(0, kEcho, "c", absl::Seconds(5), Note());
  EXPECT_EQ(answers_.size(), 2u);
  RunUntil(3);
  EXPECT_EQ(ReasonOf(answers_[2].status()), "SERVER_UNREACHABLE");
}

TEST_F(GrpcClientOnALoopTest, WhatIsOpenIsCancelledAtTheEnd) {
  Start();
  auto on = client_->On(*loop_);
  on->Call(0, kEcho, "first", absl::Seconds(10), Note());
  RunUntil(1);
  on->Call(0, kEcho, "hold", absl::Seconds(10), Note());
  on->Call(0, kEcho, "late", absl::ZeroDuration(), Note());
  on = nullptr;
  ASSERT_EQ(answers_.size(), 3u);
  EXPECT_EQ(ReasonOf(answers_[1].status()), "CALL_RESET");
  EXPECT_TRUE(absl::IsCancelled(answers_[1].status()));
  loop_->RunOnce(absl::ZeroDuration());  // nothing of it is left there
  EXPECT_EQ(answers_.size(), 3u);
}

TEST_F(GrpcClientOnALoopTest, CallsGoWhereTheyArePreferredWhileThatIsThere) {
  Start();
  const auto on = client_->On(*loop_);
  size_t asked = 0;
  const auto ask = [&](const std::string& what) {
    on->Call(0, kEcho, what, absl::Seconds(10), Note());
    RunUntil(++asked);
    return answers_.back().value_or("?");
  };
  EXPECT_EQ(ask("before"), "before");
  auto other = StartServer("127.0.0.1:0");
  on->Prefer(0, absl::StrCat("127.0.0.1:", other->port()));
  // Until there is a connection nobody waits for one.
  EXPECT_EQ(ask("soon"), "soon");
  loop_->RunOnce(absl::Milliseconds(10));
  server_ = nullptr;
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  while (ask("there") != "there" && absl::Now() < give_up) {
  }
  EXPECT_EQ(ask("only there"), "only there");
  // A call that is open stays where it was made when another is preferred.
  on->Call(0, kEcho, "hold", absl::Seconds(10), Note());
  ASSERT_TRUE(Within10Seconds([&] {
    loop_->RunOnce(absl::Milliseconds(1));
    absl::MutexLock lock(&mutex_);
    return !held_.empty();
  }));
  server_ = StartServer(target_);
  on->Prefer(0, "");
  {
    absl::MutexLock lock(&mutex_);
    held_[0]("held");
  }
  RunUntil(++asked);
  EXPECT_EQ(answers_.back().value_or("?"), "held");
  while (ask("back") != "back" && absl::Now() < give_up) {
  }
  other = nullptr;
  EXPECT_EQ(ask("home"), "home");
  // Where nobody is, nothing is lost.
  on->Prefer(0, "127.0.0.1:1");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask("not there"), "not there");
  on->Prefer(0, "no target");
  EXPECT_EQ(ask("no target"), "no target");
}

// The certificates are watched once for all.
TEST_F(GrpcClientOnALoopTest, OutlivesTheOneItIsMadeOf) {
  Start();
  const auto on = client_->On(*loop_);
  client_ = nullptr;
  on->Call(0, kEcho, "still here", absl::Seconds(10), Note());
  RunUntil(1);
  EXPECT_EQ(answers_[0].value_or(""), "still here");
}

}  // namespace
}  // namespace sallyport
