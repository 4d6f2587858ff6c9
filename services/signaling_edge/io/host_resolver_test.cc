#include "services/signaling_edge/io/host_resolver.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "services/common/net/udp_socket.h"
#include "services/common/random/system_random.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

using Addresses = HostResolver::Addresses;

class HostResolverTest : public testing::Test {
 protected:
  absl::StatusOr<Addresses> Ask(const std::string& host,
                                const std::string& service = "") {
    if (resolver_ == nullptr) {
      resolver_ = *HostResolver::Create(*loop_, options_, random_);
    }
    std::optional<absl::StatusOr<Addresses>> answer;
    resolver_->Resolve(host, service,
                       [&](auto got) { answer = std::move(got); });
    EXPECT_FALSE(answer.has_value()) << "called back from within";
    for (int i = 0; i < 100 && !answer.has_value(); ++i) {
      loop_->RunOnce(absl::Milliseconds(50));
    }
    if (!answer.has_value()) return absl::InternalError("no answer");
    return *answer;
  }

  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  SystemRandom random_;
  HostResolver::Options options_;
  std::unique_ptr<HostResolver> resolver_;
};

TEST_F(HostResolverTest, LiteralsAndStaticHostsNeedNoLookup) {
  options_.lookup = [](const std::string&) -> absl::StatusOr<Addresses> {
    ADD_FAILURE() << "looked up";
    return Addresses{};
  };
  options_.static_hosts["gw.test"] = {*SocketAddress::FromIp("192.0.2.7", 0)};
  EXPECT_EQ(Ask("192.0.2.1")->at(0).ToString(), "192.0.2.1:0");
  EXPECT_EQ(Ask("[2001:db8::1]")->at(0).IpText(), "2001:db8::1");
  EXPECT_EQ(Ask("GW.test")->at(0).IpText(), "192.0.2.7");
}

TEST_F(HostResolverTest, LooksUpOnAThread) {
  options_.lookup = [](const std::string& host) -> absl::StatusOr<Addresses> {
    if (host == "a.test") return Addresses{SocketAddress::LoopbackV4(0)};
    if (host == "empty.test") return Addresses{};
    return MakeError(absl::StatusCode::kUnavailable, "HOST_NOT_FOUND", "no");
  };
  EXPECT_EQ(Ask("a.test")->at(0).IpText(), "127.0.0.1");
  EXPECT_EQ(ReasonOf(Ask("b.test").status()), "HOST_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Ask("empty.test").status()), "HOST_NOT_FOUND");
  EXPECT_EQ(resolver_->waiting(), 0u);
}

TEST_F(HostResolverTest, TheSystemKnowsLocalhost) {
  const auto got = Ask("localhost");
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_TRUE(got->at(0).is_loopback());
}

TEST_F(HostResolverTest, GivesUpAndBoundsWhatWaits) {
  // The lookups' too: they end after this test's variables do.
  const auto go = std::make_shared<absl::Notification>();
  options_.lookup = [go](const std::string&) -> absl::StatusOr<Addresses> {
    go->WaitForNotification();
    return Addresses{SocketAddress::LoopbackV4(0)};
  };
  options_.deadline = absl::Milliseconds(50);
  options_.max_waiting = 3;
  options_.threads = 1;
  EXPECT_EQ(ReasonOf(Ask("slow.test").status()), "HOST_LOOKUP_TIMEOUT");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ReasonOf(Ask("slow.test").status()), "HOST_LOOKUP_TIMEOUT");
  }
  EXPECT_EQ(ReasonOf(Ask("slow.test").status()), "HOST_LOOKUP_OVERLOAD");
  go->Notify();
}

// RFC 3263 section 4.2 against dnsmasq, a name server of Debian.
TEST_F(HostResolverTest, ServersOfAServiceComeInTheirOrderWithTheirPorts) {
  auto free = UdpSocket::Bind(SocketAddress::LoopbackV4(0));
  ASSERT_TRUE(free.ok());
  const SocketAddress server = free->local_address();
  const std::string port = "--port=" + std::to_string(server.port());
  const pid_t dnsmasq = fork();
  if (dnsmasq == 0) {
    // The free port is its own from here on.
    close(free->fd());
    execl("/usr/sbin/dnsmasq", "dnsmasq", "--no-daemon", "--log-facility=-",
          "--conf-file=/dev/null", "--pid-file=", "--no-resolv", "--no-hosts",
          "--bind-interfaces", "--listen-address=127.0.0.1", "--local=/test/",
          "--srv-host=_sips._tcp.trunk.test,a.test,5071,10,1",
          "--srv-host=_sips._tcp.carrier.test,a.test,5081,10,1",
          "--naptr-record=pointed.test,20,10,s,SIPS+D2T,,_sips._tcp.trunk.test",
          "--naptr-record=pointed.test,10,10,s,SIP+D2T,,_sip._tcp.none.test",
          "--naptr-record=pointed.test,10,20,S,sips+d2t,,"
          "_SIPS._tcp.Carrier.test",
          "--srv-host=_sips._tcp.trunk.test,b.test,5072,20,1",
          "--srv-host=_sips._tcp.trunk.test,c.test,5073,5,1",
          "--host-record=a.test,192.0.2.1,2001:db8::1",
          "--host-record=b.test,192.0.2.2",
          "--host-record=plain.test,192.0.2.9", port.c_str(), nullptr);
    _exit(127);
  }
  free = absl::CancelledError("");
  options_.dns.emplace();
  options_.dns->servers = {server};
  options_.dns->try_timeout = absl::Milliseconds(100);
  options_.dns->tries = 3;
  options_.lookup = [](const std::string&) -> absl::StatusOr<Addresses> {
    ADD_FAILURE() << "looked up";
    return Addresses{};
  };
  absl::StatusOr<Addresses> found = absl::InternalError("");
  for (int i = 0; i < 100 && !found.ok(); ++i) found = Ask("plain.test");
  ASSERT_TRUE(found.ok()) << found.status();  // the server is up
  // c has no address: what a name gives comes without it.
  found = Ask("trunk.test", "_sips._tcp");
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->size(), 3u);
  EXPECT_EQ(found->at(0).ToString(), "192.0.2.1:5071");
  EXPECT_EQ(found->at(1).ToString(), "[2001:db8::1]:5071");
  EXPECT_EQ(found->at(2).ToString(), "192.0.2.2:5072");
  // Section 4.1: NAPTR says where the records of a transport are; the lowest
  // order counts, then the preference.
  found = Ask("pointed.test", "_sips._tcp");
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->size(), 2u);
  EXPECT_EQ(found->at(0).ToString(), "192.0.2.1:5081");
  EXPECT_EQ(ReasonOf(Ask("pointed.test", "_sip._udp").status()),
            "HOST_NOT_FOUND");
  // Without SRV records the name itself, and the port is for the asker to say.
  found = Ask("plain.test", "_sips._tcp");
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->at(0).ToString(), "192.0.2.9:0");
  EXPECT_EQ(ReasonOf(Ask("nobody.test", "_sips._tcp").status()),
            "HOST_NOT_FOUND");
  kill(dnsmasq, SIGKILL);
  waitpid(dnsmasq, nullptr, 0);
}

}  // namespace
}  // namespace sallyport::signaling_edge
