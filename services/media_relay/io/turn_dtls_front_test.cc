#include "services/media_relay/io/turn_dtls_front.h"

#include <gnutls/dtls.h>
#include <gnutls/gnutls.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/event_loop.h"
#include "services/common/random/fake_random.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/time/fake_clock.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/relay_core.h"
#include "services/media_relay/core/rolling_keys.h"
#include "services/media_relay/core/srtp_session.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_test_client.h"
#include "services/media_relay/io/dtls_server_session.h"
#include "services/media_relay/io/turn_stream_front.h"
#include "services/media_relay/io/turn_tls_files.h"

namespace sallyport::media_relay {
namespace {

constexpr SocketId kListener = 1;

// AddressSanitizer keeps what was freed for a while.
#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kGrowth = 64 << 20;
#else
constexpr size_t kGrowth = 1 << 20;
#endif

Endpoint At(const char* ip, uint16_t port) {
  return {*IpAddress::Parse(ip), port};
}

// GnuTLS as the client, over memory.
class DtlsClient {
 public:
  explicit DtlsClient(unsigned mtu = 1200) {
    gnutls_certificate_allocate_credentials(&credentials_);
    gnutls_init(&session_, GNUTLS_CLIENT | GNUTLS_DATAGRAM | GNUTLS_NONBLOCK);
    gnutls_priority_set_direct(session_, "NORMAL:-VERS-ALL:+VERS-DTLS1.2",
                               nullptr);
    gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, credentials_);
    gnutls_dtls_set_mtu(session_, mtu);
    gnutls_dtls_set_timeouts(session_, 20, 20'000);
    gnutls_transport_set_ptr(session_, this);
    gnutls_transport_set_push_function(
        session_, [](gnutls_transport_ptr_t p, const void* data, size_t size) {
          static_cast<DtlsClient*>(p)->out.emplace_back(
              static_cast<const char*>(data), size);
          return static_cast<ssize_t>(size);
        });
    gnutls_transport_set_pull_function(
        session_, [](gnutls_transport_ptr_t p, void* data, size_t size) {
          auto* self = static_cast<DtlsClient*>(p);
          if (self->in.empty()) {
            gnutls_transport_set_errno(self->session_, EAGAIN);
            return ssize_t{-1};
          }
          const std::string datagram = std::move(self->in.front());
          self->in.pop_front();
          const size_t count = std::min(size, datagram.size());
          std::memcpy(data, datagram.data(), count);
          return static_cast<ssize_t>(count);
        });
    gnutls_transport_set_pull_timeout_function(
        session_, [](gnutls_transport_ptr_t p, unsigned int) {
          return static_cast<DtlsClient*>(p)->in.empty() ? 0 : 1;
        });
  }
  ~DtlsClient() {
    gnutls_deinit(session_);
    gnutls_certificate_free_credentials(credentials_);
  }

  bool Step() { return up = up || gnutls_handshake(session_) == 0; }
  void Write(const std::string& bytes) {
    gnutls_record_send(session_, bytes.data(), bytes.size());
  }
  // One record; empty when there is none, "closed" at the end.
  std::string Read() {
    std::string bytes(2048, '\0');
    const ssize_t size =
        gnutls_record_recv(session_, bytes.data(), bytes.size());
    if (size == 0) return "closed";
    bytes.resize(size < 0 ? 0 : static_cast<size_t>(size));
    return bytes;
  }
  void Bye() { gnutls_bye(session_, GNUTLS_SHUT_WR); }

  std::deque<std::string> in;
  std::vector<std::string> out;
  bool up = false;

