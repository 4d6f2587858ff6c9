// What strangers and other sessions send into the ports of live sessions of the
// real process: nothing of it comes out, nothing leaks, nothing is latched to.

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/srtp_policy.h"
#include "services/media_relay/core/srtp_session.h"
#include "services/media_relay/session_rig.h"

namespace sallyport::media_relay {
namespace {

// Below those that the kernel gives to whoever names none: of these are the far
// sides, and the listeners, which answer, of this relay and of tests beside it.
constexpr uint16_t kFirstPort = 20000;
constexpr uint16_t kLastPort = 20399;

const SrtpLibrary& Library() {
  static const SrtpLibrary* const library = SrtpLibrary::Create()->release();
  return *library;
}

// Its payload names whose it is.
std::string Rtp(const std::string& whose, uint16_t sequence,
                char ssrc = '\x07') {
  std::string packet(12, '\0');
  packet[0] = '\x80';
  packet[2] = static_cast<char>(sequence >> 8);
  packet[3] = static_cast<char>(sequence);
  packet[11] = ssrc;
  std::string payload = absl::StrCat(whose, " ", sequence, " ");
  payload.resize(160, '.');
  return packet + payload;
}

// "whose" of the above; empty when it is none.
std::string WhoseOf(const std::string& packet) {
  if (packet.size() != 172) return "";
  return packet.substr(12, packet.find(' ', 12) - 12);
}

template <typename Call>
std::string Through(const std::string& bytes, Call call) {
  std::vector<uint8_t> buffer(bytes.begin(), bytes.end());
  buffer.resize(bytes.size() + kPacketTailroom);
  Packet packet{buffer.data(), bytes.size(), 0, kPacketTailroom};
  if (call(packet) != SrtpResult::kOk) return "failed";
  return ToString(packet.bytes());
}

// One far side of a session: RTP in clear, or SDES. Thread-compatible.
class FarSide {
 public:
  explicit FarSide(const char* ip = "127.0.0.1")
      : udp_(UdpSocket::Bind(*SocketAddress::FromIp(ip, 0)).value()) {}

  uint16_t port() const { return udp_.local_address().port(); }
  void SendRaw(const std::string& bytes, uint32_t port) {
    OutgoingDatagram out;
    out.payload = AsBytes(bytes);
    out.peer = SocketAddress::LoopbackV4(static_cast<uint16_t>(port));
    (void)udp_.SendOne(out);
  }
  std::string ReceiveRaw(int milliseconds) {
    pollfd ready = {udp_.fd(), POLLIN, 0};
    if (poll(&ready, 1, milliseconds) != 1) return "";
    std::array<char, 2048> buffer;
    const ssize_t size = recv(udp_.fd(), buffer.data(), buffer.size(), 0);
    return size <= 0 ? ""
                     : std::string(buffer.data(), static_cast<size_t>(size));
  }

  // What this leg is to the relay; `secure`: SDES. `latching`: it may come from
  // elsewhere, in clear from this address alone.
  void Signal(v1::Leg& leg, bool secure, char fill, bool latching = false) {
    secure_ = secure;
    key_.assign(30, fill);
    leg.set_protocol(secure ? type::v1::MEDIA_PROTOCOL_SDES_SRTP
                            : type::v1::MEDIA_PROTOCOL_RTP);
    leg.mutable_remote_rtp()->set_address("127.0.0.1");
    leg.mutable_remote_rtp()->set_port(port());
    if (secure) leg.mutable_remote_key()->set_key_salt(key_);
    leg.set_latching(latching);
    if (latching && !secure) leg.add_latching_prefixes("127.0.0.1/32");
  }
  void Learn(const v1::Leg& leg) {
    relay_port_ = leg.local_rtp_port();
    if (!secure_) return;
    const auto make = [](const std::string& key,
                         SrtpSession::Direction direction) {
      return SrtpSession::Create(Library(), SrtpSuite::kAesCm128HmacSha1_80,
                                 AsBytes(key), {}, direction)
          .value();
    };
    out_ = make(key_, SrtpSession::Direction::kProtect);
    in_ = make(leg.local_key().key_salt(), SrtpSession::Direction::kUnprotect);
  }
  std::string Wrap(const std::string& rtp) {
    return secure_
               ? Through(rtp, [&](Packet& p) { return out_->ProtectRtp(p); })
               : rtp;
  }
  void Send(const std::string& rtp) { SendRaw(Wrap(rtp), relay_port_); }
  // In clear; "failed" what does not authenticate.
  std::string Receive(int milliseconds) {
    const std::string bytes = ReceiveRaw(milliseconds);
    if (bytes.empty() || !secure_) return bytes;
    return Through(bytes, [&](Packet& p) { return in_->UnprotectRtp(p); });
  }
  uint32_t relay_port() const { return relay_port_; }

