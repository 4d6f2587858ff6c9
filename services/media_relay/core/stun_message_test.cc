#include "services/media_relay/core/stun_message.h"

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::media_relay {
namespace {

namespace a = stun_attribute;

constexpr char kId[] = "000102030405060708090a0b";

// A message of this type with these attributes, all in hex.
std::string Message(const std::string& type, const std::string& attributes) {
  const size_t length = attributes.size() / 2;
  const std::string size = {static_cast<char>(length >> 8),
                            static_cast<char>(length)};
  return absl::HexStringToBytes(type) + size +
         absl::HexStringToBytes("2112a442") + absl::HexStringToBytes(kId) +
         absl::HexStringToBytes(attributes);
}

struct BadCase {
  const char* name;
  const char* hex;
};

class MalformedTest : public testing::TestWithParam<BadCase> {};

TEST_P(MalformedTest, IsRefusedWithoutAMessage) {
  const std::string bytes = absl::HexStringToBytes(GetParam().hex);
  const auto got = ParseStunMessage(AsBytes(bytes));
  EXPECT_EQ(got.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(got.status().message().empty());
}

INSTANTIATE_TEST_SUITE_P(
    Rfc8489, MalformedTest,
    testing::Values(
        BadCase{"Empty", ""},
        BadCase{"OneByteShort", "000100002112a442000102030405060708090a"},
        BadCase{"TopBitsSet", "800100002112a442000102030405060708090a0b"},
        BadCase{"Rfc3489NoCookie", "0001000011223344000102030405060708090a0b"},
        BadCase{"LengthNotMultipleOfFour",
                "000100022112a442000102030405060708090a0b8022"},
        BadCase{"LengthShorterThanDatagram",
                "000100002112a442000102030405060708090a0b80220000"},
        BadCase{"LengthLongerThanDatagram",
                "000100082112a442000102030405060708090a0b80220000"},
        BadCase{"AttributeRunsPastTheEnd",
                "000100042112a442000102030405060708090a0b80220001"},
        BadCase{"AttributeLength65535",
                "000100042112a442000102030405060708090a0b8022ffff"},
        BadCase{"IntegrityOfWrongSize",
                "000100082112a442000102030405060708090a0b0008000400000000"},
        BadCase{"IntegritySha256Truncated",
                "000100142112a442000102030405060708090a0b001c0010000000000000"
                "00000000000000000000"},
        BadCase{"FingerprintWrong",
                "000100082112a442000102030405060708090a0b8028000400000000"},
        BadCase{"FingerprintOfWrongSize",
                "000100042112a442000102030405060708090a0b80280000"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ParseStunMessageTest, ClassAndMethodBits) {
  struct Case {
    const char* type;
    StunClass message_class;
    uint16_t method;
  };
  for (const Case& c : {Case{"0001", StunClass::kRequest, 0x001},
                        Case{"0011", StunClass::kIndication, 0x001},
                        Case{"0101", StunClass::kSuccess, 0x001},
                        Case{"0111", StunClass::kError, 0x001},
                        Case{"0003", StunClass::kRequest, 0x003},
                        Case{"0017", StunClass::kIndication, 0x007},
                        Case{"0109", StunClass::kSuccess, 0x009},
                        Case{"3eef", StunClass::kRequest, 0xFFF},
                        Case{"3fff", StunClass::kError, 0xFFF}}) {
    const std::string bytes = Message(c.type, "");
    const auto got = ParseStunMessage(AsBytes(bytes));
    ASSERT_TRUE(got.ok()) << c.type;
    EXPECT_EQ(got->message_class(), c.message_class) << c.type;
    EXPECT_EQ(got->method(), c.method) << c.type;
  }
}

TEST(ParseStunMessageTest, FirstOfDuplicatesWins) {
  const std::string bytes = Message("0004",
                                    "000d000400000001"
                                    "000d000400000002");
  const auto got = ParseStunMessage(AsBytes(bytes));
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->FindUint32(a::kLifetime), 1u);
  std::vector<size_t> sizes;
  got->ForEach(a::kLifetime, [&](absl::Span<const uint8_t> value) {
    sizes.push_back(value.size());
  });
  EXPECT_EQ(sizes.size(), 2u);
}

TEST(ParseStunMessageTest, AttributesAfterIntegrityAreNotRead) {
  const std::string mac(40, '0');
  const std::string bytes = Message("0004",
                                    "0008"
                                    "0014" +
                                        mac + "000d000400000002");
  const auto got = ParseStunMessage(AsBytes(bytes));
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->integrity_offset(), 20u);
  EXPECT_FALSE(got->Has(a::kLifetime));
  // Not even as unknown ones.
  const std::string unknown = Message("0004",
                                      "0008"
                                      "0014" +
                                          mac + "7fff0000");
  EXPECT_TRUE(ParseStunMessage(AsBytes(unknown))->unknown_required().empty());
}

TEST(ParseStunMessageTest, Sha256MayFollowSha1) {
  const std::string bytes =
      Message("0004",
              "000d000400000001"
              "00080014" +
                  std::string(40, '0') + "001c0020" + std::string(64, '0') +
                  "000d000400000002");
  const auto got = ParseStunMessage(AsBytes(bytes));
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->integrity_offset(), 28u);
  EXPECT_EQ(got->integrity_sha256_offset(), 52u);
  EXPECT_EQ(got->FindUint32(a::kLifetime), 1u);
}

TEST(ParseStunMessageTest, UnknownRequiredAttributesAreListed) {
  // DONT-FRAGMENT and USERHASH are known; 0x8xxx never counts.
  const std::string bytes = Message("0003",
                                    "001a0000"
                                    "001e0000"
                                    "7ffe0000"
                                    "7fff0000"
                                    "ffff0000"
                                    "00190004"
                                    "11000000");
  const auto got = ParseStunMessage(AsBytes(bytes));
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(std::vector<uint16_t>(got->unknown_required().begin(),
                                  got->unknown_required().end()),
            (std::vector<uint16_t>{0x7FFE, 0x7FFF}));
}

TEST(ParseStunMessageTest, NumberOfUnknownIsBounded) {
  std::string attributes;
  for (int i = 0; i < 20; ++i) attributes += "7fff0000";
  const std::string bytes = Message("0003", attributes);
  EXPECT_EQ(ParseStunMessage(AsBytes(bytes))->unknown_required().size(),
            StunMessage::kMaxUnknown);
}

TEST(ParseStunMessageTest, MoreThan64AttributesAreRefused) {
  std::string attributes;
  for (int i = 0; i < 64; ++i) attributes += "80220000";
  EXPECT_TRUE(ParseStunMessage(AsBytes(Message("0001", attributes))).ok());
  attributes += "80220000";
  EXPECT_FALSE(ParseStunMessage(AsBytes(Message("0001", attributes))).ok());
}

TEST(ParseStunMessageTest, FingerprintMustBeLast) {
  std::string bytes = Message("0001",
                              "80280004"
                              "00000000"
                              "80220000");
  const uint32_t crc = StunFingerprint(AsBytes(bytes).first(20));
  for (int i = 0; i < 4; ++i) {
    bytes[24 + i] = static_cast<char>(crc >> (24 - 8 * i));
  }
  EXPECT_FALSE(ParseStunMessage(AsBytes(bytes)).ok());
}

TEST(DecodeXorAddressTest, RefusesWrongFamilyOrSize) {
  for (const char* value : {"0003a147e112a643", "0001a147e112a64300000000",
                            "0002a147e112a643", "0001a147", "0001a147e112a6"}) {
    const std::string message = Message("0001", "");
    const std::string bytes = absl::HexStringToBytes(value);
    const auto parsed = ParseStunMessage(AsBytes(message));
    EXPECT_FALSE(parsed->DecodeXorAddress(AsBytes(bytes)).has_value()) << value;
  }
}

TEST(ParseStunMessageTest, EveryPrefixOfAMessageIsRefused) {
  const std::string bytes = Message("0003",
                                    "00190004"
                                    "11000000"
                                    "000d000400000258");
  ASSERT_TRUE(ParseStunMessage(AsBytes(bytes)).ok());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ParseStunMessage(AsBytes(bytes.substr(0, size))).ok()) << size;
  }
}

}  // namespace
}  // namespace sallyport::media_relay
