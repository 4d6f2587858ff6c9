#include "services/media_relay/core/dtls_record.h"

#include <string>

#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::media_relay {
namespace {

std::string Record(int type, int epoch, const std::string& body,
                   int minor = 0xFD) {
  return std::string{static_cast<char>(type),
                     '\xFE',
                     static_cast<char>(minor),
                     '\0',
                     static_cast<char>(epoch),
                     '\0',
                     '\0',
                     '\0',
                     '\0',
                     '\0',
                     '\x05',
                     static_cast<char>(body.size() >> 8),
                     static_cast<char>(body.size())} +
         body;
}

DtlsDatagram Of(const std::string& datagram) {
  return ClassifyDtls(AsBytes(datagram));
}

TEST(ClassifyDtlsTest, WholeRecordsAreTold) {
  const std::string hello = Record(22, 0, "hello", 0xFF);
  const std::string data = Record(23, 1, std::string(300, 'd'));
  EXPECT_EQ(Of(hello), DtlsDatagram::kClear);
  EXPECT_EQ(Of(data), DtlsDatagram::kSealed);
  EXPECT_EQ(Of(data + data), DtlsDatagram::kSealed);
  EXPECT_EQ(Of(Record(20, 0, "\x01") + data), DtlsDatagram::kClear);
  EXPECT_EQ(Of(data + hello), DtlsDatagram::kClear);
}

TEST(ClassifyDtlsTest, PartsAndOthersAreBroken) {
  const std::string data = Record(23, 1, "data");
  EXPECT_EQ(Of(""), DtlsDatagram::kBroken);
  for (size_t size = 0; size < data.size(); ++size) {
    EXPECT_EQ(Of(data.substr(0, size)), DtlsDatagram::kBroken) << size;
    if (size != 0) {
      EXPECT_EQ(Of(data + data.substr(0, size)), DtlsDatagram::kBroken) << size;
    }
  }
  EXPECT_EQ(Of(Record(23, 1, "")), DtlsDatagram::kBroken);
  EXPECT_EQ(Of(Record(19, 1, "x")), DtlsDatagram::kBroken);
  EXPECT_EQ(Of(Record(24, 1, "x")), DtlsDatagram::kBroken);
  EXPECT_EQ(Of(Record(23, 1, "x", 0xFC)), DtlsDatagram::kBroken);  // DTLS 1.3
  std::string many;
  for (int i = 0; i < 33; ++i) many += data;
  EXPECT_EQ(Of(many), DtlsDatagram::kBroken);
}

}  // namespace
}  // namespace sallyport::media_relay