 private:
  UdpSocket udp_;
  bool secure_ = false;
  std::string key_;
  uint32_t relay_port_ = 0;
  std::unique_ptr<SrtpSession> out_;
  std::unique_ptr<SrtpSession> in_;
};

// A session between two of them. Thread-compatible.
struct Bridged {
  FarSide a;
  FarSide b;
  v1::Session made;
};

class SessionSprayTest : public SessionRig {
 protected:
  std::string ExtraConfig() const override {
    return absl::StrCat(",\"relay_port_min\":", kFirstPort,
                        ",\"relay_port_max\":", kLastPort,
                        ",\"port_quarantine\":\"1s\"");
  }

  // Everything that a media port looks at, to every port, until told to stop.
  void StartSpraying() {
    sprayer_ = std::thread([this] {
      const std::string rtp = Rtp("stranger", 1, '\x55');
      const std::string own_ssrc = Rtp("stranger", 9);
      const std::string rtcp("\x80\xC9\x00\x01\x00\x00\x00\x07", 8);
      const std::string check(
          "\x00\x01\x00\x0C\x21\x12\xA4\x42sprayspraysp\x00\x06\x00\x08"
          "who:what",
          32);
      std::string hello("\x16\xFE\xFF\x00\x00\x00\x00\x00\x00\x00\x00\x00\x40",
                        13);
      hello.append("\x01\x00\x00\x34", 4).append(60, '\x01');
      const std::string channel("\x40\x00\x00\x04oops", 8);
      const std::vector<std::string> packets = {rtp,   own_ssrc, rtcp,
                                                check, hello,    channel};
      while (!stop_) {
        for (uint16_t port = kFirstPort; port <= kLastPort && !stop_; ++port) {
          for (const std::string& one : packets) stranger_.SendRaw(one, port);
          sprayed_ += 6;
          if (port % 20 == 0) absl::SleepFor(absl::Milliseconds(1));
        }
      }
    });
  }
  void StopSpraying() {
    stop_ = true;
    if (sprayer_.joinable()) sprayer_.join();
  }
  ~SessionSprayTest() override { StopSpraying(); }

  std::unique_ptr<Bridged> Make(bool secure_a, bool secure_b, char fill) {
    auto bridged = std::make_unique<Bridged>();
    v1::Session session;
    // What comes in clear may come from any port of this host if it latches.
    bridged->a.Signal(*session.mutable_leg_a(), secure_a, fill, secure_a);
    bridged->b.Signal(*session.mutable_leg_b(), secure_b,
                      static_cast<char>(fill + 1), secure_b);
    bridged->made = Create(session);
    bridged->a.Learn(bridged->made.leg_a());
    bridged->b.Learn(bridged->made.leg_b());
    return bridged;
  }
  // Sends `count` each way from sequence number `from` and expects them, and
  // nothing else, on the other side.
  void ExpectAudio(Bridged& s, const std::string& name, uint16_t from,
                   uint16_t count) {
    for (uint16_t i = from; i < from + count; ++i) {
      s.a.Send(Rtp(name, i));
      EXPECT_EQ(s.b.Receive(3000), Rtp(name, i));
      s.b.Send(Rtp(name, i));
      EXPECT_EQ(s.a.Receive(3000), Rtp(name, i));
    }
  }
  static uint64_t Drops(const v1::Leg& leg, const std::string& reason) {
    const auto& drops = leg.statistics().dropped_packets();
    const auto it = drops.find(reason);
    return it == drops.end() ? 0 : it->second;
  }

