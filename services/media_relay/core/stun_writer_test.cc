#include "services/media_relay/core/stun_writer.h"

#include <array>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/stun_message.h"

namespace sallyport::media_relay {
namespace {

namespace a = stun_attribute;

constexpr StunTransactionId kId = {0xB7, 0xE7, 0xA7, 0x01, 0xBC, 0x34,
                                   0xD6, 0x86, 0xFA, 0x87, 0xDF, 0xAE};

std::string Hex(absl::Span<const uint8_t> bytes) {
  return absl::BytesToHexString(absl::string_view(
      reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

TEST(StunWriterTest, BindingAnswerIs32BytesForV4) {
  uint8_t buffer[64];
  StunWriter writer(absl::MakeSpan(buffer), StunClass::kSuccess, 0x001, kId);
  writer.AddXorAddress(a::kXorMappedAddress,
                       {*IpAddress::Parse("192.0.2.1"), 32853});
  // As in RFC 5769 section 2.2.
  EXPECT_EQ(Hex(writer.finished()),
            "0101000c2112a442b7e7a701bc34d686fa87dfae"
            "002000080001a147e112a643");
}

TEST(StunWriterTest, XorAddressV6) {
  uint8_t buffer[64];
  StunWriter writer(absl::MakeSpan(buffer), StunClass::kSuccess, 0x001, kId);
  writer.AddXorAddress(
      a::kXorMappedAddress,
      {*IpAddress::Parse("2001:db8:1234:5678:11:2233:4455:6677"), 32853});
  EXPECT_EQ(Hex(writer.finished().subspan(20)),
            "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9");
}

TEST(StunWriterTest, ErrorCodeAndUnknownAttributes) {
  uint8_t buffer[64];
  StunWriter writer(absl::MakeSpan(buffer), StunClass::kError, 0x003, kId);
  writer.AddErrorCode(StunError::kUnknownAttribute);
  writer.AddUnknownAttributes({0x001A, 0x001E, 0x7FFF});
  EXPECT_EQ(Hex(writer.finished().subspan(20)),
            "0009000400000414"
            "000a0006001a001e7fff0000");
}

TEST(StunWriterTest, PaddingIsZeroWhateverTheBufferHeld) {
  std::array<uint8_t, 64> buffer;
  buffer.fill(0xEE);
  StunWriter writer(absl::MakeSpan(buffer), StunClass::kSuccess, 0x001, kId);
  writer.AddText(a::kRealm, "a");
  EXPECT_EQ(Hex(writer.finished().subspan(20)), "0014000161000000");
}

TEST(StunWriterTest, WhatDoesNotFitGivesNothing) {
  for (size_t size = 0; size < 40; ++size) {
    std::vector<uint8_t> buffer(size);
    StunWriter writer(absl::MakeSpan(buffer), StunClass::kSuccess, 0x001, kId);
    writer.AddText(a::kRealm, "sixteen letters.");
    EXPECT_TRUE(writer.finished().empty()) << size;
  }
}

TEST(StunWriterTest, EveryMethodAndClassReadsBack) {
  uint8_t buffer[64];
  for (uint16_t method = 0; method <= 0xFFF; ++method) {
    for (const StunClass c : {StunClass::kRequest, StunClass::kIndication,
                              StunClass::kSuccess, StunClass::kError}) {
      StunWriter writer(absl::MakeSpan(buffer), c, method, kId);
      const auto message = ParseStunMessage(writer.finished());
      ASSERT_TRUE(message.ok());
      ASSERT_EQ(message->method(), method);
      ASSERT_EQ(message->message_class(), c);
      ASSERT_EQ(message->transaction_id(), kId);
    }
  }
}

TEST(StunWriterTest, FingerprintVerifies) {
  uint8_t buffer[64];
  StunWriter writer(absl::MakeSpan(buffer), StunClass::kSuccess, 0x001, kId);
  writer.AddUint32(a::kLifetime, 600);
  writer.AddFingerprint();
  const auto message = ParseStunMessage(writer.finished());
  ASSERT_TRUE(message.ok());
  EXPECT_TRUE(message->has_fingerprint());
  EXPECT_EQ(message->FindUint32(a::kLifetime), 600u);
}

TEST(StunWriterTest, PasswordAlgorithmsAreSha256ThenMd5) {
  uint8_t buffer[64];
  StunWriter writer(absl::MakeSpan(buffer), StunClass::kError, 0x003, kId);
  writer.AddPasswordAlgorithms();
  EXPECT_EQ(Hex(writer.finished().subspan(20)), "800200080002000000010000");
}

}  // namespace
}  // namespace sallyport::media_relay
