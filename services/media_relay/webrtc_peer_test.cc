// DTLS-SRTP and SDES-SRTP far sides of other hands against the real relay:
// aiortc (ICE, DTLS by OpenSSL, SRTP by libsrtp), openssl s_client, ffmpeg.

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/config/proto_time.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/srtp_policy.h"
#include "services/media_relay/core/srtp_session.h"
#include "services/media_relay/ffmpeg_sdes.h"
#include "services/media_relay/relay_test_setup.h"
#include "services/media_relay/session_rig.h"

namespace sallyport::media_relay {
namespace {

const SrtpLibrary& Library() {
  static const SrtpLibrary* const library =
      SrtpLibrary::Create().value().release();
  return *library;
}

class WebrtcPeerTest : public SessionRig {
 protected:
  // Leg A for the WebRTC side, leg B for the gateway.
  v1::Session New(bool ice, uint16_t gateway) {
    v1::Session session;
    v1::Leg& a = *session.mutable_leg_a();
    a.set_protocol(type::v1::MEDIA_PROTOCOL_DTLS_SRTP);
    a.set_rtcp_mux(true);
    if (ice) a.mutable_ice();
    v1::Leg& b = *session.mutable_leg_b();
    b.set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
    b.mutable_remote_rtp()->set_address("127.0.0.1");
    b.mutable_remote_rtp()->set_port(gateway);
    return session;
  }