 private:
  gnutls_certificate_credentials_t credentials_ = nullptr;
  gnutls_session_t session_ = nullptr;
};

class TurnDtlsFrontTest : public testing::Test, public TurnStreamFront::Owner {
 protected:
  TurnDtlsFrontTest() {
    static const SrtpLibrary* const library =
        SrtpLibrary::Create().value().release();
    const PemFiles pair = pki_.Issue("turn", "DNS:turn.test");
    files_ = TurnTlsFiles::Create(pair.certificate_file, pair.key_file,
                                  absl::Hours(1), /*dtls=*/true)
                 .value();
    RelayCoreOptions options;
    options.turn.ipv4 =
        RelayInterface{At("10.0.0.1", 0).ip, At("10.0.0.1", 0).ip};
    options.sessions.interfaces.external_v4 = options.turn.ipv4;
    core_.emplace(options, *library, random_);
    core_->OnKeys(TestKeys(now_.wall), now_, actions_);
    core_->OnDeadline(now_, actions_);
    front_.emplace(*loop_, *core_, actions_, RollingKeys::NewSecret(random_),
                   *files_, *this);
  }

  // It says goodbye over what is below.
  ~TurnDtlsFrontTest() override { front_.reset(); }

  Now ReadNow() const override { return now_; }
  void SendFromPort(const PacketAction& action, size_t) override {
    sent_bytes_ += action.bytes.size();
    ++sent_;
    if (keep_) wire_.push_back({action, ToString(action.bytes)});
  }
  void FlushPorts() override {}
  void AfterInput() override {
    while (!actions_.empty()) {
      const SocketActions todo = std::exchange(actions_, SocketActions());
      for (const SocketAction& action : todo) {
        if (const auto* open = std::get_if<OpenSocket>(&action)) {
          std::array<uint8_t, kReplySize> reply;
          const PacketAction answer =
              core_->OnSocketOpened(open->socket, absl::OkStatus(),
                                    absl::MakeSpan(reply), now_, actions_);
          if (IsDtlsSocket(answer.socket)) front_->Send(answer);
        } else if (const auto* close = std::get_if<CloseSocket>(&action)) {
          if (IsDtlsSocket(close->socket)) front_->Close(close->socket);
        }
      }
    }
  }

  void Deliver(const Endpoint& from, const std::string& datagram) {
    ASSERT_TRUE(TurnDtlsFront::IsDtls(AsBytes(datagram)));
    front_->OnDatagram(kListener, from, AsBytes(datagram));
    loop_->RunOnce(absl::ZeroDuration());
  }
  // What each has said to the other. `lose`: one in so many is lost.
  void Exchange(DtlsClient& client, const Endpoint& from, int lose = 0) {
    for (const std::string& datagram : std::exchange(client.out, {})) {
      if (lose == 0 || loss_.Uniform(static_cast<uint64_t>(lose)) != 0)
        Deliver(from, datagram);
    }
    for (auto& [action, bytes] : std::exchange(wire_, {})) {
      if (action.to != from || action.socket != kListener) {
        others_.push_back({action, bytes});
      } else if (lose == 0 || loss_.Uniform(static_cast<uint64_t>(lose)) != 0) {
        client.in.push_back(bytes);
      }
    }
  }
  bool Connect(DtlsClient& client, const Endpoint& from, int lose = 0) {
    for (int i = 0; i < 1600 && !client.Step(); ++i) {
      Exchange(client, from, lose);
      if (lose == 0) continue;
      // GnuTLS goes by its own clock.
      usleep(5000);
      now_.mono += absl::Milliseconds(5);
      clock_.Advance(absl::Milliseconds(5));
      loop_->RunOnce(absl::ZeroDuration());
    }
    Exchange(client, from);
    return client.up;
  }
  std::string Ask(DtlsClient& client, const Endpoint& from,
                  const std::string& request) {
    client.Write(request);
    Exchange(client, from);
    return client.Read();
  }
  int Allocate(DtlsClient& client, const Endpoint& from) {
    const auto udp = [](StunWriter& w) {
      w.AddUint32(stun_attribute::kRequestedTransport, 17u << 24);
    };
    turn_.TakeChallenge(
        Ask(client, from, turn_.Bare(StunMethod::kAllocate, udp)));
    return TurnTestClient::CodeOf(
        Ask(client, from, turn_.Signed(StunMethod::kAllocate, udp)));
  }
  uint64_t Drops(DropReason reason) const {
    return core_->stats().drops[static_cast<size_t>(reason)];
  }
  // A ClientHello without cookie, and one with.
  static std::string Hello() {
    DtlsClient client;
    client.Step();
    return client.out.at(0);
  }

