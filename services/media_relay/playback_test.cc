// CCE-63: prompts of the real relay, made by ffmpeg as the README says and
// heard by a socket of our own, and over SDES-SRTP by ffmpeg.

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/common/net/udp_socket.h"
#include "services/common/status/error_reason.h"
#include "services/media_relay/core/rtp_header.h"
#include "services/media_relay/ffmpeg_sdes.h"
#include "services/media_relay/session_rig.h"

namespace sallyport::media_relay {
namespace {

std::string Contents(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(in)),
                     std::istreambuf_iterator<char>());
}

class PlaybackTest : public SessionRig {
 protected:
  static void SetUpTestSuite() {
    SessionRig::SetUpTestSuite();
    folder_ = testing::TempDir() + "/prompts";
    std::filesystem::create_directories(folder_);
    if (!PeerProgram::Exists("ffmpeg")) return;
    // A tone that rises, so that each moment of it is another.
    Ffmpeg({"-ar", "8000", "-c:a", "pcm_mulaw", folder_ + "/hold.wav"});
    Ffmpeg(
        {"-ar", "16000", "-c:a", "g722", "-f", "g722", folder_ + "/hold.g722"});
    Ffmpeg({"-ar", "8000", "-f", "mulaw", testing::TempDir() + "/hold.raw"});
  }
  static void Ffmpeg(std::vector<std::string> output) {
    std::vector<std::string> all = {
        "ffmpeg",
        "-nostdin",
        "-loglevel",
        "error",
        "-y",
        "-f",
        "lavfi",
        "-i",
        "aevalsrc=0.4*sin(2*PI*(300*t+200*t*t)):d=2:s=16000",
        "-ac",
        "1"};
    all.insert(all.end(), output.begin(), output.end());
    PeerProgram program(all);
    ASSERT_EQ(program.Wait(absl::Seconds(20)), 0);
  }
  void SetUp() override {
    if (!PeerProgram::Exists("ffmpeg")) {
      FAIL() << "there is no ffmpeg on this machine";
    }
    SessionRig::SetUp();
  }
  std::string ExtraConfig() const override {
    return absl::StrCat(",\"prompt_directory\":\"", folder_, "\"");
  }

  static v1::Playback Prompt(const std::string& name) {
    v1::Playback playback;
    playback.set_prompt(name);
    v1::PlaybackFormat& format = *playback.add_formats();
    format.set_codec(v1::PLAYBACK_CODEC_PCMU);
    format.set_payload_type(0);
    return playback;
  }

  static std::string folder_;
};

std::string PlaybackTest::folder_;

struct Heard {
  RtpHeader header;
  std::string payload;
  absl::Time time;
};

// What comes to `socket` in this time.
std::vector<Heard> Listen(const UdpSocket& socket, absl::Duration time) {
  std::vector<Heard> all;
  const absl::Time end = absl::Now() + time;
  while (absl::Now() < end) {
    pollfd ready = {socket.fd(), POLLIN, 0};
    if (poll(&ready, 1, 5) != 1) continue;
    std::array<uint8_t, 2048> buffer;
    const ssize_t size = recv(socket.fd(), buffer.data(), buffer.size(), 0);
    const auto header =
        ParseRtpHeader(absl::MakeConstSpan(buffer.data(), size < 0 ? 0 : size));
    if (!header.ok()) continue;
    all.push_back({*header,
                   std::string(buffer.data() + 12, buffer.data() + size),
                   absl::Now()});
  }
  return all;
}

