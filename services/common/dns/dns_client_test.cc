// Against dnsmasq, a name server of Debian.
#include "services/common/dns/dns_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "services/common/net/udp_socket.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// A name server of the test's own on a free port of the loopback.
class NameServer {
 public:
  explicit NameServer(const std::vector<std::string>& records) {
    auto free = UdpSocket::Bind(SocketAddress::LoopbackV4(0));
    EXPECT_TRUE(free.ok());
    address_ = free->local_address();
    arguments_ = {"dnsmasq",
                  // In the foreground, as the user that it is started by.
                  "--no-daemon", "--log-facility=-", "--conf-file=/dev/null",
                  "--pid-file=", "--no-resolv", "--no-hosts",
                  "--bind-interfaces", "--listen-address=127.0.0.1",
                  "--local-ttl=60", "--auth-ttl=60", "--local=/test/",
                  "--port=" + std::to_string(address_.port())};
    arguments_.insert(arguments_.end(), records.begin(), records.end());
  }
  ~NameServer() { Stop(); }

  void Start() {
    pid_ = fork();
    if (pid_ == 0) {
      std::vector<char*> argv;
      for (std::string& argument : arguments_) argv.push_back(argument.data());
      argv.push_back(nullptr);
      execvp("dnsmasq", argv.data());
      execv("/usr/sbin/dnsmasq", argv.data());
      _exit(127);
    }
  }
  void Stop() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  const SocketAddress& address() const { return address_; }

 private:
  SocketAddress address_;
  std::vector<std::string> arguments_;
  pid_t pid_ = 0;
};

class DnsClientTest : public testing::Test {
 protected:
  void SetUp() override { SP_ASSERT_OK_AND_ASSIGN(loop_, EventLoop::Create()); }

  void Open(const SocketAddress& server, int tries = 20) {
    DnsClient::Options options;
    options.servers = {server};
    options.try_timeout = absl::Milliseconds(100);
    options.tries = tries;
    SP_ASSERT_OK_AND_ASSIGN(client_, DnsClient::Create(*loop_, options));
  }

  DnsAnswer Ask(const std::string& name, DnsType type) {
    std::optional<DnsAnswer> out;
    client_->Ask({.name = name, .type = type},
                 [&out](const DnsAnswer& answer) { out = answer; });
    EXPECT_FALSE(out.has_value()) << "answered from within the call";
    const absl::Time end = absl::Now() + absl::Seconds(30);
    while (absl::Now() < end && !out) {
      loop_->RunOnce(absl::Milliseconds(10));
    }
    EXPECT_TRUE(out.has_value());
    return out.value_or(DnsAnswer());
  }

  // Asks until the server is up.
  DnsAnswer AskPatiently(const std::string& name, DnsType type) {
    DnsAnswer answer;
    const absl::Time end = absl::Now() + absl::Seconds(30);
    while (absl::Now() < end) {
      answer = Ask(name, type);
      if (answer.outcome != DnsOutcome::kFailure) break;
      absl::SleepFor(absl::Milliseconds(20));
    }
    return answer;
  }

  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<DnsClient> client_;
};

std::vector<std::string> Texts(const std::vector<SocketAddress>& addresses) {
  std::vector<std::string> out;
  for (const SocketAddress& address : addresses) {
    out.push_back(address.IpText());
  }
  return out;
}

