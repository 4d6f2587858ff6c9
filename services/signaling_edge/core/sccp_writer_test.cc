// Offsets are those of protocols.md section 14.2, counted by hand; that an
// independent reader agrees is tests/interop/sccp_test.
#include "services/signaling_edge/core/sccp_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kBody = 12;

uint32_t U32(std::string_view frame, size_t offset) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) {
    value = value << 8 | static_cast<uint8_t>(frame[offset + i]);
  }
  return value;
}
uint32_t BodyU32(std::string_view frame, size_t offset) {
  return U32(frame, kBody + offset);
}
std::string_view Body(std::string_view frame, size_t offset, size_t size) {
  return frame.substr(kBody + offset, size);
}

SccpChannel Channel() {
  SccpChannel channel;
  channel.conference = 0x101;
  channel.party = 0x202;
  channel.call = 0x303;
  channel.codec = SccpCodec::kPcmu;
  channel.telephone_event = 101;
  channel.ip = "192.0.2.7";
  channel.port = 50002;
  channel.encryption.algorithm =
      SccpEncryption::Algorithm::kAesCm128HmacSha1_80;
  channel.encryption.key = "0123456789abcdef";
  channel.encryption.salt = "ABCDEFGHIJKLMN";
  return channel;
}

TEST(SccpWriterTest, EveryFrameSaysItsLength) {
  for (const uint8_t version : {uint8_t{3}, uint8_t{17}}) {
    const SccpWriter w(version);
    for (const std::string& frame : {w.RegisterAck(absl::Seconds(30)),
                                     SccpWriter::RegisterReject("no"),
                                     SccpWriter::TokenAck(),
                                     w.UnregisterAck(),
                                     w.KeepAliveAck(),
                                     w.CapabilitiesReq(),
                                     w.ButtonTemplate(),
                                     w.SoftKeyTemplate(),
                                     w.SoftKeySet(),
                                     w.LineStat(1, "4001", "x"),
                                     w.ForwardStat(1),
                                     w.ConfigStat("CiscoUM1-VI1"),
                                     w.TimeDate(absl::UnixEpoch()),
                                     w.Version(),
                                     w.StartTone(0x21, 1),
                                     w.StopTone(1),
                                     w.SetRinger(true, 1),
                                     w.SetLamp(9, 1, SccpLamp::kOn),
                                     w.CallState(SccpCallState::kRingIn, 1),
                                     w.CallInfo({}),
                                     w.OpenReceiveChannel(Channel()),
                                     w.CloseReceiveChannel(Channel()),
                                     w.StartMediaTransmission(Channel()),
                                     w.StopMediaTransmission(Channel()),
                                     w.MwiResponse("4001", 0)}) {
      ASSERT_GE(frame.size(), kBody);
      EXPECT_EQ(U32(frame, 0), frame.size() - 8);
      EXPECT_EQ(frame.size() % 4, 0u);
    }
  }
}

TEST(SccpWriterTest, Registration) {
  const std::string ack = SccpWriter(11).RegisterAck(absl::Seconds(30));
  EXPECT_EQ(U32(ack, 4), 11u);
  EXPECT_EQ(U32(ack, 8), 0x81u);
  EXPECT_EQ(BodyU32(ack, 0), 30u);
  EXPECT_EQ(Body(ack, 4, 6), std::string_view("D/M/Y\0", 6));
  EXPECT_EQ(BodyU32(ack, 12), 30u);
  EXPECT_EQ(BodyU32(ack, 16), 11u);
  EXPECT_EQ(SccpWriter::RegisterReject(std::string(99, 'x')).size(),
            kBody + 36);
  const std::string buttons = SccpWriter(11).ButtonTemplate();
  EXPECT_EQ(buttons.size(), kBody + 12 + 84);
  EXPECT_EQ(Body(buttons, 12, 4), std::string_view("\1\x09\0\xFF", 4));
  const std::string line = SccpWriter(11).LineStat(1, "4001", "Voicemail");
  EXPECT_EQ(line.size(), kBody + 4 + 24 + 40 + 40 + 4);
  EXPECT_EQ(Body(line, 4, 5), std::string_view("4001\0", 5));
  EXPECT_EQ(Body(line, 28, 9), "Voicemail");
  const std::string dynamic = SccpWriter(17).LineStat(1, "4001", "Voicemail");
  EXPECT_EQ(U32(dynamic, 8), 0x147u);
  EXPECT_EQ(Body(dynamic, 8, 15), std::string_view("4001\0Voicemail\0", 15));
}

TEST(SccpWriterTest, TimeDateIsUtc) {
  // Sunday, 22 November 2026, 04:42:18.
  const std::string frame =
      SccpWriter(11).TimeDate(absl::FromUnixSeconds(1795322538));
  const uint32_t wanted[] = {2026, 11, 0, 22, 4, 42, 18, 0, 1795322538};
  for (size_t i = 0; i < std::size(wanted); ++i) {
    EXPECT_EQ(BodyU32(frame, 4 * i), wanted[i]) << i;
  }
}