TEST_F(PlaybackTest, APhoneHearsThePromptInTimeAndThenTheOtherParty) {
  auto phone = UdpSocket::Bind(SocketAddress::LoopbackV4(0));
  ASSERT_TRUE(phone.ok());
  RtpGateway gateway;
  v1::Session session;
  session.set_owner("edge-0");
  for (v1::Leg* leg : {session.mutable_leg_a(), session.mutable_leg_b()}) {
    leg->set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
    leg->mutable_remote_rtp()->set_address("127.0.0.1");
  }
  session.mutable_leg_a()->mutable_remote_rtp()->set_port(
      phone->local_address().port());
  session.mutable_leg_b()->mutable_remote_rtp()->set_port(gateway.port());
  *session.mutable_leg_a()->mutable_playback() = Prompt("hold");
  session = Create(session);
  ASSERT_TRUE(session.leg_a().playback().playing());
  gateway.Start(static_cast<uint16_t>(session.leg_b().local_rtp_port()));

  const std::string prompt = Contents(testing::TempDir() + "/hold.raw");
  ASSERT_EQ(prompt.size(), 16000u);
  // Longer than the prompt, so that its seam is heard.
  const std::vector<Heard> heard = Listen(*phone, absl::Milliseconds(2500));
  ASSERT_GE(heard.size(), 110u);
  std::string audio;
  for (size_t i = 0; i < heard.size(); ++i) {
    const Heard& packet = heard[i];
    EXPECT_EQ(packet.header.ssrc, session.leg_a().playback().ssrc());
    EXPECT_EQ(packet.header.payload_type, 0);
    if (i > 0) {
      EXPECT_EQ(static_cast<uint16_t>(packet.header.sequence -
                                      heard[i - 1].header.sequence),
                1);
      // In a gap of time the audio goes on by as much.
      const uint32_t step =
          packet.header.timestamp - heard[i - 1].header.timestamp;
      EXPECT_EQ(step % 160, 0u);
    }
    const size_t at = (packet.header.timestamp - heard[0].header.timestamp);
    std::string expected;
    for (size_t k = 0; k < 160; ++k) {
      expected.push_back(prompt[(at + k) % prompt.size()]);
    }
    EXPECT_EQ(packet.payload, expected) << i;
  }
  // 20 ms a packet over the whole.
  const double seconds =
      absl::ToDoubleSeconds(heard.back().time - heard.front().time);
  const double clock =
      (heard.back().header.timestamp - heard.front().header.timestamp) / 8000.0;
  EXPECT_NEAR(seconds, clock, 0.1);

  // What the other leg said was not heard; now it is, from a new talkspurt on.
  v1::Session resume;
  resume.set_name(session.name());
  resume.mutable_leg_a()->mutable_playback();
  const v1::Session after = Update(resume);
  EXPECT_FALSE(after.leg_a().playback().playing());
  EXPECT_GE(after.leg_a().statistics().packets_played(), heard.size());
  EXPECT_GT(after.leg_a().statistics().dropped_packets().at("playback"), 50u);
  EXPECT_GT(after.leg_a().statistics().rtcp_packets_sent(), 0u);
  std::vector<Heard> voice = Listen(*phone, absl::Milliseconds(300));
  std::erase_if(voice, [&](const Heard& packet) {
    return packet.header.ssrc == session.leg_a().playback().ssrc();
  });
  ASSERT_GE(voice.size(), 5u);
  EXPECT_EQ(voice[0].header.ssrc, 9u);
  EXPECT_TRUE(voice[0].header.marker);
  EXPECT_FALSE(voice[1].header.marker);
  gateway.Stop();
}

TEST_F(PlaybackTest, FfmpegHearsThePromptOverSrtp) {
  v1::Session session;
  session.set_owner("edge-0");
  v1::Leg& phone = *session.mutable_leg_a();
  phone.set_protocol(type::v1::MEDIA_PROTOCOL_SDES_SRTP);
  // A free port, as ffmpeg takes the one after it for RTCP.
  uint16_t port = 0;
  {
    auto probe = UdpSocket::Bind(SocketAddress::LoopbackV4(0));
    ASSERT_TRUE(probe.ok());
    port = static_cast<uint16_t>(probe->local_address().port() & ~1);
  }
  phone.mutable_remote_rtp()->set_address("127.0.0.1");
  phone.mutable_remote_rtp()->set_port(port);
  session.mutable_leg_b()->set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
  session = Create(session);
  const std::string file = testing::TempDir() + "/heard.raw";
  auto listener = SdesListener("AES_CM_128_HMAC_SHA1_80",
                               session.leg_a().local_key().key_salt(),
                               "127.0.0.1", port, file);
  v1::Session play;
  play.set_name(session.name());
  *play.mutable_leg_a()->mutable_playback() = Prompt("hold");
  play = Update(play);
  ASSERT_TRUE(play.leg_a().playback().playing());
  EXPECT_EQ(listener->Wait(absl::Seconds(20)), 0);

  // ffmpeg's own decoder makes the same of the octets of the prompt.
  PeerProgram decode({"ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-f",
                      "mulaw", "-ar", "8000", "-i",
                      testing::TempDir() + "/hold.raw", "-f", "s16le",
                      testing::TempDir() + "/hold.s16"});
  ASSERT_EQ(decode.Wait(absl::Seconds(20)), 0);
  const std::string once = Contents(testing::TempDir() + "/hold.s16");
  const std::string heard = Contents(file);
  ASSERT_GE(heard.size(), 12000u);
  EXPECT_NE((once + once).find(heard.substr(0, 12000)), std::string::npos);
}

TEST_F(PlaybackTest, WhatTheRelayHasNotIsRefused) {
  v1::Session session;
  session.set_owner("edge-0");
  session.mutable_leg_a()->set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
  session.mutable_leg_b()->set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
  session = Create(session);
  const auto refused = [&](const v1::Playback& playback) {
    v1::UpdateSessionRequest request;
    request.mutable_session()->set_name(session.name());
    *request.mutable_session()->mutable_leg_b()->mutable_playback() = playback;
    v1::Session response;
    const absl::Status status =
        Call(*edge_, &Stubs::UpdateSession, request, &response);
    return std::string(ReasonOf(status));
  };
  EXPECT_EQ(refused(Prompt("none")), "PROMPT_NOT_FOUND");
  EXPECT_EQ(refused(Prompt("../hold")), "SESSION_INVALID");
  v1::Playback playback = Prompt("default");
  playback.mutable_formats(0)->set_codec(v1::PLAYBACK_CODEC_G722);
  EXPECT_EQ(refused(playback), "PROMPT_FORMAT_MISSING");
  playback.mutable_formats(0)->set_codec(v1::PLAYBACK_CODEC_UNSPECIFIED);
  EXPECT_EQ(refused(playback), "SESSION_INVALID");
  playback = Prompt("default");
  playback.clear_formats();
  EXPECT_EQ(refused(playback), "SESSION_INVALID");
}

}  // namespace
}  // namespace sallyport::media_relay
