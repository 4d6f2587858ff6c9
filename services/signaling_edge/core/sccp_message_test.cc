#include "services/signaling_edge/core/sccp_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

std::string Le(uint32_t value) {
  std::string out;
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(value >> 8 * i));
  return out;
}

std::string Padded(std::string text, size_t size) {
  text.resize(size);
  return text;
}

std::string FrameOf(uint32_t id, const std::string& body,
                    uint32_t version = 0) {
  return Le(static_cast<uint32_t>(body.size()) + 4) + Le(version) + Le(id) +
         body;
}

absl::StatusOr<SccpMessage> Parse(SccpId id, const std::string& body,
                                  uint8_t version = 11) {
  return ParseSccp({version, static_cast<uint32_t>(id), body}, version);
}

template <typename T>
T Read(SccpId id, const std::string& body, uint8_t version = 11) {
  const auto message = Parse(id, body, version);
  EXPECT_TRUE(message.ok()) << message.status();
  if (!message.ok() || !std::holds_alternative<T>(*message)) {
    ADD_FAILURE() << "another message";
    return T();
  }
  return std::get<T>(*message);
}

void ExpectMalformed(SccpId id, const std::string& body, uint8_t version = 11) {
  const auto message = Parse(id, body, version);
  ASSERT_FALSE(message.ok());
  EXPECT_EQ(ReasonOf(message.status()), "SCCP_MALFORMED");
}

std::string RegisterBody(const std::string& name, uint32_t type = 80) {
  return Padded(name, 16) + Le(0) + Le(1) + std::string("\x0A\x0A\x0A\xD2", 4) +
         Le(type);
}

TEST(SccpFramerTest, FramesComeInAnyPieces) {
  const std::string two =
      FrameOf(0, "") + FrameOf(6, Le(1) + Le(7), /*version=*/17);
  SccpFramer framer;
  int frames = 0;
  for (const char octet : two) {
    framer.Append(std::string(1, octet));
    for (;;) {
      const auto frame = framer.Next();
      ASSERT_TRUE(frame.ok());
      if (!frame->has_value()) break;
      ++frames;
      if (frames == 1) {
        EXPECT_EQ((*frame)->id, 0u);
        EXPECT_TRUE((*frame)->body.empty());
      } else {
        EXPECT_EQ((*frame)->id, 6u);
        EXPECT_EQ((*frame)->version, 17u);
        EXPECT_EQ((*frame)->body, Le(1) + Le(7));
      }
    }
  }
  EXPECT_EQ(frames, 2);
}

TEST(SccpFramerTest, LengthsThatNoMessageHas) {
  for (const uint32_t length : {0u, 3u, 4097u, 0xFFFFFFFFu}) {
    SccpFramer framer;
    framer.Append(Le(length));
    const auto frame = framer.Next();
    ASSERT_FALSE(frame.ok()) << length;
    EXPECT_EQ(ReasonOf(frame.status()), "SCCP_MALFORMED");
  }
}

TEST(SccpMessageTest, Register) {
  // The shortest form (protocols.md 14.2: "Shorter forms are legal").
  const auto bare =
      Read<SccpRegister>(SccpId::kRegister, RegisterBody("CiscoUM1-VI1"), 0);
  EXPECT_EQ(bare.device_name, "CiscoUM1-VI1");
  EXPECT_EQ(bare.device_type, kSccpVoicemailPort);
  EXPECT_EQ(bare.protocol_version, 0);

  const std::string whole = RegisterBody("CiscoUM1-VI16-AB") + Le(5) + Le(0) +
                            std::string("\x11\x00\x72\x85", 4) + Le(1) + Le(0) +
                            std::string(12, '\1') + Le(3) + Le(2) +
                            std::string(16, '\0') + Le(0) +
                            Padded("UM-1.0", 32) + std::string(48, '\0');
  const auto full = Read<SccpRegister>(SccpId::kRegister, whole, 0);
  EXPECT_EQ(full.device_name, "CiscoUM1-VI16-AB") << "without a zero behind it";
  EXPECT_EQ(full.max_streams, 5u);
  EXPECT_EQ(full.protocol_version, 17);
  EXPECT_EQ(full.load_info, "UM-1.0");
  // Cut anywhere behind the device type it is a shorter form.
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(Parse(SccpId::kRegister, whole.substr(0, size)).ok(), size >= 32)
        << size;
  }
}

TEST(SccpMessageTest, NamesAndNumbersHaveTheirCharacters) {
  ExpectMalformed(SccpId::kRegister, RegisterBody(""));
  ExpectMalformed(SccpId::kRegister, RegisterBody("a\r\nb"));
  ExpectMalformed(SccpId::kRegister, RegisterBody("<sip:x>"));
  ExpectMalformed(SccpId::kRegisterTokenReq, Padded("a b", 16));
  ExpectMalformed(SccpId::kEnblocCall, Padded("", 24));
  ExpectMalformed(SccpId::kEnblocCall, Padded("12;x=y", 24));
  ExpectMalformed(SccpId::kOffHookWithCallingNumber, Padded("1\n2", 24));
  EXPECT_EQ(
      Read<SccpEnblocCall>(SccpId::kEnblocCall, Padded("+1201*#D", 24)).called,
      "+1201*#D");
  EXPECT_EQ(
      Read<SccpOffHook>(SccpId::kOffHookWithCallingNumber, Padded("4001", 24))
          .calling,
      "4001");
}

