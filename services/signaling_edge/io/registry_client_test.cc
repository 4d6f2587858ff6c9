// Against the packaged redis-server.
#include "services/signaling_edge/io/registry_client.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/tcp_listener.h"
#include "services/common/status/error_reason.h"
#include "services/common/testing/test_certs.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kAlice[] = "tenants/t/users/alice";

// A port that nobody has at the moment.
uint16_t FreePort() {
  auto loop = *EventLoop::Create();
  auto listener =
      *TcpListener::Listen(*loop, *SocketAddress::FromIp("127.0.0.1", 0), {},
                           [](UniqueFd, const SocketAddress&) {});
  return listener->local_address().port();
}

// It keeps what it was told across a kill, as it writes each change down.
class RedisServer {
 public:
  explicit RedisServer(std::vector<std::string> more = {})
      : more_(std::move(more)), port_(FreePort()) {
    char folder[] = "/tmp/registry_test.XXXXXX";
    folder_ = mkdtemp(folder);
  }
  ~RedisServer() {
    Kill();
    std::system(("rm -r " + folder_).c_str());
  }

  void Start(bool tls = false) {
    std::vector<std::string> words = {"/usr/bin/redis-server",
                                      "--bind",
                                      "127.0.0.1",
                                      "--port",
                                      tls ? "0" : std::to_string(port_),
                                      "--dir",
                                      folder_,
                                      "--save",
                                      "",
                                      "--appendonly",
                                      "yes",
                                      "--appendfsync",
                                      "always",
                                      "--logfile",
                                      "log",
                                      "--daemonize",
                                      "no"};
    if (tls) {
      words.insert(words.end(), {"--tls-port", std::to_string(port_)});
    }
    words.insert(words.end(), more_.begin(), more_.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ASSERT_EQ(
        posix_spawn(&pid_, argv[0], nullptr, nullptr, argv.data(), environ), 0);
  }
  void Kill() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  void Signal(int signal) const { kill(pid_, signal); }
  uint16_t port() const { return port_; }

 private:
  const std::vector<std::string> more_;
  const uint16_t port_;
  std::string folder_;
  pid_t pid_ = 0;
};

class RegistryClientTest : public testing::Test {
 protected:
  RegistryClientTest() : loop_(*EventLoop::Create()) {}

  RedisClient::Options Options(const RedisServer& server) {
    RedisClient::Options out;
    out.host = "localhost";
    out.port = server.port();
    out.timeout = absl::Milliseconds(500);
    out.resolve = [](auto done) {
      done(RedisClient::Addresses{*SocketAddress::FromIp("127.0.0.1", 0)});
    };
    out.on_state = [this](bool up) { up_ = up; };
    return out;
  }
  bool Until(const std::function<bool()>& done) {
    for (int i = 0; i < 1000 && !done(); ++i) {
      loop_->RunOnce(absl::Milliseconds(10));
    }
    return done();
  }

  Binding Contact(std::string uri) {
    Binding out;
    out.contact = std::move(uri);
    out.call_id = "c";
    out.cseq = 1;
    out.expires = loop_->now() + absl::Minutes(10);
    out.owner = RemoteFlow{.node = {1, 0},
                           .remote = *SocketAddress::FromIp("192.0.2.1", 4000)};
    return out;
  }
  absl::StatusOr<RegistryReply> Store(RegistryClient& client,
                                      std::string expected, uint64_t generation,
                                      std::vector<Binding> bindings) {
    std::optional<absl::StatusOr<RegistryReply>> out;
    client.Store({1, kAlice, std::move(expected), /*epoch=*/0, generation,
                  std::move(bindings)},
                 [&out](auto reply) { out = std::move(reply); });
    EXPECT_TRUE(Until([&] { return out.has_value(); }));
    return *std::move(out);
  }
  absl::StatusOr<RegistryReply> Fetch(RegistryClient& client) {
    std::optional<absl::StatusOr<RegistryReply>> out;
    client.Fetch({1, kAlice}, [&out](auto reply) { out = std::move(reply); });
    EXPECT_TRUE(Until([&] { return out.has_value(); }));
    return *std::move(out);
  }

