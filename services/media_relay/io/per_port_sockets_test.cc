#include "services/media_relay/io/per_port_sockets.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/io/relay_ports.h"
#include "services/media_relay/io/relay_ports_rig.h"

namespace sallyport::media_relay {
namespace {

class PerPortSocketsTest : public testing::Test {
 protected:
  void Make() {
    ports_ = std::make_unique<PerPortSockets>(
        *loop_,
        [this](int fd, SocketId id) {
          const RelayPorts::Received received = ports_->Receive(fd);
          for (size_t i = 0; i < received.count; ++i) {
            got_.push_back({id, received.batch.from(i),
                            ToString(received.batch.packet(i).bytes())});
          }
        },
        /*contested=*/false);
  }
  Endpoint OpenPort() {
    const Endpoint local = {*IpAddress::Parse("127.0.0.1"), kFirst};
    for (uint16_t port = kFirst; port <= kLast; ++port) {
      if (ports_->Open(kA, {local.ip, port}).ok()) return {local.ip, port};
    }
    ADD_FAILURE() << "no port is free";
    return local;
  }
  void Send(const Endpoint& to, const std::string& text) {
    PacketAction action;
    action.socket = kA;
    action.to = to;
    action.bytes = AsBytes(text);
    ports_->Send(action, {kNow});
    ports_->Flush();
  }
  void SendMany(Far& far) {
    for (uint32_t i = 0; i < 2 * PerPortSockets::kSettled; ++i) {
      Send(far.endpoint(), "media");
    }
  }
  struct Got {
    SocketId id;
    Endpoint from;
    std::string text;
  };
  std::vector<Got> Arrived() {
    loop_->RunOnce(absl::Milliseconds(200));
    return std::exchange(got_, {});
  }

  const std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  std::vector<Got> got_;
  std::unique_ptr<PerPortSockets> ports_;
};

TEST_F(PerPortSocketsTest, WhomAPortSendsMuchToGetsASocketOfItsOwn) {
  Make();
  const Endpoint port = OpenPort();
  Far far("127.0.0.2");
  Far other("127.0.0.3");
  Send(far.endpoint(), "first");
  EXPECT_EQ(ports_->connected(), 0u);
  SendMany(far);
  EXPECT_EQ(ports_->connected(), 1u);
  EXPECT_EQ(ports_->refused(), 0u);
  Endpoint from;
  for (uint32_t i = 0; i < 2 * PerPortSockets::kSettled + 1; ++i) {
    ASSERT_NE(far.Receive(&from), "");
    ASSERT_EQ(from, port);
  }
  // From both it comes to the same socket of the core's, and goes to both.
  for (Far* const peer : {&far, &other}) {
    ASSERT_TRUE(peer->Send("hello", port).ok());
    const std::vector<Got> got = Arrived();
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].id, kA);
    EXPECT_EQ(got[0].from, peer->endpoint());
    EXPECT_EQ(got[0].text, "hello");
    Send(peer->endpoint(), "answer");
    EXPECT_EQ(peer->Receive(&from), "answer");
    EXPECT_EQ(from, port);
  }
  // One peer has it, however much others get.
  SendMany(other);
  EXPECT_EQ(ports_->connected(), 1u);
  // Nobody else can have the port meanwhile, sharing or not.
  for (const bool share : {false, true}) {
    UdpSocket::Options options;
    options.reuse_port = share;
    EXPECT_FALSE(UdpSocket::Bind(port.ToSocketAddress(), options).ok());
  }
  ports_->Close(kA);
  EXPECT_EQ(ports_->connected(), 0u);
  EXPECT_TRUE(UdpSocket::Bind(port.ToSocketAddress()).ok());
}

TEST_F(PerPortSocketsTest, AWayThatIsUsedMuchIsTheConnectedOne) {
  Make();
  const Endpoint port = OpenPort();
  Far far("127.0.0.2");
  SendRoute route;
  route.socket = kA;
  route.to = far.endpoint();
  ASSERT_TRUE(ports_->Prepare(route));
  std::string text = "media";
  for (uint32_t i = 0; i < 2 * PerPortSockets::kSettled; ++i) {
    ports_->SendAlong(
        route,
        absl::MakeSpan(reinterpret_cast<uint8_t*>(text.data()), text.size()),
        {kNow});
  }
  ports_->Flush();
  EXPECT_EQ(ports_->connected(), 1u);
  EXPECT_EQ(route.name_size, 0u);
  Endpoint from;
  for (uint32_t i = 0; i < 2 * PerPortSockets::kSettled; ++i) {
    ASSERT_EQ(far.Receive(&from), "media");
    ASSERT_EQ(from, port);
  }
  // Another way of the port, and the same one anew.
  Far other("127.0.0.3");
  SendRoute second;
  second.socket = kA;
  second.to = other.endpoint();
  ASSERT_TRUE(ports_->Prepare(second));
  EXPECT_NE(second.name_size, 0u);
  SendRoute again;
  again.socket = kA;
  again.to = far.endpoint();
  ASSERT_TRUE(ports_->Prepare(again));
  EXPECT_EQ(again.fd, route.fd);
}

// Descriptors are for ports in the first place.
TEST_F(PerPortSocketsTest, WhereDescriptorsAreFewThereIsNone) {
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit few = before;
  few.rlim_cur = 10;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  Make();  // reads the limit
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  const Endpoint port = OpenPort();
  Far far("127.0.0.2");
  SendMany(far);
  EXPECT_EQ(ports_->connected(), 0u);
  Endpoint from;
  EXPECT_EQ(far.Receive(&from), "media");
  EXPECT_EQ(from, port);
}

}  // namespace
}  // namespace sallyport::media_relay