  MtlsPki pki_{"dtls"};
  FakeRandom random_;
  FakeClock clock_;
  Now now_{clock_.MonoNow(), absl::FromUnixSeconds(1'800'000'000)};
  TurnTestClient turn_{now_.wall, random_};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(clock_).value();
  SocketActions actions_;
  std::unique_ptr<TurnTlsFiles> files_;
  std::optional<RelayCore> core_;
  std::optional<TurnDtlsFront> front_;
  std::vector<std::pair<PacketAction, std::string>> wire_;
  std::vector<std::pair<PacketAction, std::string>> others_;
  FakeRandom loss_;
  bool keep_ = true;
  size_t sent_ = 0;
  size_t sent_bytes_ = 0;
};

TEST_F(TurnDtlsFrontTest, AClientAllocatesAndIsRelayedBothWays) {
  DtlsClient client;
  const Endpoint from = At("203.0.113.9", 5000);
  ASSERT_TRUE(Connect(client, from));
  EXPECT_EQ(front_->size(), 1u);
  ASSERT_EQ(Allocate(client, from), 0);
  const Endpoint peer = At("8.8.8.8", 4000);
  ASSERT_EQ(TurnTestClient::CodeOf(
                Ask(client, from,
                    turn_.Signed(StunMethod::kChannelBind,
                                 [&](StunWriter& w) {
                                   w.AddUint32(stun_attribute::kChannelNumber,
                                               0x4000u << 16);
                                   w.AddXorAddress(
                                       stun_attribute::kXorPeerAddress, peer);
                                 }))),
            0);
  client.Write(std::string("\x40\x00\x00\x03out", 7));
  Exchange(client, from);
  ASSERT_EQ(others_.size(), 1u);
  EXPECT_EQ(others_[0].second, "out");
  EXPECT_EQ(others_[0].first.to, peer);
  // And back, from the relayed socket; the padding of streams is not due.
  std::vector<uint8_t> buffer(kPacketHeadroom + 4 + kPacketTailroom);
  std::memcpy(buffer.data() + kPacketHeadroom, "back!", 5);
  Packet packet{buffer.data() + kPacketHeadroom, 5, kPacketHeadroom, 4};
  std::array<uint8_t, kReplySize> reply;
  const PacketAction back =
      core_->OnPacket(others_[0].first.socket, peer, packet,
                      absl::MakeSpan(reply), now_, actions_);
  ASSERT_TRUE(IsDtlsSocket(back.socket));
  front_->Send(back);
  Exchange(client, from);
  EXPECT_EQ(client.Read(), std::string("\x40\x00\x00\x05"
                                       "back!",
                                       9));
  // close_notify ends the association, and with it the allocation.
  client.Bye();
  Exchange(client, from);
  EXPECT_EQ(front_->size(), 0u);
  EXPECT_EQ(core_->turn().allocations().size(), 0u);
  EXPECT_EQ(client.Read(), "closed");
}

TEST_F(TurnDtlsFrontTest, NothingIsKeptBeforeTheCookieAndItIsOfOneAddress) {
  const std::string hello = Hello();
  const Endpoint from = At("203.0.113.9", 5000);
  Deliver(from, hello);
  ASSERT_EQ(wire_.size(), 1u);
  EXPECT_EQ(wire_[0].second.size(), 44u);
  EXPECT_LT(wire_[0].second.size(), hello.size());
  EXPECT_EQ(wire_[0].first.to, from);
  EXPECT_EQ(front_->size(), 0u);
  EXPECT_EQ(core_->turn().streams(), 0u);

  // The hello with the cookie is good for its address and port alone.
  DtlsClient client;
  client.Step();
  Exchange(client, from);
  client.Step();
  client.in.clear();
  wire_.clear();
  ASSERT_EQ(client.out.size(), 1u);
  const std::string second = client.out[0];
  for (const Endpoint& other :
       {At("203.0.113.9", 5001), At("203.0.113.10", 5000),
        At("2001:db8::9", 5000)}) {
    Deliver(other, second);
    EXPECT_EQ(front_->size(), 0u);
    ASSERT_EQ(wire_.size(), 1u);
    EXPECT_EQ(wire_[0].second.size(), 44u);  // another cookie
    wire_.clear();
  }
  // A key lives for an hour, and an hour more as the former one.
  now_.mono += absl::Minutes(70);
  Deliver(from, second);
  EXPECT_EQ(front_->size(), 1u);
  front_->Close(kFirstDtlsSocket);
  now_.mono += absl::Minutes(70);
  Deliver(from, second);
  EXPECT_EQ(front_->size(), 0u);
}

TEST_F(TurnDtlsFrontTest, ACookieOfTheKeyBeforeTheFormerIsOld) {
  const Endpoint from = At("203.0.113.9", 5000);
  DtlsClient client;
  client.Step();
  Exchange(client, from);
  client.Step();
  const std::string second = client.out.at(0);
  for (int i = 0; i < 2; ++i) {
    now_.mono += absl::Minutes(61);
    Deliver(At("192.0.2.1", 1), Hello());
  }
  Deliver(from, second);
  EXPECT_EQ(front_->size(), 0u);
}

TEST_F(TurnDtlsFrontTest, FragmentedHellosAndLostFlightsDoNoHarm) {
  for (const unsigned mtu : {150u, 256u, 1200u}) {
    DtlsClient small(mtu);
    EXPECT_TRUE(Connect(small, At("203.0.113.9", static_cast<uint16_t>(mtu))))
        << mtu;
  }
  // One datagram in six is lost, either way.
  DtlsClient lossy;
  EXPECT_TRUE(Connect(lossy, At("203.0.113.9", 7000), /*lose=*/6));
  EXPECT_EQ(front_->size(), 4u);
}

TEST_F(TurnDtlsFrontTest, AClientThatComesAgainTakesItsOwnPlace) {
  const Endpoint from = At("203.0.113.9", 5000);
  DtlsClient first;
  ASSERT_TRUE(Connect(first, from));
  ASSERT_EQ(Allocate(first, from), 0);
  // A stranger's hello with this address as its source changes nothing.
  Deliver(from, Hello());
  wire_.clear();
  EXPECT_EQ(core_->turn().allocations().size(), 1u);
  EXPECT_NE(Ask(first, from, turn_.Bare(StunMethod::kBinding)), "");
  // One that receives what is sent there begins anew (RFC 6347 4.2.8).
  DtlsClient second;
  ASSERT_TRUE(Connect(second, from));
  EXPECT_EQ(front_->size(), 1u);
  EXPECT_EQ(core_->turn().allocations().size(), 0u);
  EXPECT_EQ(Allocate(second, from), 0);
}

TEST_F(TurnDtlsFrontTest, AnotherAddressIsAnotherClient) {
  const Endpoint from = At("203.0.113.9", 5000);
  const Endpoint moved = At("203.0.113.9", 5001);
  DtlsClient client;
  ASSERT_TRUE(Connect(client, from));
  ASSERT_EQ(Allocate(client, from), 0);
  const uint64_t before = Drops(DropReason::kUnexpectedDtls);
  client.Write(turn_.Bare(StunMethod::kBinding));
  Exchange(client, moved);  // its records from there are nobody's
  EXPECT_EQ(client.Read(), "");
  EXPECT_EQ(Drops(DropReason::kUnexpectedDtls), before + 1);
  EXPECT_NE(Ask(client, from, turn_.Bare(StunMethod::kBinding)), "");
  DtlsClient again;
  ASSERT_TRUE(Connect(again, moved));
  EXPECT_EQ(front_->size(), 2u);
}

TEST_F(TurnDtlsFrontTest, ForgedAndBrokenRecordsAreDropped) {
  const Endpoint from = At("203.0.113.9", 5000);
  DtlsClient client;
  ASSERT_TRUE(Connect(client, from));
  ASSERT_EQ(Allocate(client, from), 0);
  client.Write(turn_.Bare(StunMethod::kBinding));
  const std::string record = client.out.at(0);
  client.out.clear();
  for (size_t i = 1; i < record.size(); ++i) {
    std::string broken = record;
    broken[i] = static_cast<char>(broken[i] ^ 0x20);
    Deliver(from, broken);
    Deliver(from, record.substr(0, i));
  }
  for (int type = 20; type < 64; ++type) {
    Deliver(from, std::string(1, static_cast<char>(type)) +
                      std::string("\xFE\xFD\0\0\0\0\0\0\0\x09\0\x02\x02\x28",
                                  14));  // a fatal alert in clear
  }
  EXPECT_EQ(front_->size(), 1u);
  wire_.clear();
  EXPECT_NE(Ask(client, from, turn_.Bare(StunMethod::kBinding)), "");
}

TEST_F(TurnDtlsFrontTest, AssociationsCountAndEndAsConnectionsDo) {
  std::vector<std::unique_ptr<DtlsClient>> clients;
  for (uint16_t i = 0; i < 100; ++i) {
    clients.push_back(std::make_unique<DtlsClient>());
    ASSERT_TRUE(Connect(*clients.back(), At("203.0.113.9", 6000 + i)));
    now_.mono += absl::Milliseconds(50);
  }
  DtlsClient late;
  EXPECT_FALSE(Connect(late, At("203.0.113.9", 6100)));
  EXPECT_EQ(front_->size(), 100u);
  DtlsClient other;
  EXPECT_TRUE(Connect(other, At("203.0.113.10", 6100)));
  ASSERT_EQ(Allocate(other, At("203.0.113.10", 6100)), 0);
  // Without an allocation they have 15 s.
  now_.mono += absl::Seconds(16);
  core_->OnDeadline(now_, actions_);
  AfterInput();
  EXPECT_EQ(front_->size(), 1u);
  EXPECT_EQ(front_->ended()[static_cast<size_t>(StreamEnd::kCore)], 100u);
}

// Issue 4: one million spoofed requests, memory grows under 1 MB; and what is
// sent to whom did not ask is less than what came.
TEST_F(TurnDtlsFrontTest, AMillionSpoofedHellosAreForgotten) {
  const auto resident = [] {
    size_t pages = 0;
    size_t shared = 0;
    std::ifstream("/proc/self/statm") >> pages >> shared;
    return shared * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  };
  const std::string hello = Hello();
  keep_ = false;
  size_t received = 0;
  const auto flood = [&](uint32_t count, uint32_t begin) {
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t n = (begin + i) * 2654435761u;
      const Endpoint from = {
          IpAddress::V4(
              {static_cast<uint8_t>(n >> 24), static_cast<uint8_t>(n >> 16),
               static_cast<uint8_t>(n >> 8), static_cast<uint8_t>(n)}),
          static_cast<uint16_t>(1024 + i % 60000)};
      front_->OnDatagram(kListener, from, AsBytes(hello));
      received += hello.size();
    }
  };
  flood(50'000, 0);
  const size_t before = resident();
  sent_ = 0;
  sent_bytes_ = 0;
  received = 0;
  flood(1'000'000, 50'000);
  EXPECT_LT(resident(), before + kGrowth);
  EXPECT_GT(sent_, 900'000u);
  EXPECT_LT(sent_bytes_, received);
  EXPECT_EQ(front_->size(), 0u);
  keep_ = true;
  DtlsClient client;
  EXPECT_TRUE(Connect(client, At("203.0.113.9", 5000)));
}

}  // namespace
}  // namespace sallyport::media_relay
