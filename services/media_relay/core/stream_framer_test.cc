#include "services/media_relay/core/stream_framer.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::media_relay {
namespace {

using Result = StreamFramer::Result;

std::string Stun(size_t length) {
  std::string message(20 + length, 's');
  message[0] = '\x00';
  message[1] = '\x01';
  message[2] = static_cast<char>(length >> 8);
  message[3] = static_cast<char>(length);
  return message;
}

std::string ChannelData(const std::string& payload) {
  std::string frame = "\x40\x01";
  frame.push_back(static_cast<char>(payload.size() >> 8));
  frame.push_back(static_cast<char>(payload.size()));
  frame += payload;
  while (frame.size() % 4 != 0) frame.push_back('\0');
  return frame;
}

// All units of `stream`, fed `step` octets at a time; "broken" ends the list.
std::vector<std::string> Units(StreamFraming framing, const std::string& stream,
                               size_t step) {
  StreamFramer framer(framing);
  std::vector<std::string> units;
  for (size_t at = 0; at < stream.size(); at += step) {
    const std::string chunk = stream.substr(at, step);
    ByteSpan input = AsBytes(chunk);
    for (;;) {
      StreamUnit unit;
      const Result result = framer.Next(input, unit);
      if (result == Result::kMore) break;
      if (result == Result::kBroken) {
        units.push_back("broken");
        return units;
      }
      units.push_back(ToString(unit.bytes));
    }
    EXPECT_TRUE(input.empty());
    EXPECT_LE(framer.held(), kMaxStreamUnit);
  }
  return units;
}

TEST(StreamFramerTest, CutsStunAndPaddedChannelDataHoweverTheyArrive) {
  // RFC 8656 section 12.5: padded to four on connections, and that padding is
  // not in Length.
  const std::vector<std::string> want = {Stun(0), ChannelData("abc"),
                                         ChannelData(""), Stun(1200),
                                         ChannelData("abcd")};
  std::string stream;
  for (const std::string& unit : want) stream += unit;
  for (const size_t step : {1u, 2u, 3u, 5u, 19u, 100u, 4000u}) {
    EXPECT_EQ(Units(StreamFraming::kTurn, stream, step), want) << step;
  }
}

TEST(StreamFramerTest, CutsMsTurnFrames) {
  const std::string stream(
      "\x02\x00\x00\x03"
      "abc"
      "\x03\x00\x00\x00"
      "\x03\x00\x00\x01x",
      16);
  for (const size_t step : {1u, 3u, 16u}) {
    EXPECT_EQ(Units(StreamFraming::kMsTurn, stream, step),
              (std::vector<std::string>{"abc", "", "x"}));
  }
  StreamFramer framer(StreamFraming::kMsTurn);
  ByteSpan input = AsBytes(stream);
  StreamUnit unit;
  ASSERT_EQ(framer.Next(input, unit), Result::kUnit);
  EXPECT_EQ(unit.type, kMsTurnControl);
  EXPECT_FALSE(unit.buffered);
  ASSERT_EQ(framer.Next(input, unit), Result::kUnit);
  EXPECT_EQ(unit.type, kMsTurnData);
}

TEST(StreamFramerTest, CutsRfc4571) {
  const std::string stream(
      "\x00\x03"
      "abc"
      "\x00\x00"
      "\x00\x01x",
      10);
  for (const size_t step : {1u, 3u, 10u}) {
    EXPECT_EQ(Units(StreamFraming::kRfc4571, stream, step),
              (std::vector<std::string>{std::string("\x00\x03"
                                                    "abc",
                                                    5),
                                        std::string(2, '\0'),
                                        std::string("\x00\x01x", 3)}));
  }
  EXPECT_EQ(Units(StreamFraming::kRfc4571, "\xFF\xFF", 2),
            std::vector<std::string>{"broken"});
}

TEST(StreamFramerTest, WhatIsNoUnitBreaksTheStreamAtOnce) {
  const std::vector<std::string> broken = {"broken"};
  EXPECT_EQ(Units(StreamFraming::kTurn, "\x80", 1), broken);
  EXPECT_EQ(Units(StreamFraming::kTurn, std::string("\x00\x01\x00\x03", 4), 1),
            broken);
  // Longer than could be relayed.
  EXPECT_EQ(Units(StreamFraming::kTurn, std::string("\x40\x01\xFF\xFF", 4), 4),
            broken);
  EXPECT_EQ(Units(StreamFraming::kTurn, std::string("\x00\x01\x08\x00", 4), 4),
            broken);
  EXPECT_EQ(Units(StreamFraming::kMsTurn, "\x04", 1), broken);
  EXPECT_EQ(Units(StreamFraming::kMsTurn, "\x02\x01", 1), broken);
  EXPECT_EQ(
      Units(StreamFraming::kMsTurn, std::string("\x03\x00\x08\x00", 4), 4),
      broken);
}

TEST(StreamFramerTest, HoldsNothingBetweenUnits) {
  StreamFramer framer(StreamFraming::kTurn);
  const std::string message = Stun(8);
  ByteSpan input = AsBytes(message).first(10);
  StreamUnit unit;
  EXPECT_EQ(framer.Next(input, unit), Result::kMore);
  EXPECT_EQ(framer.held(), 10u);
  input = AsBytes(message).subspan(10);
  ASSERT_EQ(framer.Next(input, unit), Result::kUnit);
  EXPECT_TRUE(unit.buffered);
  EXPECT_EQ(ToString(unit.bytes), message);
  EXPECT_EQ(framer.Next(input, unit), Result::kMore);
  EXPECT_EQ(framer.held(), 0u);
}

}  // namespace
}  // namespace sallyport::media_relay
