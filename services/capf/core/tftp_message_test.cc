#include "services/capf/core/tftp_message.h"

#include <gtest/gtest.h>

#include <string>

#include "services/common/bytes/byte_span.h"

namespace sallyport::capf {
namespace {

using namespace std::string_literals;

TftpRequestResult Parse(const std::string& packet) {
  return ParseTftpRequest(AsBytes(packet));
}

// RFC 1350 figure 5-1 and RFC 2347.
TEST(TftpMessageTest, ReadsARequestWithOptions) {
  const TftpRequestResult result =
      Parse("\0\1CTLFile.tlv\0OcTeT\0BLKSIZE\0001024\0tsize\0000\0"s);
  ASSERT_TRUE(result.request.has_value());
  EXPECT_EQ(result.request->file_name, "CTLFile.tlv");
  EXPECT_EQ(result.request->options,
            (std::vector<TftpOption>{{"blksize", "1024"}, {"tsize", "0"}}));
}

TEST(TftpMessageTest, ToleratesPadding) {
  EXPECT_TRUE(Parse("\0\1f\0octet\0\0\0\0"s).request.has_value());
}

TEST(TftpMessageTest, RefusesEachFaultInTheProtocolsWords) {
  const auto code = [](const std::string& packet) {
    const TftpRequestResult result = Parse(packet);
    EXPECT_FALSE(result.request.has_value());
    EXPECT_FALSE(result.refusal.silent);
    return result.refusal.code;
  };
  EXPECT_EQ(code("\0\2f\0octet\0"s), TftpErrorCode::kAccessViolation);
  EXPECT_EQ(code("\0\1f\0netascii\0"s), TftpErrorCode::kIllegalOperation);
  EXPECT_EQ(code("\0\1f\0mail\0"s), TftpErrorCode::kIllegalOperation);
  EXPECT_EQ(code("\0\1f"s), TftpErrorCode::kIllegalOperation);
  EXPECT_EQ(code("\0\1f\0octet"s), TftpErrorCode::kIllegalOperation);
  EXPECT_EQ(code("\0\1f\0octet\0blksize\0"s), TftpErrorCode::kIllegalOperation);
  EXPECT_EQ(code("\0\1f\0octet\0tsize\0000\0TSIZE\0000\0"s),
            TftpErrorCode::kOptionRefused);
  EXPECT_EQ(code("\0\1\0octet\0"s), TftpErrorCode::kFileNotFound);
  EXPECT_EQ(code("\0\1a b\0octet\0"s), TftpErrorCode::kFileNotFound);
  EXPECT_EQ(code("\0\1"s + std::string(129, 'f') + "\0octet\0"s),
            TftpErrorCode::kFileNotFound);
  EXPECT_EQ(code("\0\1"s + std::string(520, 'f')),
            TftpErrorCode::kIllegalOperation);
  std::string many = "\0\1f\0octet\0"s;
  for (int i = 0; i < 17; ++i) many += "o" + std::to_string(i) + "\0001\0"s;
  EXPECT_EQ(code(many), TftpErrorCode::kIllegalOperation);
}

// Nothing that is no request is answered: it may be forged, or a stray reply.
TEST(TftpMessageTest, IsSilentToWhatIsNoRequest) {
  for (const std::string& packet :
       {""s, "\0"s, "\0\0"s, "\0\3\0\1data"s, "\0\4\0\1"s, "\0\5\0\1x\0"s,
        "\0\6"s, "\1\0"s}) {
    EXPECT_TRUE(Parse(packet).refusal.silent);
  }
}

TEST(TftpMessageTest, WritesAsTheRfcDraws) {
  EXPECT_EQ(WriteTftpData(258, "ab"), "\0\3\1\2ab"s);
  EXPECT_EQ(WriteTftpOptionAck({{"blksize", "512"}}), "\0\6blksize\000512\0"s);
  EXPECT_EQ(WriteTftpError(TftpErrorCode::kFileNotFound, "File not found"),
            "\0\5\0\1File not found\0"s);
}

TEST(TftpMessageTest, ReadsAcksAndErrors) {
  EXPECT_EQ(ParseTftpAck(AsBytes("\0\4\1\2"s)), 258);
  EXPECT_EQ(ParseTftpAck(AsBytes("\0\4\1"s)), std::nullopt);
  EXPECT_EQ(ParseTftpAck(AsBytes("\0\3\1\2"s)), std::nullopt);
  EXPECT_TRUE(IsTftpError(AsBytes("\0\5\0\0"s)));
  EXPECT_FALSE(IsTftpError(AsBytes("\0\4\0\0"s)));
}

}  // namespace
}  // namespace sallyport::capf
