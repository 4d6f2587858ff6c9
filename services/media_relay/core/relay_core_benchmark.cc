// What one packet costs in the core, without sockets: TURN both ways, the
// bridge in its modes, and the requests of a TURN client.

#include "services/media_relay/core/relay_core.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/random/system_random.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/relay_interface.h"
#include "services/media_relay/core/session_table.h"
#include "services/media_relay/core/srtp_policy.h"
#include "services/media_relay/core/srtp_session.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_test_client.h"

namespace sallyport::media_relay {
namespace {

const SrtpLibrary& Library() {
  static const SrtpLibrary* const library =
      SrtpLibrary::Create().value().release();
  return *library;
}

// A core whose sockets always open.
class Bench {
 public:
  Bench() : client_(now_.wall, random_) {
    RelayCoreOptions options;
    options.turn.ipv4 = RelayInterface{*IpAddress::Parse("10.0.0.1"),
                                       *IpAddress::Parse("10.0.0.1")};
    options.turn.allocation_quota.all = 1 << 20;
    options.turn.allocation_quota.per_subject = 1 << 20;
    options.turn.allocation_quota.per_tenant = 1 << 20;
    options.turn.authenticator.unauthenticated_replies_per_second = 0;
    options.sessions.interfaces.external_v4 = options.turn.ipv4;
    options.policy.allowed = {*IpPrefix::Parse("10.0.0.0/8")};
    options.ports.quarantine = absl::ZeroDuration();
    core_.emplace(options, Library(), random_);
    SocketActions sockets;
    core_->OnKeys(TestKeys(now_.wall), now_, sockets);
    core_->OnDeadline(now_, sockets);
  }

  PacketAction Deliver(SocketId socket, const Endpoint& from,
                       absl::Span<const uint8_t> wire) {
    std::memcpy(buffer_.data() + kPacketHeadroom, wire.data(), wire.size());
    Packet packet{buffer_.data() + kPacketHeadroom, wire.size(),
                  kPacketHeadroom, kPacketTailroom};
    SocketActions sockets;
    PacketAction action = core_->OnPacket(
        socket, from, packet, absl::MakeSpan(reply_), now_, sockets);
    const PacketAction answer = Perform(std::move(sockets));
    return answer.sends() ? answer : action;
  }

  PacketAction Perform(SocketActions sockets) {
    PacketAction answer;
    while (!sockets.empty()) {
      SocketActions next;
      for (const SocketAction& action : sockets) {
        const auto* open = std::get_if<OpenSocket>(&action);
        if (open == nullptr) continue;
        last_socket_ = open->socket;
        answer = core_->OnSocketOpened(open->socket, absl::OkStatus(),
                                       absl::MakeSpan(reply_), now_, next);
      }
      sockets = std::move(next);
    }
    return answer;
  }

  std::string Ask(const Endpoint& from, const std::string& wire) {
    const PacketAction action = Deliver(1, from, AsBytes(wire));
    return action.sends() ? ToString(action.bytes) : "";
  }

  SocketId Allocate(const Endpoint& from, const Endpoint& peer) {
    const auto udp = [](StunWriter& w) {
      w.AddUint32(stun_attribute::kRequestedTransport, 17u << 24);
    };
    client_.TakeChallenge(Ask(from, client_.Bare(StunMethod::kAllocate, udp)));
    Ask(from, client_.Signed(StunMethod::kAllocate, udp));
    Ask(from, client_.Signed(StunMethod::kChannelBind, [&](StunWriter& w) {
      w.AddUint32(stun_attribute::kChannelNumber, 0x40000000);
      w.AddXorAddress(stun_attribute::kXorPeerAddress, peer);
    }));
    return last_socket_;
  }