TEST_F(DnsClientTest, AnswersOfEveryType) {
  NameServer server(
      {"--host-record=gw.example.test,192.0.2.7,2001:db8::7",
       "--host-record=gw.example.test,192.0.2.8",
       "--cname=alias.example.test,gw.example.test",
       "--srv-host=_sips._tcp.example.test,gw.example.test,5061,10,60",
       "--srv-host=_sips._tcp.example.test,gw2.example.test,5062,20,0",
       "--naptr-record=example.test,50,60,s,SIPS+D2T,,_sips._tcp.example."
       "test"});
  server.Start();
  Open(server.address());
  const DnsAnswer v4 = AskPatiently("GW.example.test.", DnsType::kA);
  EXPECT_EQ(v4.outcome, DnsOutcome::kFound);
  EXPECT_THAT(Texts(v4.addresses),
              UnorderedElementsAre("192.0.2.7", "192.0.2.8"));
  EXPECT_EQ(v4.time_to_live, absl::Seconds(60));
  EXPECT_THAT(Texts(Ask("gw.example.test", DnsType::kAaaa).addresses),
              ElementsAre("2001:db8::7"));
  EXPECT_THAT(Texts(Ask("alias.example.test", DnsType::kAaaa).addresses),
              ElementsAre("2001:db8::7"));
  EXPECT_THAT(Ask("_sips._tcp.example.test", DnsType::kSrv).services,
              UnorderedElementsAre(SrvRecord{10, 60, 5061, "gw.example.test"},
                                   SrvRecord{20, 0, 5062, "gw2.example.test"}));
  EXPECT_THAT(Ask("example.test", DnsType::kNaptr).pointers,
              ElementsAre(NaptrRecord{50, 60, "s", "SIPS+D2T", "",
                                      "_sips._tcp.example.test"}));
  const DnsAnswer none = Ask("nobody.example.test", DnsType::kA);
  EXPECT_EQ(none.outcome, DnsOutcome::kNone);
  EXPECT_THAT(none.addresses, IsEmpty());
  EXPECT_EQ(Ask("gw.example.test", DnsType::kSrv).outcome, DnsOutcome::kNone);
}

TEST_F(DnsClientTest, KeepsAnswersWhileTheServerIsAway) {
  NameServer server({"--host-record=gw.example.test,192.0.2.7"});
  server.Start();
  Open(server.address());
  ASSERT_EQ(AskPatiently("gw.example.test", DnsType::kA).outcome,
            DnsOutcome::kFound);
  server.Stop();
  EXPECT_EQ(Ask("gw.example.test", DnsType::kA).outcome, DnsOutcome::kFound);
}

TEST_F(DnsClientTest, ADeadServerIsAFailureInTime) {
  auto silent = UdpSocket::Bind(SocketAddress::LoopbackV4(0));
  ASSERT_TRUE(silent.ok());
  Open(silent->local_address(), 2);
  const DnsAnswer answer = Ask("gw.example.test", DnsType::kA);
  EXPECT_EQ(answer.outcome, DnsOutcome::kFailure);
  EXPECT_EQ(client_->waiting(), 0u);
}

TEST_F(DnsClientTest, TheSameQuestionIsSentOnce) {
  auto silent = UdpSocket::Bind(SocketAddress::LoopbackV4(0));
  ASSERT_TRUE(silent.ok());
  Open(silent->local_address(), 1);
  int answered = 0;
  for (int i = 0; i < 50; ++i) {
    client_->Ask({.name = "gw.example.test", .type = DnsType::kA},
                 [&answered](const DnsAnswer&) { ++answered; });
  }
  EXPECT_EQ(client_->waiting(), 1u);
  const absl::Time end = absl::Now() + absl::Seconds(30);
  while (absl::Now() < end && answered < 50) {
    loop_->RunOnce(absl::Milliseconds(10));
  }
  EXPECT_EQ(answered, 50);
  UdpReceiveBuffer buffer(64);
  const auto sent = silent->Receive(buffer);
  ASSERT_TRUE(sent.ok());
  EXPECT_EQ(sent->size(), 1u);
}

TEST_F(DnsClientTest, NamesThatAreNoneAreToldSo) {
  Open(SocketAddress::LoopbackV4(9));
  EXPECT_EQ(Ask("", DnsType::kA).outcome, DnsOutcome::kNone);
  EXPECT_EQ(Ask(std::string(300, 'a'), DnsType::kA).outcome, DnsOutcome::kNone);
  EXPECT_EQ(Ask(std::string(100, 'a') + ".test", DnsType::kA).outcome,
            DnsOutcome::kNone)
      << "a label of more than 63 octets";
}

TEST_F(DnsClientTest, MayGoWhileItIsAsked) {
  auto silent = UdpSocket::Bind(SocketAddress::LoopbackV4(0));
  ASSERT_TRUE(silent.ok());
  Open(silent->local_address());
  bool called = false;
  client_->Ask({.name = "gw.example.test", .type = DnsType::kA},
               [&called](const DnsAnswer&) { called = true; });
  loop_->RunOnce(absl::Milliseconds(10));
  client_.reset();
  loop_->RunOnce(absl::Milliseconds(10));
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace sallyport
