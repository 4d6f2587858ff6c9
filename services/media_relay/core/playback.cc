#include "services/media_relay/core/playback.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/bytes/hex.h"
#include "services/common/random/random_source.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/prompt_audio.h"
#include "services/media_relay/core/rtcp_header.h"
#include "services/media_relay/core/rtp_header.h"

namespace sallyport::media_relay {
namespace {

constexpr uint64_t kRoundsPerReport = 250;  // 5 s
constexpr uint8_t kSourceDescription = 202;
constexpr uint8_t kCname = 1;
// Silence, for what is left of the last packet.
constexpr std::array<uint8_t, kPromptCodecs> kSilence = {0xFF, 0xD5, 0xFA};

uint8_t* Put16(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
  return at + 2;
}

uint8_t* Put32(uint8_t* at, uint32_t value) {
  return Put16(Put16(at, value >> 16), value & 0xFFFF);
}

void Resize(Packet& packet, size_t size) {
  packet.tailroom = packet.size + packet.tailroom - size;
  packet.size = size;
}

}  // namespace

Playback::Playback(RandomSource& random)
    : random_(random),
      ssrc_(static_cast<uint32_t>(random.NextU64())),
      // In the lower half, so that the far side does not take the first wrap
      // for a loss (RFC 3711 section 3.3.1).
      sequence_(static_cast<uint16_t>(random.Uniform(0x8000))),
      timestamp_base_(static_cast<uint32_t>(random.NextU64())) {
  std::array<uint8_t, 12> name;  // RFC 7022 section 4.2
  random.Fill(absl::MakeSpan(name));
  cname_ = HexEncode(name);
}

void Playback::Start(PlaybackSource source) {
  source_ = std::move(source);
  playing_ = true;
  begins_ = true;
}

uint32_t Playback::TimestampAt(uint64_t round) const {
  return timestamp_base_ + static_cast<uint32_t>(round * kPromptFrame);
}

bool Playback::Write(uint64_t round, Packet& packet) {
  if (!playing_) return false;
  const std::string& octets = source_.audio->octets;
  const bool first = std::exchange(begins_, false);
  if (first) {
    first_round_ = round;
    // Soon, so that what is short has one too.
    next_report_ = round + 25 + random_.Uniform(50);
  }
  const uint64_t at = (round - first_round_) * kPromptFrame;
  size_t left = kPromptFrame;
  if (source_.times != 0) {
    const uint64_t all = uint64_t{octets.size()} * source_.times;
    if (at >= all) {
      playing_ = false;
      return false;
    }
    left = std::min<uint64_t>(left, all - at);
  }
  uint8_t* out = packet.data;
  *out++ = 0x80;  // version 2
  // RFC 3551 section 4.1: the marker says that a talkspurt begins.
  *out++ = static_cast<uint8_t>(source_.payload_type | (first ? 0x80 : 0));
  out = Put16(out, sequence_++);
  out = Put32(out, TimestampAt(round));
  out = Put32(out, ssrc_);
  std::memset(out + left, kSilence[static_cast<size_t>(source_.audio->codec)],
              kPromptFrame - left);
  for (size_t from = at % octets.size(); left > 0; from = 0) {
    const size_t count = std::min(left, octets.size() - from);
    std::memcpy(out, octets.data() + from, count);
    out += count;
    left -= count;
  }
  Resize(packet, kRtpFixedHeaderSize + kPromptFrame);
  ++packets_;
  return true;
}

void Playback::WriteReport(uint64_t round, Now now, Packet& packet) {
  // 0.5 to 1.5 times the interval, so that sources do not keep time together.
  next_report_ =
      round + kRoundsPerReport / 2 + random_.Uniform(kRoundsPerReport + 1);
  constexpr int64_t kNtpEpoch = 2208988800;  // 1900 to 1970, in seconds
  const int64_t nanoseconds = absl::ToUnixNanos(now.wall);
  const int64_t seconds = nanoseconds / 1'000'000'000;
  const uint64_t rest = static_cast<uint64_t>(nanoseconds % 1'000'000'000);
  uint8_t* out = packet.data;
  *out++ = 0x80;
  *out++ = kRtcpSenderReport;
  out = Put16(out, 6);  // words that follow
  out = Put32(out, ssrc_);
  out = Put32(out, static_cast<uint32_t>(seconds + kNtpEpoch));
  out = Put32(out, static_cast<uint32_t>((rest << 32) / 1'000'000'000));
  out = Put32(out, TimestampAt(round));
  out = Put32(out, static_cast<uint32_t>(packets_));
  out = Put32(out, static_cast<uint32_t>(octets()));
  // At least one zero octet ends the list of items.
  const size_t words = (2 + cname_.size() + 1 + 3) / 4;
  *out++ = 0x81;
  *out++ = kSourceDescription;
  out = Put16(out, static_cast<uint32_t>(1 + words));
  out = Put32(out, ssrc_);
  std::memset(out, 0, words * 4);
  out[0] = kCname;
  out[1] = static_cast<uint8_t>(cname_.size());
  std::memcpy(out + 2, cname_.data(), cname_.size());
  out += words * 4;
  Resize(packet, static_cast<size_t>(out - packet.data));
}

}  // namespace sallyport::media_relay
