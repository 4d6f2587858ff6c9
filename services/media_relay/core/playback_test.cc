#include "services/media_relay/core/playback.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/prompt_audio.h"
#include "services/media_relay/core/rtcp_header.h"
#include "services/media_relay/core/rtp_header.h"

namespace sallyport::media_relay {
namespace {

class PlaybackTest : public testing::Test {
 protected:
  Packet Lend() { return Packet{buffer_.data(), 0, 0, buffer_.size()}; }

  PlaybackSource Source(std::string octets, uint32_t times = 0,
                        PromptCodec codec = PromptCodec::kPcmu) {
    PlaybackSource source;
    source.prompt = "x";
    source.audio = std::make_shared<const PromptAudio>(
        PromptAudio{codec, std::move(octets)});
    source.payload_type = 0;
    source.times = times;
    return source;
  }
  // The payload of a round; empty when it is over.
  std::string Payload(uint64_t round, RtpHeader* header = nullptr) {
    Packet packet = Lend();
    if (!playback_.Write(round, packet)) return "";
    EXPECT_EQ(packet.size + packet.tailroom, buffer_.size());
    const auto parsed = ParseRtpHeader(packet.bytes());
    EXPECT_TRUE(parsed.ok());
    EXPECT_EQ(packet.size, 172u);
    if (header != nullptr) *header = *parsed;
    return std::string(packet.data + 12, packet.data + packet.size);
  }

  FakeRandom random_;
  Playback playback_{random_};
  std::array<uint8_t, 256> buffer_;
};

std::string Counting(size_t size) {
  std::string octets;
  for (size_t i = 0; i < size; ++i)
    octets.push_back(static_cast<char>(i % 251));
  return octets;
}

TEST_F(PlaybackTest, RepeatsWithoutASeam) {
  const std::string prompt = Counting(500);
  playback_.Start(Source(prompt));
  std::string heard;
  for (uint64_t round = 100; round < 110; ++round) heard += Payload(round);
  EXPECT_EQ(heard, (prompt + prompt + prompt + prompt).substr(0, 1600));
  EXPECT_EQ(playback_.packets(), 10u);
}

TEST_F(PlaybackTest, MarksTheFirstPacketAndCounts) {
  playback_.Start(Source(Counting(1000)));
  RtpHeader first, second;
  Payload(7, &first);
  Payload(8, &second);
  EXPECT_TRUE(first.marker);
  EXPECT_FALSE(second.marker);
  EXPECT_EQ(first.ssrc, second.ssrc);
  EXPECT_LT(first.sequence, 0x8000);
  EXPECT_EQ(second.sequence, first.sequence + 1);
  EXPECT_EQ(second.timestamp, first.timestamp + 160);
}

TEST_F(PlaybackTest, ARoundThatWasMissedIsAGapInTimeAlone) {
  const std::string prompt = Counting(1600);
  playback_.Start(Source(prompt));
  RtpHeader first, later;
  Payload(7, &first);
  EXPECT_EQ(Payload(10, &later), prompt.substr(480, 160));
  EXPECT_EQ(later.sequence, first.sequence + 1);
  EXPECT_EQ(later.timestamp, first.timestamp + 480);
}

TEST_F(PlaybackTest, EndsAfterItsTimesWithSilenceInTheLastPacket) {
  const std::string prompt(100, 'a');
  playback_.Start(Source(prompt, 2));
  EXPECT_EQ(Payload(0), std::string(160, 'a'));
  EXPECT_EQ(Payload(1), std::string(40, 'a') + std::string(120, '\xFF'));
  EXPECT_EQ(Payload(2), "");
  EXPECT_FALSE(playback_.playing());
}

TEST_F(PlaybackTest, AnotherPromptGoesOnWithTheSameStream) {
  // An SRTP context must not see an index of a source twice.
  playback_.Start(Source(Counting(800)));
  RtpHeader before, after;
  Payload(5, &before);
  playback_.Stop();
  EXPECT_EQ(Payload(6), "");
  playback_.Start(Source("\xD5", 0, PromptCodec::kPcma));
  EXPECT_EQ(Payload(50, &after), std::string(160, '\xD5'));
  EXPECT_TRUE(after.marker);
  EXPECT_EQ(after.ssrc, before.ssrc);
  EXPECT_EQ(after.sequence, before.sequence + 1);
  EXPECT_EQ(after.timestamp, before.timestamp + 45 * 160);
}

TEST_F(PlaybackTest, ReportsWithNameAndCounts) {
  playback_.Start(Source(Counting(800)));
  RtpHeader header;
  uint64_t round = 10;
  Payload(round, &header);
  while (!playback_.ReportIsDue(round)) Payload(++round);
  EXPECT_LE(round, 10u + 75);
  Packet packet = Lend();
  const absl::Time wall =
      absl::FromUnixSeconds(1'700'000'000) + absl::Milliseconds(500);
  playback_.WriteReport(round, {MonoTime(), wall}, packet);
  EXPECT_EQ(packet.size, 64u);
  ASSERT_EQ(ParseRtcpCompound(packet.bytes()).value_or(0), 2);
  const auto word = [&](size_t at) {
    return uint32_t{packet.data[at]} << 24 |
           uint32_t{packet.data[at + 1]} << 16 |
           uint32_t{packet.data[at + 2]} << 8 | uint32_t{packet.data[at + 3]};
  };
  EXPECT_EQ(packet.data[1], kRtcpSenderReport);
  EXPECT_EQ(word(4), header.ssrc);
  EXPECT_EQ(word(8), 1'700'000'000u + 2208988800u);
  EXPECT_EQ(word(12), 0x80000000u);
  EXPECT_EQ(word(16), header.timestamp + (round - 10) * 160);
  EXPECT_EQ(word(20), playback_.packets());
  EXPECT_EQ(word(24), playback_.packets() * 160);
  EXPECT_EQ(packet.data[29], 202);
  EXPECT_EQ(packet.data[36], 1);   // CNAME
  EXPECT_EQ(packet.data[37], 24);  // 96 bits in hex
  EXPECT_EQ(packet.data[62], 0);
  // The next one is 2.5 to 7.5 s away.
  EXPECT_FALSE(playback_.ReportIsDue(round + 124));
  EXPECT_TRUE(playback_.ReportIsDue(round + 375));
}

}  // namespace
}  // namespace sallyport::media_relay