  std::unique_ptr<EventLoop> loop_;
  bool up_ = false;
};

TEST_F(RegistryClientTest, WhoKnowsWhatIsThereMayChangeIt) {
  RedisServer server;
  server.Start();
  RegistryClient client(*loop_, Options(server));
  ASSERT_TRUE(Until([&] { return up_; }));
  EXPECT_EQ(Fetch(client)->version, "");
  const auto first = Store(client, "", 1, {Contact("sip:a@1")});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(first->stored);
  // Another edge that had not seen that is told.
  const auto late = Store(client, "", 1, {Contact("sip:b@2")});
  ASSERT_TRUE(late.ok());
  EXPECT_FALSE(late->stored);
  EXPECT_EQ(late->generation, 1u);
  ASSERT_EQ(late->bindings.size(), 1u);
  EXPECT_EQ(late->bindings[0].contact, "sip:a@1");
  EXPECT_EQ(late->version, first->version);
  const auto second =
      Store(client, late->version, 2, {Contact("sip:a@1"), Contact("sip:b@2")});
  EXPECT_TRUE(second->stored);
  EXPECT_EQ(Fetch(client)->bindings.size(), 2u);
  // With the last contact's time, the value goes.
  Binding brief = Contact("sip:c@3");
  brief.expires = loop_->now() + absl::Milliseconds(50);
  EXPECT_TRUE(Store(client, second->version, 3, {brief})->stored);
  EXPECT_EQ(Fetch(client)->generation, 3u);
  loop_->RunOnce(absl::Milliseconds(60));
  loop_->RunOnce(absl::Milliseconds(60));
  EXPECT_TRUE(Fetch(client)->bindings.empty());
}

TEST_F(RegistryClientTest, WhatWasAcknowledgedOutlivesAKill) {
  RedisServer server;
  server.Start();
  RegistryClient client(*loop_, Options(server));
  ASSERT_TRUE(Until([&] { return up_; }));
  const auto first = Store(client, "", 1, {Contact("sip:a@1")});
  ASSERT_TRUE(first.ok() && first->stored);
  server.Kill();
  EXPECT_EQ(ReasonOf(Fetch(client).status()), "REGISTRY_UNAVAILABLE");
  ASSERT_TRUE(Until([&] { return !up_; }));
  EXPECT_EQ(ReasonOf(Store(client, "", 1, {}).status()),
            "REGISTRY_UNAVAILABLE");
  server.Start();
  ASSERT_TRUE(Until([&] { return up_; }));
  const auto after = Fetch(client);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->version, first->version);
}

TEST_F(RegistryClientTest, AServerThatSaysNothingIsGone) {
  RedisServer server;
  server.Start();
  RegistryClient client(*loop_, Options(server));
  ASSERT_TRUE(Until([&] { return up_; }));
  server.Signal(SIGSTOP);
  const MonoTime before = loop_->now();
  EXPECT_EQ(ReasonOf(Fetch(client).status()), "REGISTRY_UNAVAILABLE");
  EXPECT_LT(loop_->now() - before, absl::Seconds(2));
  EXPECT_FALSE(up_);
  server.Signal(SIGCONT);
  EXPECT_TRUE(Until([&] { return up_; }));
  EXPECT_TRUE(Fetch(client).ok());
}

TEST_F(RegistryClientTest, PasswordAndTls) {
  TestCa ca("Redis CA");
  const TestCertificate server_certificate = ca.IssueDns("localhost");
  RedisServer server(
      {"--requirepass", "open sesame", "--tls-cert-file",
       WriteTestFile("redis.pem", server_certificate.pem), "--tls-key-file",
       WriteTestFile("redis.key", server_certificate.key_pem),
       "--tls-ca-cert-file", WriteTestFile("redis-ca.pem", ca.pem()),
       "--tls-auth-clients", "no"});
  server.Start(/*tls=*/true);
  TlsContextOptions tls;
  tls.role = TlsRole::kClient;
  tls.trust_anchors = *TrustAnchors::FromPem(ca.pem());
  RedisClient::Options options = Options(server);
  options.tls = *TlsContext::Create(std::move(tls));
  options.password = "open sesame";
  {
    RegistryClient client(*loop_, options);
    ASSERT_TRUE(Until([&] { return up_; }));
    EXPECT_TRUE(Store(client, "", 1, {Contact("sip:a@1")})->stored);
  }
  up_ = false;
  // A wrong password, and an authority that is not trusted.
  const auto never_up = [this](RedisClient::Options wrong) {
    RegistryClient client(*loop_, std::move(wrong));
    for (int i = 0; i < 40 && !up_; ++i) {
      loop_->RunOnce(absl::Milliseconds(10));
    }
    return !up_;
  };
  options.password = "open barley";
  EXPECT_TRUE(never_up(options));
  options.password = "open sesame";
  TlsContextOptions other;
  other.role = TlsRole::kClient;
  other.trust_anchors = *TrustAnchors::FromPem(TestCa("Another").pem());
  options.tls = *TlsContext::Create(std::move(other));
  EXPECT_TRUE(never_up(options));
}

}  // namespace
}  // namespace sallyport::signaling_edge
