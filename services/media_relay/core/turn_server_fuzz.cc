// Any bytes as a client's datagram to a TURN server that has one allocation:
// nothing unauthenticated opens a socket, and answers stay small.

#include "services/media_relay/core/turn_server.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/random/fake_random.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/port_pool.h"
#include "services/media_relay/core/relay_interface.h"
#include "services/media_relay/core/turn_test_client.h"

namespace sallyport::media_relay {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void Run(absl::Span<const uint8_t> bytes) {
  FakeRandom random;
  const Now now{MonoTime::FromOrigin(absl::Hours(10)),
                absl::FromUnixSeconds(1'800'000'000)};
  TurnServerOptions options;
  options.ipv4 = RelayInterface{*IpAddress::Parse("10.0.0.1"),
                                *IpAddress::Parse("10.0.0.1")};
  PortPoolOptions range;
  range.last = 50003;
  PeerPolicy policy({});
  PortPool ports(random, range);
  SocketIds ids;
  TurnServer server(options, policy, ports, ids, random);
  SocketActions sockets;
  server.OnKeys(TestKeys(now.wall), now, sockets);

  std::vector<uint8_t> buffer(kPacketHeadroom + bytes.size() + kPacketTailroom);
  std::copy(bytes.begin(), bytes.end(), buffer.begin() + kPacketHeadroom);
  Packet packet{buffer.data() + kPacketHeadroom, bytes.size(), kPacketHeadroom,
                kPacketTailroom};
  std::array<uint8_t, kReplySize> reply;
  const Endpoint from{IpAddress::V4({8, 8, 8, 8}), 5000};
  const PacketAction action = server.OnClientPacket(
      {1, from}, packet, absl::MakeSpan(reply), now, sockets);
  // The fuzzer has no credential and no nonce of ours.
  Require(sockets.empty());
  Require(server.allocations().size() == 0);
  if (action.sends()) {
    Require(action.to == from);
    Require(action.bytes.size() <= bytes.size() * 26 / 10);
  } else {
    Require(action.drop != DropReason::kNone);
  }
}

}  // namespace
}  // namespace sallyport::media_relay

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > sallyport::media_relay::kMaxPacketSize) return 0;
  sallyport::media_relay::Run(absl::MakeConstSpan(data, size));
  return 0;
}
