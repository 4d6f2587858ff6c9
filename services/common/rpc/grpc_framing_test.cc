#include "services/common/rpc/grpc_framing.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

std::string Framed(const std::string& message) {
  std::string out;
  AppendGrpcMessage(message, out);
  return out;
}

TEST(GrpcFramingTest, AMessageIsAZeroItsLengthAndItself) {
  EXPECT_EQ(Framed("abc"), std::string("\0\0\0\0\3abc", 8));
  EXPECT_EQ(Framed(""), std::string(5, '\0'));
  const std::string big = Framed(std::string(0x01020304, 'x'));
  EXPECT_EQ(big.substr(0, 5), std::string("\0\1\2\3\4", 5));
}

TEST(GrpcFramingTest, MessagesAreReadHoweverTheyAreCut) {
  const std::string wire = Framed("first") + Framed("") + Framed("third");
  for (size_t piece = 1; piece <= wire.size(); ++piece) {
    GrpcMessageReader reader(100);
    std::vector<std::string> messages;
    for (size_t at = 0; at < wire.size(); at += piece) {
      const std::string part = wire.substr(at, piece);
      ByteSpan data = AsBytes(part);
      do {
        auto message = reader.Read(data);
        ASSERT_THAT(message, IsOk());
        if (!message->has_value()) break;
        messages.push_back(**message);
      } while (!data.empty());
    }
    EXPECT_THAT(messages, testing::ElementsAre("first", "", "third")) << piece;
    EXPECT_EQ(reader.partial(), 0u);
  }
}

TEST(GrpcFramingTest, APartIsCounted) {
  GrpcMessageReader reader(100);
  const std::string wire = Framed("abcdef");
  ByteSpan data = AsBytes(wire).subspan(0, 8);
  ASSERT_THAT(reader.Read(data), IsOk());
  EXPECT_EQ(reader.partial(), 8u);
  EXPECT_TRUE(data.empty());
}

TEST(GrpcFramingTest, LongCompressedAndBrokenMessagesAreRefusedByTheirPrefix) {
  const auto refusal = [](const std::string& wire) {
    GrpcMessageReader reader(4);
    ByteSpan data = AsBytes(wire);
    return reader.Read(data).status();
  };
  EXPECT_EQ(ReasonOf(refusal(std::string("\0\0\0\0\5", 5))),
            "MESSAGE_TOO_LONG");
  EXPECT_EQ(ReasonOf(refusal(std::string("\0\xff\xff\xff\xff", 5))),
            "MESSAGE_TOO_LONG");
  EXPECT_EQ(refusal(std::string("\1\0\0\0\1", 5)).code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(ReasonOf(refusal(std::string("\2\0\0\0\1", 5))),
            "MESSAGE_MALFORMED");
  EXPECT_THAT(refusal(Framed("abcd")), IsOk());
}

TEST(GrpcFramingTest, Timeouts) {
  EXPECT_EQ(ParseGrpcTimeout("1H"), absl::Hours(1));
  EXPECT_EQ(ParseGrpcTimeout("2M"), absl::Minutes(2));
  EXPECT_EQ(ParseGrpcTimeout("3S"), absl::Seconds(3));
  EXPECT_EQ(ParseGrpcTimeout("100m"), absl::Milliseconds(100));
  EXPECT_EQ(ParseGrpcTimeout("5u"), absl::Microseconds(5));
  EXPECT_EQ(ParseGrpcTimeout("99999999n"), absl::Nanoseconds(99'999'999));
  EXPECT_EQ(ParseGrpcTimeout("0n"), absl::ZeroDuration());
  for (const char* wrong : {"", "1", "S", "-1S", "1.5S", "1s", "1 S",
                            "123456789S", "1SS", "0x1S"}) {
    EXPECT_EQ(ParseGrpcTimeout(wrong), std::nullopt) << wrong;
  }
  EXPECT_EQ(FormatGrpcTimeout(absl::Milliseconds(10)), "10000000n");
  EXPECT_EQ(FormatGrpcTimeout(absl::Seconds(10)), "10000000u");
  EXPECT_EQ(FormatGrpcTimeout(-absl::Seconds(1)), "0n");
  EXPECT_EQ(FormatGrpcTimeout(absl::InfiniteDuration()), "99999999H");
  // Up: a call must not end before its caller said.
  EXPECT_EQ(FormatGrpcTimeout(absl::Seconds(100) + absl::Nanoseconds(1)),
            "100001m");
  for (const absl::Duration d :
       {absl::Nanoseconds(1), absl::Seconds(7), absl::Hours(50'000)}) {
    EXPECT_EQ(ParseGrpcTimeout(FormatGrpcTimeout(d)), d);
  }
}

TEST(GrpcFramingTest, StatusMessagesArePercentEncoded) {
  EXPECT_EQ(PercentEncode("50% of it\n"), "50%25 of it%0A");
  EXPECT_EQ(PercentEncode("\xc3\xa4~ "), "%C3%A4~ ");
  EXPECT_EQ(PercentDecode("50%25 of it%0a"), "50% of it\n");
  // Decoders must not stop at what is no escape.
  EXPECT_EQ(PercentDecode("100% %zz %4"), "100% %zz %4");
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  EXPECT_EQ(PercentDecode(PercentEncode(all)), all);
}

TEST(GrpcFramingTest, BinaryHeadersHaveNoPaddingAndMayHaveIt) {
  EXPECT_EQ(EncodeBinaryHeader("a"), "YQ");
  EXPECT_EQ(EncodeBinaryHeader("abc"), "YWJj");
  EXPECT_EQ(EncodeBinaryHeader(""), "");
  EXPECT_EQ(DecodeBinaryHeader("YQ"), "a");
  EXPECT_EQ(DecodeBinaryHeader("YQ=="), "a");
  EXPECT_EQ(DecodeBinaryHeader("!"), std::nullopt);
}

TEST(GrpcFramingTest, ContentTypes) {
  for (const char* good :
       {"application/grpc", "application/grpc+proto", "application/grpc;x=y",
        "application/grpc+proto;charset=utf-8"}) {
    EXPECT_TRUE(IsGrpcContentType(good)) << good;
  }
  for (const char* bad :
       {"", "application/json", "application/grpc-web", "application/grpcx",
        "application/grpc+json", "application/grpc+protobuf", "text/plain"}) {
    EXPECT_FALSE(IsGrpcContentType(bad)) << bad;
  }
}

}  // namespace
}  // namespace sallyport
