// What the network says of datagrams to peers reaches TURN clients through the
// real process, whichever way it serves its ports (RFC 8656 section 11.5).

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/turn_datagram_client.h"
#include "services/media_relay/turn_process.h"

namespace sallyport::media_relay {
namespace {

namespace attr = stun_attribute;

struct Case {
  const char* sockets;
  const char* ip;
};

class TurnPeerErrorsTest : public TurnProcessTest,
                           public testing::WithParamInterface<Case> {
 protected:
  static bool IsV6() { return std::string(GetParam().ip) == "::1"; }
  // A port of this host that nobody listens on.
  static Endpoint Closed() {
    const UdpSocket gone =
        UdpSocket::Bind(*SocketAddress::FromIp(IsV6() ? "::1" : "127.0.0.2", 0))
            .value();
    return {IpAddress::FromBytes(gone.local_address().ip_bytes()),
            gone.local_address().port()};
  }
};

TEST_P(TurnPeerErrorsTest, AClosedPortOfAPeerIsToldAndLimited) {
  addresses_ = absl::StrCat("\"", GetParam().ip, "\"");
  Start(2, absl::StrCat(",\"relay_sockets\":\"", GetParam().sockets, "\""));
  const Endpoint relay = {*IpAddress::Parse(GetParam().ip),
                          static_cast<uint16_t>(process_.port("stun_udp"))};
  DatagramClient client(random_, "subject", "default",
                        IsV6() ? "::1" : "127.0.0.3");
  const bool v6 = relay.ip.is_v6();
  const auto family = [v6](StunWriter& w) {
    if (v6) w.AddUint32(attr::kRequestedAddressFamily, 2u << 24);
  };
  ASSERT_EQ(client.Allocate(relay, family), 0);
  const Endpoint peer = Closed();
  const auto send = [&] {
    client.Send(client.turn_.Bare(
                    StunMethod::kSend,
                    [&](StunWriter& w) {
                      w.AddXorAddress(attr::kXorPeerAddress, peer);
                      w.AddText(attr::kData, "unheard");
                    },
                    StunClass::kIndication),
                relay);
  };
  send();  // no permission: it is not even sent
  EXPECT_EQ(client.Receive(), "");
  ASSERT_EQ(
      client.Do(
          StunMethod::kCreatePermission,
          [&](StunWriter& w) { w.AddXorAddress(attr::kXorPeerAddress, peer); },
          relay),
      0);
  send();
  const std::string told = client.Receive();
  const auto message = ParseStunMessage(AsBytes(told));
  ASSERT_TRUE(message.ok()) << told.size();
  EXPECT_TRUE(message->Is(StunClass::kIndication, StunMethod::kData));
  EXPECT_EQ(message->FindXorAddress(attr::kXorPeerAddress), peer);
  EXPECT_FALSE(message->Has(attr::kData));
  const auto icmp = message->Find(attr::kIcmp);
  ASSERT_TRUE(icmp.has_value());
  EXPECT_EQ(ToString(*icmp), v6 ? std::string("\0\0\x02\x04\0\0\0\0", 8)
                                : std::string("\0\0\x06\x03\0\0\0\0", 8));
  // A voice stream into the closed port is no stream of errors back.
  int errors = 1;
  for (int i = 0; i < 100; ++i) send();
  while (!client.Receive().empty()) ++errors;
  EXPECT_GE(errors, 2);
  EXPECT_LE(errors, 20);
  double counted = 0;
  for (int i = 0; i < 30 && counted < errors; ++i) {
    absl::SleepFor(absl::Milliseconds(100));
    counted = Metric("sallyport_media_relay_peer_errors_total");
  }
  EXPECT_GE(counted, errors);
}

// Steered addresses are no other relay's of this host.
INSTANTIATE_TEST_SUITE_P(
    All, TurnPeerErrorsTest,
    testing::Values(Case{"per_port", "127.0.0.1"}, Case{"per_port", "::1"},
                    Case{"raw", "127.0.0.78"}, Case{"frames", "127.0.0.79"}),
    [](const auto& info) {
      return absl::StrCat(std::string(info.param.sockets) == "per_port"
                              ? "PerPort"
                          : std::string(info.param.sockets) == "raw" ? "Raw"
                                                                     : "Frames",
                          std::string(info.param.ip) == "::1" ? "V6" : "V4");
    });

}  // namespace
}  // namespace sallyport::media_relay