TEST(SccpMessageTest, Keys) {
  const std::string digits = "0123456789ABCD*#";
  for (uint32_t button = 0; button < 16; ++button) {
    EXPECT_EQ(Read<SccpKeypadButton>(SccpId::kKeypadButton,
                                     Le(button) + Le(1) + Le(9))
                  .digit,
              digits[button]);
  }
  EXPECT_EQ(Read<SccpKeypadButton>(SccpId::kKeypadButton, Le(3)).call, 0u);
  ExpectMalformed(SccpId::kKeypadButton, Le(16));
  ExpectMalformed(SccpId::kKeypadButton, "\3");
  const auto key =
      Read<SccpSoftKeyEvent>(SccpId::kSoftKeyEvent, Le(4) + Le(1) + Le(77));
  EXPECT_EQ(key.event, 4u);
  EXPECT_EQ(key.call, 77u);
}

TEST(SccpMessageTest, Capabilities) {
  const std::string codec = Le(4) + Le(40) + std::string(8, '\0');
  EXPECT_THAT(
      Read<SccpCapabilities>(SccpId::kCapabilitiesRes, Le(1) + codec).codecs,
      testing::SizeIs(1));
  ExpectMalformed(SccpId::kCapabilitiesRes, Le(2) + codec);
  ExpectMalformed(SccpId::kCapabilitiesRes, Le(19) + std::string(19 * 16, 'x'));
  ExpectMalformed(SccpId::kCapabilitiesRes, Le(0xFFFFFFFF) + codec);
}

TEST(SccpMessageTest, ReceiveChannelAckOfBothVersions) {
  const std::string v4 = std::string("\xC0\x00\x02\x07", 4);
  const auto old = Read<SccpReceiveChannelAck>(
      SccpId::kOpenReceiveChannelAck, Le(0) + v4 + Le(16384) + Le(5) + Le(1));
  EXPECT_EQ(old.ip, "192.0.2.7");
  EXPECT_EQ(old.port, 16384);
  EXPECT_EQ(old.party, 5u);
  const auto dynamic = Read<SccpReceiveChannelAck>(
      SccpId::kOpenReceiveChannelAck,
      Le(0) + Le(0) + Padded(v4, 16) + Le(16384) + Le(5) + Le(1), 17);
  EXPECT_EQ(dynamic.ip, "192.0.2.7");
  const auto v6 = Read<SccpReceiveChannelAck>(
      SccpId::kOpenReceiveChannelAck,
      Le(0) + Le(1) +
          std::string("\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\1", 16) +
          Le(16384) + Le(5) + Le(1),
      17);
  EXPECT_EQ(v6.ip, "2001:db8::1");
  ExpectMalformed(SccpId::kOpenReceiveChannelAck,
                  Le(0) + v4 + Le(65536) + Le(5));
  ExpectMalformed(SccpId::kOpenReceiveChannelAck, Le(0) + v4 + Le(1));
}

// protocols.md section 17: the alignment is not known; both are read.
TEST(SccpMessageTest, MessageWaitingPackedAndAligned) {
  const std::string texts = Padded("4001", 25) + Padded("5000", 25);
  std::string counts = Le(3) + Le(1);
  counts += std::string(24, '\0');
  for (const bool on : {true, false}) {
    const std::string flag = Le(on ? 1 : 0);
    const std::string packed = texts + flag + counts + std::string(2, '\0');
    const std::string aligned = texts + std::string(2, '\0') + flag + counts;
    ASSERT_EQ(packed.size(), aligned.size());
    for (const std::string& body : {packed, aligned}) {
      const auto message =
          Read<SccpMwiNotification>(SccpId::kMwiNotification, body);
      EXPECT_EQ(message.target, "4001");
      EXPECT_EQ(message.control, "5000");
      EXPECT_EQ(message.waiting, on);
      EXPECT_EQ(message.counts[0][0], 3u);
      EXPECT_EQ(message.counts[0][1], 1u);
    }
  }
  ExpectMalformed(SccpId::kMwiNotification, texts + std::string(38, '\xFF'));
  ExpectMalformed(SccpId::kMwiNotification, texts);
  ExpectMalformed(SccpId::kMwiNotification,
                  std::string(50, '\0') + std::string(38, '\0'));
}

TEST(SccpMessageTest, WhatIsNothingToUs) {
  const auto other = ParseSccp({0, 0x0151, "anything"}, 11);
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(std::get<SccpOther>(*other).id, 0x0151u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
