// Media with relays of federated partners goes by the ports of their release
// and by no others, through the real process (AVE-04, AVE-49).

#include <memory>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/io/veth_rig.h"
#include "services/media_relay/turn_datagram_client.h"
#include "services/media_relay/turn_process.h"

namespace sallyport::media_relay {
namespace {

constexpr char kR2[] = "127.0.0.2";
constexpr char kFormer[] = "127.0.0.3";

class TurnPartnersTest : public TurnProcessTest {
 protected:
  void SetUp() override {
    // The ports of partners are fixed: others of this host have them too.
    auto network = OwnNetwork::Create();
    if (!network.ok()) {
      GTEST_SKIP() << "not possible here: " << network.status();
    }
    network_ = *std::move(network);
    Start(1,
          ",\"federated_partners\":["
          "{\"name\":\"new\",\"generation\":\"PARTNER_GENERATION_R2\","
          "\"prefixes\":[\"127.0.0.2\"]},"
          "{\"name\":\"old\",\"generation\":\"PARTNER_GENERATION_OCS_2007\","
          "\"prefixes\":[\"127.0.0.3/32\"]}]");
    client_ = std::make_unique<DatagramClient>(random_, "subject", "default",
                                               "127.0.0.4");
    ASSERT_EQ(client_->Allocate(Relay()), 0);
  }
  Endpoint Relay() {
    return {*IpAddress::Parse("127.0.0.1"),
            static_cast<uint16_t>(process_.port("stun_udp"))};
  }
  int Bind(uint32_t channel, const char* ip, uint16_t port) {
    return client_->Do(
        StunMethod::kChannelBind,
        [&](StunWriter& w) {
          w.AddUint32(stun_attribute::kChannelNumber, channel << 16);
          w.AddXorAddress(stun_attribute::kXorPeerAddress,
                          {*IpAddress::Parse(ip), port});
        },
        Relay());
  }
  // What the client hears when `ip` sends from `port` to its relayed address.
  std::string Heard(const char* ip, uint16_t port) {
    auto peer = UdpSocket::Bind(*SocketAddress::FromIp(ip, port)).value();
    OutgoingDatagram out;
    out.payload = AsBytes("hello");
    out.peer = client_->relayed.ToSocketAddress();
    EXPECT_TRUE(peer.SendOne(out).ok());
    return client_->Receive();
  }

  std::unique_ptr<OwnNetwork> network_;
  std::unique_ptr<DatagramClient> client_;
};

TEST_F(TurnPartnersTest, EachByItsWayAlone) {
  // To them.
  EXPECT_EQ(Bind(0x4001, kR2, 50001), 403);
  EXPECT_EQ(Bind(0x4001, kR2, 3479), 403);
  ASSERT_EQ(Bind(0x4001, kR2, 3478), 0);
  EXPECT_EQ(Bind(0x4002, kFormer, 3478), 403);
  EXPECT_EQ(Bind(0x4002, kFormer, 49999), 403);
  ASSERT_EQ(Bind(0x4002, kFormer, 50001), 0);
  // From them: permissions have no port, ways have.
  const std::string new_way("\x40\x01\x00\x05hello", 9);
  const std::string old_way("\x40\x02\x00\x05hello", 9);
  EXPECT_EQ(Heard(kR2, 3478), new_way);
  EXPECT_EQ(Heard(kR2, 50001), "");
  EXPECT_EQ(Heard(kFormer, 50001), old_way);
  EXPECT_NE(Heard(kFormer, 59999), "");  // by an indication
  EXPECT_EQ(Heard(kFormer, 3478), "");
  EXPECT_EQ(Heard(kFormer, 60001), "");
  // Told every second.
  double dropped = 0;
  for (int i = 0; i < 30 && dropped < 3; ++i) {
    absl::SleepFor(absl::Milliseconds(100));
    dropped =
        Metric("sallyport_media_relay_drops_total{reason=\"peer_refused\"}");
  }
  EXPECT_EQ(dropped, 3);
}

}  // namespace
}  // namespace sallyport::media_relay
