#include "services/common/net/name_lookup.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"

namespace sallyport {
namespace {

TEST(LookUp, AnAddressIsItself) {
  EXPECT_EQ(LookUp({"192.0.2.1", 80}),
            std::vector<SocketAddress>{*SocketAddress::Parse("192.0.2.1:80")});
  EXPECT_EQ(LookUp({"::1", 80}),
            std::vector<SocketAddress>{*SocketAddress::Parse("[::1]:80")});
}

TEST(LookUp, ANameHasItsAddressesOrNone) {
  const std::vector<SocketAddress> own = LookUp({"localhost", 7});
  ASSERT_FALSE(own.empty());
  for (const SocketAddress& address : own) EXPECT_EQ(address.port(), 7);
  EXPECT_TRUE(LookUp({"no such name", 7}).empty());
}

TEST(NameLookup, AnswersOnTheLoopInTurn) {
  const std::unique_ptr<EventLoop> loop = *EventLoop::Create();
  std::vector<HostPort> asked;
  size_t found = 0;
  const std::unique_ptr<NameLookup> lookup = *NameLookup::Create(
      *loop, [&](const HostPort& of, std::vector<SocketAddress> addresses) {
        asked.push_back(of);
        found += addresses.empty() ? 0 : 1;
      });
  lookup->Ask({"localhost", 1});
  lookup->Ask({"no such name", 2});
  lookup->Ask({"127.0.0.1", 3});
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (asked.size() < 3 && absl::Now() < give_up) {
    loop->RunOnce(absl::Milliseconds(10));
  }
  EXPECT_EQ(asked,
            (std::vector<HostPort>{
                {"localhost", 1}, {"no such name", 2}, {"127.0.0.1", 3}}));
  EXPECT_EQ(found, 2u);
}

}  // namespace
}  // namespace sallyport