  void CallPeer(const std::string& program, type::v1::SrtpSuite suite,
                const std::string& type, const std::string& relay_setup,
                v1::DtlsSetup answer, v1::DtlsSetup relay) {
    if (!PeerProgram::Exists("/usr/bin/python3")) {
      FAIL() << "there is no /usr/bin/python3";
    }
    RtpGateway gateway;
    const v1::Session made = Create(New(/*ice=*/true, gateway.port()));
    const v1::Leg& leg = made.leg_a();
    EXPECT_EQ(leg.dtls().local_setup(), v1::DTLS_SETUP_ACTPASS);
    EXPECT_EQ(leg.ice().state(), v1::ICE_STATE_WAITING);
    PeerProgram peer({"/usr/bin/python3", "services/media_relay/" + program});
    peer.WriteLine(
        absl::StrCat("{\"address\":\"", leg.local_address(),
                     "\",\"port\":", leg.local_rtp_port(), ",\"ufrag\":\"",
                     leg.ice().local_ufrag(), "\",\"password\":\"",
                     leg.ice().local_password(), "\",\"fingerprint\":\"",
                     leg.dtls().local_fingerprint(), "\",\"setup\":\"",
                     relay_setup, "\",\"type\":\"", type, "\",\"seconds\":4}"));
    const std::string sdp = peer.ReadLine();
    ASSERT_NE(sdp, "") << program << " gave no answer";
    v1::Session changes;
    changes.set_name(made.name());
    v1::Leg& a = *changes.mutable_leg_a();
    a.mutable_ice()->set_remote_ufrag(JsonField(sdp, "ufrag"));
    a.mutable_dtls()->set_remote_fingerprint(JsonField(sdp, "fingerprint"));
    a.mutable_dtls()->set_remote_setup(answer);
    EXPECT_EQ(Update(changes).leg_a().dtls().local_setup(), relay);
    gateway.Start(static_cast<uint16_t>(made.leg_b().local_rtp_port()));

    const v1::Session flowing = WaitFor(made.name(), [](const v1::Session& s) {
      return s.leg_a().statistics().packets_received() > 20 &&
             s.leg_a().ice().state() == v1::ICE_STATE_SELECTED;
    });
    EXPECT_EQ(flowing.leg_a().dtls().state(), v1::DTLS_STATE_ESTABLISHED);
    EXPECT_EQ(flowing.leg_a().ice().state(), v1::ICE_STATE_SELECTED);
    EXPECT_EQ(flowing.leg_a().srtp_suite(), suite);
    EXPECT_FALSE(flowing.leg_a().has_local_key());
    const std::string result = peer.ReadLine();
    gateway.Stop();
    EXPECT_EQ(JsonField(result, "state"), "connected") << result;
    int sent = 0;
    int frames = 0;
    int loudest = 0;
    ASSERT_TRUE(absl::SimpleAtoi(JsonField(result, "sent"), &sent)) << result;
    ASSERT_TRUE(absl::SimpleAtoi(JsonField(result, "frames"), &frames))
        << result;
    ASSERT_TRUE(absl::SimpleAtoi(JsonField(result, "loudest"), &loudest));
    EXPECT_GT(sent, 50);
    EXPECT_GT(frames, 50);
    EXPECT_GT(loudest, 5000);  // the gateway's square wave, decoded
    EXPECT_GT(gateway.audible(), 50u);
    EXPECT_EQ(gateway.received(), gateway.audible());

    const v1::Session last = Delete(made.name());
    const v1::LegStatistics& of_a = last.leg_a().statistics();
    EXPECT_EQ(of_a.packets_received(),
              last.leg_b().statistics().packets_sent());
    EXPECT_EQ(of_a.authentication_failures(), 0u);
    EXPECT_EQ(of_a.packets_lost(), 0u);
    EXPECT_LT(FromProto(of_a.added_delay_p50()), absl::Milliseconds(5));
  }
};

TEST_F(WebrtcPeerTest, AiortcBegins) {
  CallPeer("webrtc_peer.py", type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_80,
           "offer", "actpass", v1::DTLS_SETUP_ACTIVE, v1::DTLS_SETUP_PASSIVE);
}

TEST_F(WebrtcPeerTest, RelayBeginsWithAiortc) {
  CallPeer("webrtc_peer.py", type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_80,
           "answer", "active", v1::DTLS_SETUP_ACTPASS, v1::DTLS_SETUP_ACTIVE);
}

// The browser itself. It offers DTLS 1.3 with a post-quantum key share in a
// ClientHello of two datagrams, and takes DTLS 1.2 from us.
TEST_F(WebrtcPeerTest, Chromium) {
  if (!PeerProgram::Exists("chromium")) FAIL() << "there is no chromium";
  CallPeer("chromium_peer.py", type::v1::SRTP_SUITE_AEAD_AES_256_GCM, "offer",
           "actpass", v1::DTLS_SETUP_ACTIVE, v1::DTLS_SETUP_PASSIVE);
}

std::string Rtp(uint16_t sequence) {
  std::string packet(12, '\0');
  packet[0] = '\x80';
  packet[2] = static_cast<char>(sequence >> 8);
  packet[3] = static_cast<char>(sequence);
  packet[11] = 7;
  return packet + std::string(160, 'v');
}

// The keys that OpenSSL exports from its own side of the handshake are those
// that the relay uses (RFC 5764 section 4.2), for each profile.
TEST_F(WebrtcPeerTest, OpensslExportsTheSameKeys) {
  if (!PeerProgram::Exists("openssl")) FAIL() << "there is no openssl";
  struct Case {
    const char* profile;
    type::v1::SrtpSuite suite;
    SrtpSuite own;
  };
  const std::string key_file = process_.folder() + "/peer.key";
  const std::string certificate_file = process_.folder() + "/peer.pem";
  PeerProgram request({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                       "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=peer",
                       "-keyout", key_file, "-out", certificate_file});
  ASSERT_EQ(request.Wait(absl::Seconds(20)), 0);
  PeerProgram print({"openssl", "x509", "-in", certificate_file, "-noout",
                     "-fingerprint", "-sha256"});
  const std::string printed = print.ReadLine();
  const std::string fingerprint =
      absl::StrCat("sha-256 ", printed.substr(printed.find('=') + 1));
  for (const Case& c :
       {Case{"SRTP_AES128_CM_SHA1_80",
             type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_80,
             SrtpSuite::kAesCm128HmacSha1_80},
        Case{"SRTP_AES128_CM_SHA1_32",
             type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_32,
             SrtpSuite::kAesCm128HmacSha1_32},
        Case{"SRTP_AEAD_AES_128_GCM", type::v1::SRTP_SUITE_AEAD_AES_128_GCM,
             SrtpSuite::kAeadAes128Gcm},
        Case{"SRTP_AEAD_AES_256_GCM", type::v1::SRTP_SUITE_AEAD_AES_256_GCM,
             SrtpSuite::kAeadAes256Gcm}}) {
    SCOPED_TRACE(c.profile);
    UdpSocket gateway = UdpSocket::Bind(SocketAddress::LoopbackV4(0)).value();
    // The port of the far side, for openssl first and for us afterwards.
    uint16_t port = 0;
    {
      const UdpSocket probe =
          UdpSocket::Bind(SocketAddress::LoopbackV4(0)).value();
      port = probe.local_address().port();
    }
    v1::Session session = New(/*ice=*/false, gateway.local_address().port());
    v1::Leg& a = *session.mutable_leg_a();
    a.mutable_dtls()->set_remote_setup(v1::DTLS_SETUP_ACTIVE);
    a.mutable_dtls()->set_remote_fingerprint(fingerprint);
    a.mutable_dtls()->add_srtp_suites(c.suite);
    a.mutable_remote_rtp()->set_address("127.0.0.1");
    a.mutable_remote_rtp()->set_port(port);
    const v1::Session made = Create(session);
    const size_t key = InfoOf(c.own).key_size;
    const size_t salt = InfoOf(c.own).salt_size;
    PeerProgram openssl(
        {"openssl", "s_client", "-dtls1_2", "-connect",
         absl::StrCat("127.0.0.1:", made.leg_a().local_rtp_port()), "-bind",
         absl::StrCat("127.0.0.1:", port), "-cert", certificate_file, "-key",
         key_file, "-use_srtp", c.profile, "-keymatexport",
         "EXTRACTOR-dtls_srtp", "-keymatexportlen",
         absl::StrCat(2 * (key + salt))});
    const std::string said = openssl.ReadUntil("Keying material: ");
    const size_t at = said.find("Keying material: ");
    ASSERT_NE(at, std::string::npos) << said;
    const std::string material = absl::HexStringToBytes(
        openssl.ReadUntil("\n---\n").substr(at + 17, 4 * (key + salt)));
    openssl.Kill();
    EXPECT_NE(said.find(absl::StrCat("profile=", c.profile)),
              std::string::npos);
    const v1::Session up = WaitFor(made.name(), [](const v1::Session& s) {
      return s.leg_a().dtls().state() == v1::DTLS_STATE_ESTABLISHED;
    });
    ASSERT_EQ(up.leg_a().dtls().state(), v1::DTLS_STATE_ESTABLISHED);
    EXPECT_EQ(up.leg_a().srtp_suite(), c.suite);

    UdpSocket phone = UdpSocket::Bind(SocketAddress::LoopbackV4(port)).value();
    const auto joined = [&](size_t side) {
      return material.substr(side * key, key) +
             material.substr(2 * key + side * salt, salt);
    };
    auto out = SrtpSession::Create(Library(), c.own, AsBytes(joined(0)), {},
                                   SrtpSession::Direction::kProtect)
                   .value();
    auto in = SrtpSession::Create(Library(), c.own, AsBytes(joined(1)), {},
                                  SrtpSession::Direction::kUnprotect)
                  .value();
    const auto through = [](const std::string& bytes, auto call) {
      std::vector<uint8_t> buffer(bytes.begin(), bytes.end());
      buffer.resize(bytes.size() + kPacketTailroom);
      Packet packet{buffer.data(), bytes.size(), 0, kPacketTailroom};
      return call(packet) == SrtpResult::kOk ? ToString(packet.bytes())
                                             : std::string("failed");
    };
    const auto send = [](UdpSocket& from, const std::string& bytes,
                         uint32_t to) {
      OutgoingDatagram datagram;
      datagram.payload = AsBytes(bytes);
      datagram.peer = SocketAddress::LoopbackV4(static_cast<uint16_t>(to));
      EXPECT_TRUE(from.SendOne(datagram).ok());
    };
    // The next that is RTP: alerts of the handshake may come before.
    const auto receive = [](UdpSocket& from) {
      for (int i = 0; i < 5; ++i) {
        pollfd ready = {from.fd(), POLLIN, 0};
        if (poll(&ready, 1, 3000) != 1) return std::string();
        std::array<char, 2048> buffer;
        const ssize_t size = recv(from.fd(), buffer.data(), buffer.size(), 0);
        if (size > 0 && static_cast<uint8_t>(buffer[0]) >> 6 == 2) {
          return std::string(buffer.data(), static_cast<size_t>(size));
        }
      }
      return std::string();
    };
    for (uint16_t i = 1; i < 20; ++i) {
      send(phone,
           through(Rtp(i), [&](Packet& p) { return out->ProtectRtp(p); }),
           made.leg_a().local_rtp_port());
      ASSERT_EQ(receive(gateway), Rtp(i));
      send(gateway, Rtp(i), made.leg_b().local_rtp_port());
      ASSERT_EQ(through(receive(phone),
                        [&](Packet& p) { return in->UnprotectRtp(p); }),
                Rtp(i));
    }
    Delete(made.name());
  }
}

// ffmpeg sends SDES-SRTP through the relay and, as another process, receives
// and decodes it.
TEST_F(WebrtcPeerTest, FfmpegSpeaksSdes) {
  if (!PeerProgram::Exists("ffmpeg")) FAIL() << "there is no ffmpeg";
  for (const auto& [name, suite] :
       {std::make_pair("AES_CM_128_HMAC_SHA1_80",
                       type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_80),
        // By its other name ffmpeg cuts the tag of SRTCP too, which RFC 4568
        // section 6.2 does not.
        std::make_pair("SRTP_AES128_CM_HMAC_SHA1_32",
                       type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_32)}) {
    SCOPED_TRACE(name);
    uint16_t port = 0;
    {
      const UdpSocket probe =
          UdpSocket::Bind(SocketAddress::LoopbackV4(0)).value();
      port = probe.local_address().port();
    }
    const std::string key(30, 'f');
    v1::Session session;
    v1::Leg& a = *session.mutable_leg_a();
    a.set_protocol(type::v1::MEDIA_PROTOCOL_SDES_SRTP);
    a.set_srtp_suite(suite);
    a.mutable_remote_key()->set_key_salt(key);
    a.set_latching(true);
    v1::Leg& b = *session.mutable_leg_b();
    b = a;
    b.clear_latching();
    b.mutable_remote_rtp()->set_address("127.0.0.1");
    b.mutable_remote_rtp()->set_port(port);
    const v1::Session made = Create(session);
    const std::string file = absl::StrCat(process_.folder(), "/", name, ".raw");
    const auto listener = SdesListener(
        name, made.leg_b().local_key().key_salt(), "127.0.0.1", port, file);
    const auto speaker =
        SdesSpeaker(name, key, "127.0.0.1", made.leg_a().local_rtp_port());
    EXPECT_EQ(listener->Wait(absl::Seconds(15)), 0);
    speaker->Kill();
    const v1::Session last = Delete(made.name());
    const v1::LegStatistics& of_a = last.leg_a().statistics();
    EXPECT_GT(of_a.packets_received(), 40u);
    EXPECT_EQ(of_a.authentication_failures(), 0u);
    EXPECT_EQ(last.leg_b().statistics().packets_sent(),
              of_a.packets_received());
    EXPECT_GT(LoudestHeard(file), 1000);
  }
}

}  // namespace
}  // namespace sallyport::media_relay
