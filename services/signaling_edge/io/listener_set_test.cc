#include "services/signaling_edge/io/listener_set.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/common/net/unique_fd.h"

namespace sallyport::signaling_edge {
namespace {

using ::testing::ElementsAre;

struct Owner final : ListenerSet::Owner {
  bool IsKnown(ListenerId, const SocketAddress& from) override {
    return from == known;
  }
  void OnDatagram(ListenerId, const SocketAddress&,
                  std::string_view octets) override {
    heard.emplace_back(octets);
  }
  void OnAccept(ListenerId, UniqueFd, const SocketAddress&) override {}

  SocketAddress known;
  std::vector<std::string> heard;
};

class ListenerSetTest : public testing::Test {
 protected:
  ListenerSetTest() {
    ListenerSpec spec;
    spec.bind = SocketAddress::LoopbackV4(0);
    listeners_ =
        *ListenerSet::Bind(*loop_, {spec}, /*max_datagram=*/100, owner_);
  }

  void Say(UdpSocket& from, const std::string& what) {
    ASSERT_TRUE(
        from.SendOne({.payload = AsBytes(what), .peer = listeners_->bound(0)})
            .ok());
  }

  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  Owner owner_;
  std::unique_ptr<ListenerSet> listeners_;
  UdpSocket stranger_ = *UdpSocket::Bind(SocketAddress::LoopbackV4(0));
  UdpSocket friend_ = *UdpSocket::Bind(SocketAddress::LoopbackV4(0));
};

TEST_F(ListenerSetTest, WhoIsKnownIsHeardBeforeStrangersThatCameBefore) {
  owner_.known = friend_.local_address();
  Say(stranger_, "s1");
  Say(stranger_, "s2");
  Say(friend_, "f1");
  Say(stranger_, "s3");
  Say(friend_, "f2");
  loop_->RunOnce(absl::Seconds(5));
  EXPECT_THAT(owner_.heard, ElementsAre("f1", "f2", "s1", "s2", "s3"));
}

TEST_F(ListenerSetTest, OneSourceIsHeardInItsOrder) {
  for (const char* what : {"1", "2", "3"}) Say(stranger_, what);
  loop_->RunOnce(absl::Seconds(5));
  EXPECT_THAT(owner_.heard, ElementsAre("1", "2", "3"));
}

TEST_F(ListenerSetTest, WhatIsTooLongIsLostAndCounted) {
  Say(stranger_, std::string(101, 'x'));
  Say(friend_, "after");
  loop_->RunOnce(absl::Seconds(5));
  EXPECT_THAT(owner_.heard, ElementsAre("after"));
  EXPECT_EQ(listeners_->datagrams_lost(), 1u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