TEST(SccpWriterTest, KeysStandWhereTheTableSays) {
  // Version 5 on: conference, party, ms, codec, echo, G.723 rate, call.
  const std::string open = SccpWriter(11).OpenReceiveChannel(Channel());
  EXPECT_EQ(BodyU32(open, 8), 20u);
  EXPECT_EQ(BodyU32(open, 12), 4u);
  EXPECT_EQ(BodyU32(open, 24), 0x303u);
  EXPECT_EQ(BodyU32(open, 28), 2u) << "AES_CM_128_HMAC_SHA1_80";
  EXPECT_EQ(BodyU32(open, 32), 14u << 16 | 16u) << "two lengths of 16 bits";
  EXPECT_EQ(Body(open, 36, 16), "0123456789abcdef");
  EXPECT_EQ(Body(open, 52, 16), std::string_view("ABCDEFGHIJKLMN\0\0", 16));
  EXPECT_EQ(BodyU32(open, 84), 101u) << "RFC 2833, behind the stream ids";

  const std::string start = SccpWriter(11).StartMediaTransmission(Channel());
  EXPECT_EQ(Body(start, 8, 4), std::string_view("\xC0\0\2\7", 4));
  EXPECT_EQ(BodyU32(start, 12), 50002u);
  EXPECT_EQ(BodyU32(start, 20), 4u);
  EXPECT_EQ(BodyU32(start, 40), 0x303u);
  EXPECT_EQ(BodyU32(start, 44), 2u);
  EXPECT_EQ(Body(start, 52, 16), "0123456789abcdef");

  const std::string start17 = SccpWriter(17).StartMediaTransmission(Channel());
  EXPECT_EQ(BodyU32(start17, 8), 0u) << "IPv4";
  EXPECT_EQ(Body(start17, 12, 4), std::string_view("\xC0\0\2\7", 4));
  EXPECT_EQ(BodyU32(start17, 28), 50002u);
  EXPECT_EQ(Body(start17, 68, 16), "0123456789abcdef");
}

TEST(SccpWriterTest, WithoutKeysThereIsNothingWhereTheyStand) {
  SccpChannel clear = Channel();
  clear.encryption.algorithm = SccpEncryption::Algorithm::kNone;
  const std::string open = SccpWriter(11).OpenReceiveChannel(clear);
  EXPECT_EQ(Body(open, 28, 48), std::string(48, '\0'));
}

TEST(SccpWriterTest, CallInfo) {
  SccpCallInfo info;
  info.calling = {"Alice", "1001", ""};
  info.called = {"", "8000", ""};
  info.original = {"Bob", "1002", "1002"};
  info.last = {"Bob", "1002", "1002"};
  info.original_reason = info.last_reason = SccpRedirectReason::kNoAnswer;
  info.call = 7;
  info.type = SccpCallType::kForward;
  info.security = SccpSecurity::kEncrypted;
  const std::string frame = SccpWriter(11).CallInfo(info);
  EXPECT_EQ(Body(frame, 0, 6), std::string_view("Alice\0", 6));
  EXPECT_EQ(Body(frame, 40, 5), std::string_view("1001\0", 5));
  EXPECT_EQ(Body(frame, 104, 5), std::string_view("8000\0", 5));
  EXPECT_EQ(BodyU32(frame, 132), 7u);
  EXPECT_EQ(BodyU32(frame, 136), 3u);
  EXPECT_EQ(Body(frame, 180, 5), std::string_view("1002\0", 5));
  EXPECT_EQ(BodyU32(frame, 268), 2u);
  EXPECT_EQ(BodyU32(frame, 272), 2u);
  EXPECT_EQ(BodyU32(frame, 376), 3u) << "behind four mailboxes and instance";
  const std::string dynamic = SccpWriter(17).CallInfo(info);
  EXPECT_EQ(U32(dynamic, 8), 0x14Au);
  EXPECT_EQ(BodyU32(dynamic, 24), 3u);
  // As chan-sccp writes it and Wireshark reads it since version 16: numbers
  // (with one for a changed caller), mailboxes, names, hunt pilot.
  const std::string texts(
      "1001\0\0008000\0001002\0001002\0"
      "\0\0001002\0001002\0"
      "Alice\0\0Bob\0Bob\0\0\0",
      50);
  EXPECT_THAT(dynamic.substr(kBody + 32), testing::StartsWith(texts));
  EXPECT_LT(dynamic.size() - kBody - 32 - texts.size(), 4u);
}

TEST(SccpWriterTest, DigitsHaveTones) {
  EXPECT_EQ(SccpToneOfDigit('1'), 1u);
  EXPECT_EQ(SccpToneOfDigit('0'), 0x0Au);
  EXPECT_EQ(SccpToneOfDigit('*'), 0x0Eu);
  EXPECT_EQ(SccpToneOfDigit('#'), 0x0Fu);
  EXPECT_EQ(SccpToneOfDigit('D'), 0x13u);
  EXPECT_EQ(SccpToneOfDigit('x'), 0u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
