#include "services/signaling_edge/io/host_resolver.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "services/common/digit_analysis/peer_entries.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/common/random/system_random.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

using Addresses = HostResolver::Addresses;

// dnsmasq, a name server of Debian, with the names of the domain "test".
class NameServer {
 public:
  explicit NameServer(std::vector<std::string> records) {
    auto free = UdpSocket::Bind(SocketAddress::LoopbackV4(0));
    address_ = free->local_address();
    std::vector<std::string> arguments = {
        "dnsmasq",
        "--no-daemon",
        "--log-facility=-",
        "--conf-file=/dev/null",
        "--pid-file=",
        "--no-resolv",
        "--no-hosts",
        "--bind-interfaces",
        "--listen-address=127.0.0.1",
        "--local=/test/",
        "--port=" + std::to_string(address_.port())};
    arguments.insert(arguments.end(), records.begin(), records.end());
    std::vector<char*> pointers;
    for (std::string& each : arguments) pointers.push_back(each.data());
    pointers.push_back(nullptr);
    process_ = fork();
    if (process_ == 0) {
      // The free port is its own from here on.
      close(free->fd());
      execv("/usr/sbin/dnsmasq", pointers.data());
      _exit(127);
    }
  }
  ~NameServer() {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  NameServer(const NameServer&) = delete;
  NameServer& operator=(const NameServer&) = delete;

  const SocketAddress& address() const { return address_; }

 private:
  SocketAddress address_;
  pid_t process_ = 0;
};

std::optional<SocketAddress> OnlyV4(const SocketAddress& to) {
  if (to.is_v6()) return std::nullopt;
  return SocketAddress::FromIp("192.0.2.99", 0).value();
}

class HostResolverTest : public testing::Test {
 protected:
  // All names, and nobody else.
  void AskAt(const NameServer& server) {
    options_.dns.emplace();
    options_.dns->servers = {server.address()};
    options_.dns->try_timeout = absl::Milliseconds(100);
    options_.dns->tries = 3;
    options_.lookup = [](const std::string&,
                         AddressFamily) -> absl::StatusOr<Addresses> {
      ADD_FAILURE() << "looked up";
      return Addresses{};
    };
  }
  // Waits until the server answers.
  absl::StatusOr<Addresses> Up() {
    absl::StatusOr<Addresses> found = absl::InternalError("");
    for (int i = 0; i < 100 && !found.ok(); ++i) found = Ask("plain.test");
    return found;
  }
  // The answer, or the reason why there is none.
  std::string Texts(const std::string& host, const std::string& service,
                    AddressFamily family) {
    const auto found = Ask(host, service, family);
    if (!found.ok()) return ReasonOf(found.status());
    std::string out;
    for (const SocketAddress& each : *found) {
      out += (out.empty() ? "" : " ") + each.ToString();
    }
    return out;
  }
  absl::StatusOr<Addresses> Ask(const std::string& host,
                                const std::string& service = "",
                                AddressFamily family = AddressFamily::kAny) {
    if (resolver_ == nullptr) {
      resolver_ = *HostResolver::Create(*loop_, options_, random_);
    }
    std::optional<absl::StatusOr<Addresses>> answer;
    resolver_->Resolve(host, service, family,
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
  options_.lookup = [](const std::string&,
                       AddressFamily) -> absl::StatusOr<Addresses> {
    ADD_FAILURE() << "looked up";
    return Addresses{};
  };
  options_.static_hosts["gw.test"] = {*SocketAddress::FromIp("192.0.2.7", 0)};
  EXPECT_EQ(Ask("192.0.2.1")->at(0).ToString(), "192.0.2.1:0");
  EXPECT_EQ(Ask("[2001:db8::1]")->at(0).IpText(), "2001:db8::1");
  EXPECT_EQ(Ask("GW.test")->at(0).IpText(), "192.0.2.7");
}

TEST_F(HostResolverTest, LooksUpOnAThread) {
  options_.lookup = [](const std::string& host,
                       AddressFamily) -> absl::StatusOr<Addresses> {
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
  options_.lookup = [go](const std::string&,
                         AddressFamily) -> absl::StatusOr<Addresses> {
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
  const NameServer server(
      {"--srv-host=_sips._tcp.trunk.test,a.test,5071,10,1",
       "--srv-host=_sips._tcp.carrier.test,a.test,5081,10,1",
       "--naptr-record=pointed.test,20,10,s,SIPS+D2T,,_sips._tcp.trunk.test",
       "--naptr-record=pointed.test,10,10,s,SIP+D2T,,_sip._tcp.none.test",
       "--naptr-record=pointed.test,10,20,S,sips+d2t,,_SIPS._tcp.Carrier.test",
       "--srv-host=_sips._tcp.trunk.test,b.test,5072,20,1",
       "--srv-host=_sips._tcp.trunk.test,c.test,5073,5,1",
       "--host-record=a.test,192.0.2.1,2001:db8::1",
       "--host-record=b.test,192.0.2.2", "--host-record=plain.test,192.0.2.9"});
  AskAt(server);
  options_.source = OnlyV4;
  absl::StatusOr<Addresses> found = Up();
  ASSERT_TRUE(found.ok()) << found.status();
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
}

// Of each of the servers, and of a name alone.
TEST_F(HostResolverTest, OfANameWithBothFamiliesTheWantedOneIsTold) {
  const NameServer server(
      {"--srv-host=_sip._tcp.trunk.test,both.test,5071,10,1",
       "--srv-host=_sip._tcp.trunk.test,six.test,5072,20,1",
       "--srv-host=_sip._tcp.trunk.test,four.test,5073,30,1",
       "--host-record=both.test,192.0.2.1,2001:db8::1",
       "--host-record=six.test,2001:db8::6",
       "--host-record=four.test,192.0.2.4",
       "--host-record=plain.test,192.0.2.9"});
  AskAt(server);
  options_.source = [](const SocketAddress& to) {
    return to.is_v4() ? SocketAddress::FromIp("192.0.2.99", 0).value()
                      : SocketAddress::FromIp("2001:db8::99", 0).value();
  };
  ASSERT_TRUE(Up().ok());
  using enum AddressFamily;
  EXPECT_EQ(Texts("both.test", "", kIpv4Only), "192.0.2.1:0");
  EXPECT_EQ(Texts("both.test", "", kIpv6Only), "[2001:db8::1]:0");
  // RFC 6724 section 2.1: IPv6 precedes IPv4 where both can be reached.
  EXPECT_EQ(Texts("both.test", "", kAny), "[2001:db8::1]:0 192.0.2.1:0");
  // One family alone is used whatever is wanted.
  EXPECT_EQ(Texts("six.test", "", kIpv4Only), "[2001:db8::6]:0");
  EXPECT_EQ(Texts("four.test", "", kIpv6Only), "192.0.2.4:0");
  EXPECT_EQ(Texts("nobody.test", "", kIpv4Only), "HOST_NOT_FOUND");
  EXPECT_EQ(Texts("trunk.test", "_sip._tcp", kIpv4Only),
            "192.0.2.1:5071 [2001:db8::6]:5072 192.0.2.4:5073");
  EXPECT_EQ(Texts("trunk.test", "_sip._tcp", kIpv6Only),
            "[2001:db8::1]:5071 [2001:db8::6]:5072 192.0.2.4:5073");
  EXPECT_EQ(Texts("trunk.test", "_sip._tcp", kAny),
            "[2001:db8::1]:5071 192.0.2.1:5071 [2001:db8::6]:5072 "
            "192.0.2.4:5073");
}

TEST_F(HostResolverTest, TheFamilyOfStaticHostsLiteralsAndLookups) {
  using enum AddressFamily;
  options_.static_hosts["gw.test"] = {*SocketAddress::FromIp("192.0.2.7", 0),
                                      *SocketAddress::FromIp("2001:db8::7", 0)};
  options_.static_hosts["six.test"] = {
      *SocketAddress::FromIp("2001:db8::6", 0)};
  options_.lookup = [](const std::string&,
                       AddressFamily family) -> absl::StatusOr<Addresses> {
    return Addresses{family == kIpv4Only   ? SocketAddress::LoopbackV4(4)
                     : family == kIpv6Only ? *SocketAddress::Parse("[::1]:6")
                                           : *SocketAddress::Parse("[::1]:46")};
  };
  EXPECT_EQ(Texts("gw.test", "", kIpv4Only), "192.0.2.7:0");
  EXPECT_EQ(Texts("gw.test", "", kIpv6Only), "[2001:db8::7]:0");
  EXPECT_EQ(Texts("gw.test", "", kAny), "192.0.2.7:0 [2001:db8::7]:0");
  EXPECT_EQ(Texts("six.test", "", kIpv4Only), "[2001:db8::6]:0");
  EXPECT_EQ(Texts("2001:db8::1", "", kIpv4Only), "[2001:db8::1]:0");
  EXPECT_EQ(Texts("192.0.2.1", "", kIpv6Only), "192.0.2.1:0");
  EXPECT_EQ(Texts("other.test", "", kIpv4Only), "127.0.0.1:4");
  EXPECT_EQ(Texts("other.test", "", kIpv6Only), "[::1]:6");
  EXPECT_EQ(Texts("other.test", "", kAny), "[::1]:46");
}

TEST_F(HostResolverTest, TheSystemIsAskedForTheFamily) {
  EXPECT_EQ(Texts("localhost", "", AddressFamily::kIpv4Only), "127.0.0.1:0");
}

}  // namespace
}  // namespace sallyport::signaling_edge
