#include "services/media_relay/core/stream_opening.h"

#include <string>

#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/random/fake_random.h"

namespace sallyport::media_relay {
namespace {

StreamOpening Of(const std::string& begin) {
  return ReadStreamOpening(AsBytes(begin));
}

// As A/V Edge clients send it: time and random differ.
std::string PseudoHello() {
  return std::string("\x16\x03\x01\x00\x2D\x01\x00\x00\x29\x03\x01", 11) +
         std::string(32, 'r') + std::string("\x00\x00\x02\x00\x18\x01\x00", 7);
}

TEST(StreamOpeningTest, TellsWhatIsSpoken) {
  EXPECT_EQ(Of(""), StreamOpening::kMore);
  EXPECT_EQ(Of(std::string(1, '\0')), StreamOpening::kTurn);
  EXPECT_EQ(Of("\x02"), StreamOpening::kMore);
  EXPECT_EQ(Of(std::string("\x02\x00", 2)), StreamOpening::kMsTurn);
  EXPECT_EQ(Of("\x02\x01"), StreamOpening::kUnknown);
  // Data before a control message, ChannelData before an allocation, HTTP.
  EXPECT_EQ(Of(std::string("\x03\x00", 2)), StreamOpening::kUnknown);
  EXPECT_EQ(Of("\x40\x01"), StreamOpening::kUnknown);
  EXPECT_EQ(Of("GET / HTTP/1.1"), StreamOpening::kUnknown);
}

TEST(StreamOpeningTest, PseudoTlsIsToldFromTls) {
  const std::string hello = PseudoHello();
  ASSERT_EQ(hello.size(), kPseudoTlsClientHello);
  for (size_t i = 1; i < hello.size(); ++i) {
    EXPECT_EQ(Of(hello.substr(0, i)), StreamOpening::kMore) << i;
  }
  EXPECT_EQ(Of(hello), StreamOpening::kPseudoTls);
  EXPECT_EQ(Of(hello + "more"), StreamOpening::kPseudoTls);
  // A real ClientHello shows at the record's length already.
  EXPECT_EQ(Of(std::string("\x16\x03\x01\x02", 4)), StreamOpening::kTls);
  EXPECT_EQ(Of("\x16\x03\x03"), StreamOpening::kTls);
  // Another suite.
  std::string other = hello;
  other[47] = '\x2F';
  EXPECT_EQ(Of(other), StreamOpening::kTls);
}

TEST(StreamOpeningTest, ServerHelloIsAsTheClientsCompareIt) {
  FakeRandom random;
  const auto hello = WritePseudoTlsServerHello(random);
  const std::string text = ToString(hello);
  ASSERT_EQ(text.size(), 83u);
  // All but random and session id is fixed.
  EXPECT_EQ(text.substr(0, 11),
            std::string("\x16\x03\x01\x00\x4E\x02\x00\x00\x46\x03\x01", 11));
  EXPECT_EQ(text[43], '\x20');
  EXPECT_EQ(text.substr(76), std::string("\x00\x18\x00\x0E\x00\x00\x00", 7));
  EXPECT_NE(ToString(WritePseudoTlsServerHello(random)), text);
}

}  // namespace
}  // namespace sallyport::media_relay
