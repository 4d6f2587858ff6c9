#include "services/media_relay/core/ms_turn_message.h"

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_error.h"

namespace sallyport::media_relay {
namespace {

namespace attr = ms_turn_attribute;

constexpr MsTurnId kId = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// As libnice in its OC2007R2 mode sends it, the id aside.
std::string FirstAllocate() {
  return std::string("\x00\x03\x00\x10", 4) + ToString(kId) +
         std::string(
             "\x00\x0F\x00\x04\x72\xC6\x4B\xC6\x80\x08\x00\x04\x00\x00\x00\x01",
             16);
}

TEST(MsTurnMessageTest, ReadsAClientsFirstAllocate) {
  const std::string wire = FirstAllocate();
  EXPECT_TRUE(IsMsTurn(AsBytes(wire)));
  const auto message = ParseMsTurnMessage(AsBytes(wire));
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->type(), MsTurnType::kAllocate);
  EXPECT_EQ(message->id(), kId);
  EXPECT_EQ(message->FindUint32(attr::kVersion), 1u);
  EXPECT_FALSE(message->has_integrity());
  EXPECT_FALSE(message->Find(attr::kUsername).has_value());
}

TEST(MsTurnMessageTest, OtherMessagesAreNotOfThisDialect) {
  std::string wire = FirstAllocate();
  EXPECT_FALSE(IsMsTurn(AsBytes(wire.substr(0, 27))));
  // The cookie must be the first attribute.
  wire[21] = '\x0E';
  EXPECT_FALSE(IsMsTurn(AsBytes(wire)));
  wire = FirstAllocate();
  wire[27] = '\xC7';
  EXPECT_FALSE(ParseMsTurnMessage(AsBytes(wire)).ok());
  // A wrong length, a response, an attribute that runs out.
  wire = FirstAllocate();
  wire[3] = '\x0C';
  EXPECT_FALSE(ParseMsTurnMessage(AsBytes(wire)).ok());
  wire = FirstAllocate();
  wire[0] = '\x01';
  EXPECT_FALSE(ParseMsTurnMessage(AsBytes(wire)).ok());
  wire = FirstAllocate();
  wire[31] = '\x09';
  EXPECT_FALSE(ParseMsTurnMessage(AsBytes(wire)).ok());
}

TEST(MsTurnMessageTest, AttributesMayBePaddedOrNot) {
  for (const bool padded : {false, true}) {
    std::string body("\x00\x0F\x00\x04\x72\xC6\x4B\xC6\x00\x06\x00\x05user1",
                     17);
    if (padded) body += std::string(3, '\0');
    body += std::string("\x00\x0D\x00\x04\x00\x00\x02\x58", 8);
    const std::string wire = std::string("\x00\x03\x00", 3) +
                             static_cast<char>(body.size()) + ToString(kId) +
                             body;
    const auto message = ParseMsTurnMessage(AsBytes(wire));
    ASSERT_TRUE(message.ok()) << padded;
    EXPECT_EQ(AsText(*message->Find(attr::kUsername)), "user1");
    EXPECT_EQ(message->FindUint32(attr::kLifetime), 600u);
  }
}

// The key and the result were computed with Python's hashlib and hmac, over the
// message filled with zeros to 64 octets.
TEST(MsTurnMessageTest, IntegrityCoversTheMessageFilledTo64Octets) {
  std::array<uint8_t, 256> buffer;
  const std::string key = "0123456789abcdef";
  MsTurnWriter writer(absl::MakeSpan(buffer), MsTurnType::kAllocate, kId);
  writer.AddBytes(attr::kUsername, AsBytes("user1"));
  writer.AddIntegrity(AsBytes(key), MsTurnIntegrity::kSha1);
  const std::string wire = ToString(writer.finished());
  EXPECT_EQ(HexEncode(AsBytes(wire).last(20)),
            "11f85084375565ca89a23931bbdbb2a2055b7404");
  const auto message = ParseMsTurnMessage(AsBytes(wire));
  ASSERT_TRUE(message.ok());
  EXPECT_TRUE(message->has_integrity());
  EXPECT_FALSE(message->has_sha256());
  const auto verifies = [](const MsTurnMessage& one, const std::string& by) {
    return one.VerifyIntegrity(AsBytes(by), MsTurnIntegrity::kSha1);
  };
  EXPECT_TRUE(verifies(*message, key));
  EXPECT_FALSE(verifies(*message, "0123456789abcdeX"));
  EXPECT_FALSE(
      message->VerifyIntegrity(AsBytes(key), MsTurnIntegrity::kSha256Filled));
  std::string forged = wire;
  forged[33] ^= 1;
  EXPECT_FALSE(verifies(*ParseMsTurnMessage(AsBytes(forged)), key));
  // Nothing may follow it.
  std::string longer = wire + std::string("\x00\x0D\x00\x00", 4);
  longer[3] = static_cast<char>(longer.size() - 20);
  EXPECT_FALSE(ParseMsTurnMessage(AsBytes(longer)).ok());
}

// MS-Version 3. The results were computed with Python's hmac.
TEST(MsTurnMessageTest, IntegrityOf32OctetsIsSha256) {
  const std::string key = "0123456789abcdef";
  const std::pair<MsTurnIntegrity, const char*> kForms[] = {
      {MsTurnIntegrity::kSha256Filled,
       "f085c1cb52271666d290b9ab3987a7d53146d2808d7b02cc7cebaa293ff19d83"},
      {MsTurnIntegrity::kSha256,
       "57056115758da6d5f2f5e93a12a2323b9475fdbc03f346bc12a3e6802ace3e10"}};
  for (const auto& [form, mac] : kForms) {
    std::array<uint8_t, 256> buffer;
    MsTurnWriter writer(absl::MakeSpan(buffer), MsTurnType::kAllocate, kId);
    writer.AddBytes(attr::kUsername, AsBytes("user1"));
    writer.AddIntegrity(AsBytes(key), form);
    const std::string wire = ToString(writer.finished());
    EXPECT_EQ(HexEncode(AsBytes(wire).last(32)), mac);
    const auto message = ParseMsTurnMessage(AsBytes(wire));
    ASSERT_TRUE(message.ok());
    EXPECT_TRUE(message->has_sha256());
    for (const MsTurnIntegrity other :
         {MsTurnIntegrity::kSha1, MsTurnIntegrity::kSha256Filled,
          MsTurnIntegrity::kSha256}) {
      EXPECT_EQ(message->VerifyIntegrity(AsBytes(key), other), other == form);
    }
    // No other size is one.
    std::string shorter = wire.substr(0, wire.size() - 4);
    shorter[3] -= 4;
    shorter[shorter.size() - 29] = 28;
    EXPECT_FALSE(ParseMsTurnMessage(AsBytes(shorter)).ok());
  }
}

TEST(MsTurnWriterTest, AddressesPlainAndXored) {
  std::array<uint8_t, 128> buffer;
  MsTurnWriter writer(absl::MakeSpan(buffer), MsTurnType::kAllocate, kId);
  const Endpoint where = {IpAddress::V4({192, 0, 2, 1}), 0x1234};
  writer.AddAddress(attr::kDestinationAddress, where);
  writer.AddXorAddress(attr::kXorMappedAddress, where);
  writer.AddErrorCode(StunError::kUnauthenticated);
  const std::string wire = ToString(writer.finished());
  const auto message = ParseMsTurnMessage(AsBytes(wire));
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->FindAddress(attr::kDestinationAddress), where);
  // XOR-ed with 00 01 02 03, the port with 00 01.
  EXPECT_EQ(HexEncode(*message->Find(attr::kXorMappedAddress)),
            "00011235c0010002");
  EXPECT_EQ(message->FindUint32(attr::kErrorCode), 0x401u);
}

TEST(MsTurnWriterTest, WhatDoesNotFitGivesNothing) {
  std::array<uint8_t, 40> buffer;
  MsTurnWriter writer(absl::MakeSpan(buffer), MsTurnType::kAllocate, kId);
  writer.AddBytes(attr::kData, AsBytes(std::string(9, 'x')));
  EXPECT_TRUE(writer.finished().empty());
}

}  // namespace
}  // namespace sallyport::media_relay
