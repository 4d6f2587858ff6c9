#include "services/media_relay/core/g711.h"

#include <cstdint>
#include <cstdlib>

#include "gtest/gtest.h"

namespace sallyport::media_relay {
namespace {

TEST(G711Test, KnownCodes) {
  // ITU-T G.711 tables 1a to 2b: silence, and the ends of the scale.
  EXPECT_EQ(MuLawFromLinear(0), 0xFF);
  EXPECT_EQ(MuLawFromLinear(32767), 0x80);
  EXPECT_EQ(MuLawFromLinear(-32768), 0x00);
  EXPECT_EQ(ALawFromLinear(0), 0xD5);
  EXPECT_EQ(ALawFromLinear(-1), 0x55);
  EXPECT_EQ(ALawFromLinear(32767), 0xAA);
  EXPECT_EQ(ALawFromLinear(-32768), 0x2A);
  EXPECT_EQ(LinearFromMuLaw(0xFF), 0);
  EXPECT_EQ(LinearFromMuLaw(0x80), 32124);
  EXPECT_EQ(LinearFromMuLaw(0x00), -32124);
  EXPECT_EQ(LinearFromALaw(0xD5), 8);
  EXPECT_EQ(LinearFromALaw(0xAA), 32256);
}

TEST(G711Test, EveryCodeComesBack) {
  for (int code = 0; code < 256; ++code) {
    const auto octet = static_cast<uint8_t>(code);
    EXPECT_EQ(ALawFromLinear(LinearFromALaw(octet)), octet) << code;
    // Minus zero is zero.
    if (octet == 0x7F) continue;
    EXPECT_EQ(MuLawFromLinear(LinearFromMuLaw(octet)), octet) << code;
  }
}

TEST(G711Test, EverySampleIsKeptWithinAStep) {
  for (int sample = -32768; sample < 32768; ++sample) {
    const auto in = static_cast<int16_t>(sample);
    // Half a step is a thirty-second of the magnitude, and what is clipped.
    const int slack = std::abs(sample) / 32 + 16 + 644;
    EXPECT_LE(std::abs(LinearFromMuLaw(MuLawFromLinear(in)) - sample), slack);
    EXPECT_LE(std::abs(LinearFromALaw(ALawFromLinear(in)) - sample), slack);
  }
}

}  // namespace
}  // namespace sallyport::media_relay