  // Of another network than any that is signalled.
  FarSide stranger_{"127.0.0.3"};
  std::atomic<bool> stop_ = false;
  std::atomic<int> sprayed_ = 0;
  std::thread sprayer_;
};

struct Kinds {
  bool secure_a;
  bool secure_b;
};

class SprayedKinds : public SessionSprayTest,
                     public testing::WithParamInterface<Kinds> {};

// Sessions are made, talk and end in the middle of it.
TEST_P(SprayedKinds, NothingLeaksOrIsInjectedOrLatched) {
  StartSpraying();
  while (sprayed_ < 3000) absl::SleepFor(absl::Milliseconds(1));
  uint64_t refused = 0;
  for (int round = 0; round < 15; ++round) {
    // The far side of leg B is not known at first, as in a call.
    auto s = std::make_unique<Bridged>();
    v1::Session session;
    s->a.Signal(*session.mutable_leg_a(), GetParam().secure_a, 'k',
                /*latching=*/true);
    session.mutable_leg_b()->set_protocol(
        GetParam().secure_b ? type::v1::MEDIA_PROTOCOL_SDES_SRTP
                            : type::v1::MEDIA_PROTOCOL_RTP);
    s->made = Create(session);
    s->a.Learn(s->made.leg_a());
    v1::Session changes;
    changes.set_name(s->made.name());
    s->b.Signal(*changes.mutable_leg_b(), GetParam().secure_b, 'q',
                /*latching=*/true);
    changes.mutable_leg_b()->clear_protocol();
    Update(changes);
    s->b.Learn(s->made.leg_b());
    ExpectAudio(*s, "mine", 100, 12);
    EXPECT_EQ(s->a.ReceiveRaw(20), "");
    EXPECT_EQ(s->b.ReceiveRaw(20), "");
    const v1::Session last = Delete(s->made.name());
    for (const v1::Leg* leg : {&last.leg_a(), &last.leg_b()}) {
      EXPECT_EQ(leg->statistics().packets_sent(), 12u);
      refused += Drops(*leg, "source_refused") + Drops(*leg, "auth_failed") +
                 Drops(*leg, "not_configured");
    }
    EXPECT_EQ(last.leg_b().statistics().packets_received(), 12u);
    EXPECT_EQ(last.leg_a().remote_rtp().address(), "127.0.0.1");
    EXPECT_EQ(last.leg_a().remote_rtp().port(), s->a.port());
    EXPECT_EQ(last.leg_b().remote_rtp().port(), s->b.port());
  }
  StopSpraying();
  EXPECT_GT(sprayed_, 5000);
  EXPECT_GT(refused, 20u);  // it did reach the sessions
  EXPECT_EQ(stranger_.ReceiveRaw(50), "");
}

INSTANTIATE_TEST_SUITE_P(All, SprayedKinds,
                         testing::Values(Kinds{false, false},
                                         Kinds{true, false}, Kinds{true, true}),
                         [](const auto& info) {
                           return std::string(info.param.secure_a ? "Sdes"
                                                                  : "Rtp") +
                                  (info.param.secure_b ? "Sdes" : "Rtp");
                         });

// A peer of other hands sets ICE, DTLS and SRTP up and talks meanwhile.
TEST_F(SessionSprayTest, IceAndDtlsStandInTheMiddleOfIt) {
  if (!PeerProgram::Exists("/usr/bin/python3")) {
    FAIL() << "there is no /usr/bin/python3";
  }
  StartSpraying();
  FarSide gateway;
  v1::Session session;
  v1::Leg& a = *session.mutable_leg_a();
  a.set_protocol(type::v1::MEDIA_PROTOCOL_DTLS_SRTP);
  a.set_rtcp_mux(true);
  a.mutable_ice();
  gateway.Signal(*session.mutable_leg_b(), false, 'g');
  const v1::Session made = Create(session);
  gateway.Learn(made.leg_b());
  const v1::Leg& leg = made.leg_a();
  PeerProgram peer({"/usr/bin/python3", "services/media_relay/webrtc_peer.py"});
  peer.WriteLine(absl::StrCat(
      "{\"address\":\"", leg.local_address(),
      "\",\"port\":", leg.local_rtp_port(), ",\"ufrag\":\"",
      leg.ice().local_ufrag(), "\",\"password\":\"", leg.ice().local_password(),
      "\",\"fingerprint\":\"", leg.dtls().local_fingerprint(),
      "\",\"setup\":\"actpass\",\"type\":\"offer\",\"seconds\":2}"));
  const std::string answer = peer.ReadLine();
  ASSERT_NE(answer, "");
  const auto field = [](const std::string& json, const std::string& name) {
    const size_t at = json.find(absl::StrCat("\"", name, "\": \""));
    if (at == std::string::npos) return std::string();
    const size_t begin = at + name.size() + 5;
    return json.substr(begin, json.find('"', begin) - begin);
  };
  v1::Session changes;
  changes.set_name(made.name());
  changes.mutable_leg_a()->mutable_ice()->set_remote_ufrag(
      field(answer, "ufrag"));
  changes.mutable_leg_a()->mutable_dtls()->set_remote_fingerprint(
      field(answer, "fingerprint"));
  changes.mutable_leg_a()->mutable_dtls()->set_remote_setup(
      v1::DTLS_SETUP_ACTIVE);
  Update(changes);
  int heard = 0;
  int foreign = 0;
  const absl::Time give_up = absl::Now() + absl::Seconds(12);
  while (heard < 60 && absl::Now() < give_up) {
    const std::string packet = gateway.ReceiveRaw(200);
    if (packet.empty()) continue;
    // PCMU of the tone; a stranger's would say so.
    ++(packet.size() == 172 && WhoseOf(packet) != "stranger" ? heard : foreign);
  }
  EXPECT_GE(heard, 60);
  EXPECT_EQ(foreign, 0);
  const v1::Session last = Delete(made.name());
  StopSpraying();
  EXPECT_EQ(last.leg_a().dtls().state(), v1::DTLS_STATE_ESTABLISHED);
  EXPECT_EQ(last.leg_a().statistics().authentication_failures(), 0u);
  EXPECT_GT(Drops(last.leg_a(), "source_refused") +
                Drops(last.leg_a(), "ice_user_unknown") +
                Drops(last.leg_a(), "wrong_integrity"),
            0u);
  EXPECT_EQ(stranger_.ReceiveRaw(50), "");
}

// Two live calls; what belongs to one is thrown into the ports of the other.
class CrossWiredKinds : public SprayedKinds {};

TEST_P(CrossWiredKinds, PacketsOfOneSessionAreNothingToAnother) {
  const auto one = Make(GetParam().secure_a, GetParam().secure_b, 'k');
  const auto two = Make(GetParam().secure_a, GetParam().secure_b, 's');
  ExpectAudio(*one, "one", 1, 5);
  ExpectAudio(*two, "two", 1, 5);
  const std::array<uint32_t, 4> ports = {
      one->a.relay_port(), one->b.relay_port(), two->a.relay_port(),
      two->b.relay_port()};
  FarSide* const sides[] = {&one->a, &one->b, &two->a, &two->b};
  // Each far side's next packet, as it would be protected, to every port but
  // its own; and cut, and with a bit turned, and once more what was sent.
  for (int from = 0; from < 4; ++from) {
    const std::string wrapped =
        sides[from]->Wrap(Rtp("wrong", static_cast<uint16_t>(1000 + from)));
    std::string turned = wrapped;
    turned[40] = static_cast<char>(turned[40] ^ 1);
    for (int to = 0; to < 4; ++to) {
      if (to == from) continue;
      sides[from]->SendRaw(wrapped, ports[to]);
      sides[from]->SendRaw(turned, ports[to]);
      for (const size_t size : {0u, 1u, 11u, 12u, 100u}) {
        sides[from]->SendRaw(wrapped.substr(0, size), ports[to]);
      }
    }
    // Spoofed: from a socket of another address.
    for (const uint32_t port : ports) stranger_.SendRaw(wrapped, port);
  }
  for (FarSide* side : sides) EXPECT_EQ(side->ReceiveRaw(100), "");
  EXPECT_EQ(stranger_.ReceiveRaw(20), "");
  // Both go on, each with its own.
  ExpectAudio(*one, "one", 50, 5);
  ExpectAudio(*two, "two", 50, 5);
  if (GetParam().secure_a) {
    // Replayed to where it belongs, it counts once.
    const std::string wrapped = one->a.Wrap(Rtp("one", 60));
    one->a.SendRaw(wrapped, ports[0]);
    EXPECT_EQ(one->b.Receive(3000), Rtp("one", 60));
    one->a.SendRaw(wrapped, ports[0]);
    std::string turned = wrapped;
    turned[171] = static_cast<char>(turned[171] ^ 1);
    one->a.SendRaw(turned, ports[0]);
    one->a.SendRaw(Rtp("clear", 61), ports[0]);
    EXPECT_EQ(one->b.ReceiveRaw(100), "");
  }
  const uint64_t extra = GetParam().secure_a ? 1 : 0;
  for (Bridged* s : {one.get(), two.get()}) {
    const v1::Session last = Delete(s->made.name());
    EXPECT_EQ(last.leg_b().statistics().packets_sent(),
              10u + (s == one.get() ? extra : 0));
    EXPECT_EQ(last.leg_a().statistics().packets_sent(), 10u);
    EXPECT_EQ(last.leg_a().remote_rtp().port(), s->a.port());
    EXPECT_EQ(last.leg_b().remote_rtp().port(), s->b.port());
  }
}

INSTANTIATE_TEST_SUITE_P(All, CrossWiredKinds,
                         testing::Values(Kinds{false, false},
                                         Kinds{true, false}, Kinds{true, true}),
                         [](const auto& info) {
                           return std::string(info.param.secure_a ? "Sdes"
                                                                  : "Rtp") +
                                  (info.param.secure_b ? "Sdes" : "Rtp");
                         });

}  // namespace
}  // namespace sallyport::media_relay
