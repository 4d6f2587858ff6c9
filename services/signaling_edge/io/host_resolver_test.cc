#include "services/signaling_edge/io/host_resolver.h"

#include <optional>
#include <string>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

using Addresses = HostResolver::Addresses;

class HostResolverTest : public testing::Test {
 protected:
  absl::StatusOr<Addresses> Ask(const std::string& host) {
    if (resolver_ == nullptr) {
      resolver_ = *HostResolver::Create(*loop_, options_);
    }
    std::optional<absl::StatusOr<Addresses>> answer;
    resolver_->Resolve(host, [&](auto got) { answer = std::move(got); });
    EXPECT_FALSE(answer.has_value()) << "called back from within";
    for (int i = 0; i < 100 && !answer.has_value(); ++i) {
      loop_->RunOnce(absl::Milliseconds(50));
    }
    if (!answer.has_value()) return absl::InternalError("no answer");
    return *answer;
  }

  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
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
  absl::Notification go;
  options_.lookup = [&](const std::string&) -> absl::StatusOr<Addresses> {
    go.WaitForNotification();
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
  go.Notify();
}

}  // namespace
}  // namespace sallyport::signaling_edge
