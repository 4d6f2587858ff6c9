#include "services/media_relay/core/prompt_file.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/error_reason.h"
#include "services/media_relay/core/prompt_audio.h"

namespace sallyport::media_relay {
namespace {

std::string Le(uint32_t value, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    out.push_back(static_cast<char>(value >> (8 * i)));
  }
  return out;
}
std::string Be(uint32_t value) {
  const std::string little = Le(value, 4);
  return std::string(little.rbegin(), little.rend());
}
std::string Chunk(std::string_view id, std::string_view body) {
  std::string out = std::string(id) + Le(body.size(), 4) + std::string(body);
  if (body.size() % 2 != 0) out.push_back('\0');
  return out;
}
std::string Riff(const std::string& chunks) {
  return "RIFF" + Le(4 + chunks.size(), 4) + "WAVE" + chunks;
}
std::string Fmt(uint32_t codec, uint32_t rate, uint32_t bits,
                uint32_t channels = 1) {
  return Chunk("fmt ", Le(codec, 2) + Le(channels, 2) + Le(rate, 4) +
                           Le(rate * bits / 8, 4) + Le(bits / 8, 2) +
                           Le(bits, 2));
}
std::string Au(uint32_t codec, uint32_t rate, const std::string& data,
               uint32_t size, uint32_t channels = 1) {
  return ".snd" + Be(28) + Be(size) + Be(codec) + Be(rate) + Be(channels) +
         "note" + data;
}

std::vector<PromptAudio> Read(PromptFileKind kind, const std::string& file) {
  const auto read = ParsePromptFile(kind, AsBytes(file));
  EXPECT_TRUE(read.ok()) << read.status();
  return read.ok() ? *read : std::vector<PromptAudio>();
}

TEST(PromptFileTest, Wav) {
  const auto mu = Read(
      PromptFileKind::kWav,
      Riff(Fmt(7, 8000, 8) + Chunk("LIST", "odd") + Chunk("data", "\xFF\x80")));
  ASSERT_EQ(mu.size(), 1u);
  EXPECT_EQ(mu[0].codec, PromptCodec::kPcmu);
  EXPECT_EQ(mu[0].octets, "\xFF\x80");
  const auto a =
      Read(PromptFileKind::kWav, Riff(Fmt(6, 8000, 8) + Chunk("data", "abc")));
  EXPECT_EQ(a[0].codec, PromptCodec::kPcma);
  EXPECT_EQ(a[0].octets, "abc");
  // As ffmpeg writes it.
  const auto g722 = Read(PromptFileKind::kWav,
                         Riff(Fmt(0x028F, 16000, 4) + Chunk("data", "wide")));
  EXPECT_EQ(g722[0].codec, PromptCodec::kG722);
  const auto linear =
      Read(PromptFileKind::kWav,
           Riff(Fmt(1, 8000, 16) + Chunk("data", Le(0, 2) + Le(32767, 2))));
  ASSERT_EQ(linear.size(), 2u);
  EXPECT_EQ(linear[0].octets, "\xFF\x80");
  EXPECT_EQ(linear[1].octets, "\xD5\xAA");
}

TEST(PromptFileTest, Au) {
  const auto mu = Read(PromptFileKind::kAu, Au(1, 8000, "abc", 3));
  EXPECT_EQ(mu[0].codec, PromptCodec::kPcmu);
  EXPECT_EQ(mu[0].octets, "abc");
  // A length that the writer did not know.
  EXPECT_EQ(
      Read(PromptFileKind::kAu, Au(27, 8000, "abc", 0xFFFFFFFF))[0].octets,
      "abc");
  EXPECT_EQ(Read(PromptFileKind::kAu, Au(24, 16000, "abc", 3))[0].codec,
            PromptCodec::kG722);
  const auto linear =
      Read(PromptFileKind::kAu, Au(3, 8000, std::string("\x7F\xFF", 2), 2));
  EXPECT_EQ(linear[0].octets, "\x80");
}

TEST(PromptFileTest, BareOctets) {
  EXPECT_EQ(Read(PromptFileKind::kPcmu, "x")[0].codec, PromptCodec::kPcmu);
  EXPECT_EQ(Read(PromptFileKind::kPcma, "x")[0].codec, PromptCodec::kPcma);
  EXPECT_EQ(Read(PromptFileKind::kG722, "x")[0].codec, PromptCodec::kG722);
  EXPECT_EQ(PromptFileKindOf("alaw"), PromptFileKind::kPcma);
  EXPECT_EQ(PromptFileKindOf("ulaw"), PromptFileKind::kPcmu);
  EXPECT_FALSE(PromptFileKindOf("mp3").has_value());
}

TEST(PromptFileTest, WhatIsNotStrictlySoIsRefused) {
  const std::string data = Chunk("data", "abcd");
  const std::string fmt = Fmt(7, 8000, 8);
  std::string long_chunk = Riff(fmt + data);
  long_chunk[long_chunk.size() - 8] = 5;
  std::string long_riff = Riff(fmt + data);
  long_riff[4] = static_cast<char>(0xFF);
  const std::vector<std::string> wavs = {
      "",
      "RIFF",
      "RIFX" + Riff(fmt + data).substr(4),
      Riff(""),
      Riff(fmt),
      Riff(data),
      Riff(data + fmt),
      Riff(fmt + fmt + data),
      Riff(fmt + data + data),
      Riff(fmt + Chunk("data", "")),
      Riff(Fmt(7, 44100, 8) + data),
      Riff(Fmt(7, 8000, 8, 2) + data),
      Riff(Fmt(7, 8000, 16) + data),
      Riff(Fmt(1, 8000, 8) + data),
      Riff(Fmt(1, 8000, 16) + Chunk("data", "abc")),
      Riff(Fmt(0x0065, 8000, 4) + data),
      Riff(Fmt(85, 8000, 8) + data),
      Riff(Chunk("fmt ", "short") + data),
      Riff(fmt + data) + "x",
      Riff(fmt + data + "abc"),
      long_chunk,
      long_riff,
  };
  for (size_t i = 0; i < wavs.size(); ++i) {
    const auto read = ParsePromptFile(PromptFileKind::kWav, AsBytes(wavs[i]));
    EXPECT_EQ(ReasonOf(read.status()), "PROMPT_FILE_INVALID") << i;
  }
  const std::vector<std::string> aus = {
      "",
      ".snd",
      ".sne" + Au(1, 8000, "abc", 3).substr(4),
      Au(1, 8000, "", 0),
      Au(1, 8000, "abc", 4),
      Au(1, 8000, "abc", 2),
      Au(2, 8000, "abc", 3),
      Au(1, 16000, "abc", 3),
      Au(1, 8000, "abc", 3, 2),
      Au(3, 8000, "abc", 3),
      ".snd" + Be(20) + Au(1, 8000, "abc", 3).substr(8),
      ".snd" + Be(1000) + Au(1, 8000, "abc", 3).substr(8),
  };
  for (size_t i = 0; i < aus.size(); ++i) {
    const auto read = ParsePromptFile(PromptFileKind::kAu, AsBytes(aus[i]));
    EXPECT_EQ(ReasonOf(read.status()), "PROMPT_FILE_INVALID") << i;
  }
  EXPECT_FALSE(ParsePromptFile(PromptFileKind::kPcmu, {}).ok());
}

}  // namespace
}  // namespace sallyport::media_relay