  SystemRandom random_;
  Now now_{MonoTime::FromOrigin(absl::Hours(10)),
           absl::FromUnixSeconds(1'800'000'000)};
  TurnTestClient client_;
  std::optional<RelayCore> core_;
  std::array<uint8_t, kPacketHeadroom + kMaxPacketSize + kPacketTailroom>
      buffer_;
  std::array<uint8_t, kReplySize> reply_;
  SocketId last_socket_ = kNoSocket;
};

Endpoint Client(int i) {
  return {IpAddress::V4(
              {10, 1, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)}),
          5000};
}

void BM_ChannelDataToPeer(benchmark::State& state) {
  Bench bench;
  const int count = static_cast<int>(state.range(0));
  const Endpoint peer{*IpAddress::Parse("10.2.0.1"), 4000};
  for (int i = 0; i < count; ++i) bench.Allocate(Client(i), peer);
  std::vector<uint8_t> frame(176, 'v');
  frame[0] = 0x40;
  frame[1] = 0;
  frame[2] = 0;
  frame[3] = 172;
  int i = 0;
  for (auto _ : state) {
    const PacketAction action = bench.Deliver(1, Client(i), frame);
    if (!action.sends()) state.SkipWithError("dropped");
    if (++i == count) i = 0;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ChannelDataToPeer)->Arg(1)->Arg(1000)->Arg(4900);

void BM_PeerToChannelData(benchmark::State& state) {
  Bench bench;
  const int count = static_cast<int>(state.range(0));
  const Endpoint peer{*IpAddress::Parse("10.2.0.1"), 4000};
  std::vector<SocketId> sockets;
  for (int i = 0; i < count; ++i) {
    sockets.push_back(bench.Allocate(Client(i), peer));
  }
  const std::vector<uint8_t> payload(172, 'v');
  size_t i = 0;
  for (auto _ : state) {
    const PacketAction action = bench.Deliver(sockets[i], peer, payload);
    if (!action.sends()) state.SkipWithError("dropped");
    if (++i == sockets.size()) i = 0;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_PeerToChannelData)->Arg(1)->Arg(1000)->Arg(4900);

void BM_AuthenticatedAllocateAndRefreshToZero(benchmark::State& state) {
  Bench bench;
  const Endpoint from = Client(1);
  const auto udp = [](StunWriter& w) {
    w.AddUint32(stun_attribute::kRequestedTransport, 17u << 24);
  };
  bench.client_.TakeChallenge(
      bench.Ask(from, bench.client_.Bare(StunMethod::kAllocate, udp)));
  const std::string allocate = bench.client_.Signed(StunMethod::kAllocate, udp);
  const std::string end = bench.client_.Signed(
      StunMethod::kRefresh,
      [](StunWriter& w) { w.AddUint32(stun_attribute::kLifetime, 0); });
  for (auto _ : state) {
    if (!bench.Deliver(1, from, AsBytes(allocate)).sends() ||
        !bench.Deliver(1, from, AsBytes(end)).sends()) {
      state.SkipWithError("refused");
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_AuthenticatedAllocateAndRefreshToZero);

void BM_UnauthenticatedAllocate(benchmark::State& state) {
  Bench bench;
  const std::string wire =
      bench.client_.Bare(StunMethod::kAllocate, [](StunWriter& w) {
        w.AddUint32(stun_attribute::kRequestedTransport, 17u << 24);
      });
  for (auto _ : state) {
    benchmark::DoNotOptimize(bench.Deliver(1, Client(1), AsBytes(wire)));
  }
}
BENCHMARK(BM_UnauthenticatedAllocate);

// Argument: 0 RTP to RTP, 1 RTP to AES-CM, 2 RTP to AES-GCM.
void BM_BridgeRtpTo(benchmark::State& state) {
  Bench bench;
  SessionSpec spec;
  spec.tenant = "t";
  spec.id = "s";
  spec.owner = "o";
  spec.lease = absl::Hours(1);
  const Endpoint a{*IpAddress::Parse("10.1.0.1"), 4000};
  const Endpoint b{*IpAddress::Parse("10.2.0.1"), 4000};
  if (state.range(0) == 1) {
    spec.legs[1].options.srtp = SrtpSuite::kAesCm128HmacSha1_80;
  }
  if (state.range(0) == 2) {
    spec.legs[1].options.srtp = SrtpSuite::kAeadAes128Gcm;
  }
  spec.legs[0].initial.remote_rtp = a;
  spec.legs[1].initial.remote_rtp = b;
  SocketActions sockets;
  if (!bench.core_->sessions()
           .Create(std::move(spec), bench.now_, sockets)
           .ok()) {
    state.SkipWithError("refused");
    return;
  }
  // Leg A's RTP socket is the first that is asked for.
  const SocketId socket = std::get<OpenSocket>(sockets[0]).socket;
  bench.Perform(std::move(sockets));
  std::vector<uint8_t> packet(172, 'v');
  packet[0] = 0x80;
  packet[1] = 0;
  uint16_t sequence = 0;
  for (auto _ : state) {
    packet[2] = static_cast<uint8_t>(sequence >> 8);
    packet[3] = static_cast<uint8_t>(sequence);
    ++sequence;
    if (!bench.Deliver(socket, a, packet).sends()) {
      state.SkipWithError("dropped");
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_BridgeRtpTo)->Arg(0)->Arg(1)->Arg(2);

}  // namespace
}  // namespace sallyport::media_relay
