#include "services/media_relay/core/stun_integrity.h"

#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"

namespace sallyport::media_relay {
namespace {

namespace a = stun_attribute;

// RFC 5769: "VOkJxbRl1RmTxUk/WvJxBt" is the password of sections 2.1 to 2.3.
constexpr std::string_view kPassword = "VOkJxbRl1RmTxUk/WvJxBt";

// Section 2.1.
constexpr char kRequest[] =
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff"
    "80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf";
// Section 2.2.
constexpr char kResponseV4[] =
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96";
// Section 2.3.
constexpr char kResponseV6[] =
    "010100482112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c";
// Section 2.4: long-term credentials.
constexpr char kLongTerm[] =
    "000100602112a44278ad3433c6ad72c029da412e"
    "00060012e3839ee38388e383aae38383e382afe382b90000"
    "0015001c662f2f3439396b39353464364f4c33346f4c39465354767936347341"
    "0014000b6578616d706c652e6f726700"
    "00080014f67024656dd64a3e02b8e0712e85c9a28ca89666";

class Rfc5769Test : public testing::TestWithParam<const char*> {};

TEST_P(Rfc5769Test, VerifiesAndEveryFlippedCoveredByteFails) {
  std::string bytes = absl::HexStringToBytes(GetParam());
  const auto message = ParseStunMessage(AsBytes(bytes));
  ASSERT_TRUE(message.ok());
  EXPECT_TRUE(message->has_fingerprint());
  const std::optional<AuthenticatedStunMessage> verified =
      VerifyIntegrity(*message, AsBytes(kPassword));
  ASSERT_TRUE(verified.has_value());
  EXPECT_EQ(verified->integrity(), StunIntegrity::kSha1);
  EXPECT_FALSE(VerifyIntegrity(*message, AsBytes("wrong")).has_value());

  // Without its FINGERPRINT the message must still fail when changed.
  std::string cut = bytes.substr(0, bytes.size() - 8);
  const uint16_t length = static_cast<uint16_t>(cut.size() - 20);
  cut[2] = static_cast<char>(length >> 8);
  cut[3] = static_cast<char>(length);
  for (size_t i = 8; i < cut.size(); ++i) {
    std::string changed = cut;
    changed[i] ^= 0x01;
    const auto parsed = ParseStunMessage(AsBytes(changed));
    if (!parsed.ok()) continue;
    EXPECT_FALSE(VerifyIntegrity(*parsed, AsBytes(kPassword)).has_value())
        << "byte " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Vectors, Rfc5769Test,
                         testing::Values(kRequest, kResponseV4, kResponseV6));

TEST(Rfc5769AttributesTest, Section21) {
  const std::string bytes = absl::HexStringToBytes(kRequest);
  const auto message = ParseStunMessage(AsBytes(bytes));
  ASSERT_TRUE(message.ok());
  EXPECT_TRUE(message->Is(StunClass::kRequest, StunMethod::kBinding));
  EXPECT_EQ(message->FindText(a::kUsername), "evtj:h6vY");
  EXPECT_EQ(message->FindText(a::kSoftware), "STUN test client");
  EXPECT_EQ(message->FindUint32(a::kPriority), 0x6e0001ffu);
}

TEST(Rfc5769AttributesTest, Sections22And23) {
  std::string bytes = absl::HexStringToBytes(kResponseV4);
  EXPECT_EQ(ParseStunMessage(AsBytes(bytes))
                ->FindXorAddress(a::kXorMappedAddress)
                ->ToString(),
            "192.0.2.1:32853");
  bytes = absl::HexStringToBytes(kResponseV6);
  EXPECT_EQ(ParseStunMessage(AsBytes(bytes))
                ->FindXorAddress(a::kXorMappedAddress)
                ->ToString(),
            "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
}

TEST(Rfc5769LongTermTest, Section24) {
  const std::string bytes = absl::HexStringToBytes(kLongTerm);
  const auto message = ParseStunMessage(AsBytes(bytes));
  ASSERT_TRUE(message.ok());
  const std::string username(*message->FindText(a::kUsername));
  EXPECT_EQ(message->FindText(a::kRealm), "example.org");
  EXPECT_EQ(message->FindText(a::kNonce), "f//499k954d6OL34oL9FSTvy64sA");
  // The RFC gives the password after SASLprep.
  const LongTermKey key = LongTermKey::Derive(PasswordAlgorithm::kMd5, username,
                                              "example.org", "TheMatrIX");
  EXPECT_TRUE(VerifyIntegrity(*message, key.bytes()).has_value());
}

// RFC 8489 section 14.6 with 9.2: what we write we verify, and either
// attribute is refused under the other key.
TEST(IntegritySha256Test, RoundTripAndStrongestWins) {
  const LongTermKey key =
      LongTermKey::Derive(PasswordAlgorithm::kSha256, "u", "r", "p");
  EXPECT_EQ(key.bytes().size(), 32u);
  uint8_t buffer[256];
  const StunTransactionId id = {1, 2, 3};
  {
    StunWriter writer(absl::MakeSpan(buffer), StunClass::kRequest, 0x003, id);
    writer.AddText(a::kUsername, "u");
    writer.AddIntegritySha256(key.bytes());
    writer.AddFingerprint();
    const auto message = ParseStunMessage(writer.finished());
    ASSERT_TRUE(message.ok());
    const auto verified = VerifyIntegrity(*message, key.bytes());
    ASSERT_TRUE(verified.has_value());
    EXPECT_EQ(verified->integrity(), StunIntegrity::kSha256);
  }
  {
    // A right MESSAGE-INTEGRITY does not save a wrong SHA-256 one.
    StunWriter writer(absl::MakeSpan(buffer), StunClass::kRequest, 0x003, id);
    writer.AddText(a::kUsername, "u");
    writer.AddIntegritySha1(key.bytes());
    writer.AddIntegritySha256(AsBytes("another key"));
    const auto message = ParseStunMessage(writer.finished());
    ASSERT_TRUE(message.ok());
    EXPECT_FALSE(VerifyIntegrity(*message, key.bytes()).has_value());
  }
}

TEST(VerifyIntegrityTest, AbsentIsNotVerified) {
  uint8_t buffer[64];
  StunWriter writer(absl::MakeSpan(buffer), StunClass::kRequest, 0x001, {});
  const auto message = ParseStunMessage(writer.finished());
  ASSERT_TRUE(message.ok());
  EXPECT_FALSE(VerifyIntegrity(*message, AsBytes("key")).has_value());
  EXPECT_FALSE(VerifyIntegrity(*message, {}).has_value());
}

}  // namespace
}  // namespace sallyport::media_relay
