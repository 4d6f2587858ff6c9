#include "services/capf/core/tvs_message.h"

#include <gtest/gtest.h>

#include <string>

#include "services/common/bytes/byte_span.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

using namespace std::string_literals;

std::string Request(const std::string& payload, char version = 1,
                    char opcode = 1) {
  return "\x57"s + version + opcode + "\0\0\0\1\2"s +
         static_cast<char>(payload.size() >> 8) +
         static_cast<char>(payload.size()) + payload;
}

const char kName[] = "\1\0\x18\1CP-8861-SEP001122334455";
const std::string kNamed = std::string(kName, sizeof(kName) - 1);
const std::string kCertified = "\2\0\4cert"s;

std::string ReasonFor(const std::string& stream) {
  const auto parsed = ParseTvsRequest(AsBytes(stream));
  return parsed.ok() ? "" : ReasonOf(parsed.status());
}

TEST(TvsMessageTest, ReadsAVerifyRequest) {
  const std::string wire = Request(kNamed + kCertified);
  const auto parsed = ParseTvsRequest(AsBytes(wire + "next"));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_TRUE(parsed->has_value());
  EXPECT_EQ((*parsed)->request.request_id, 0x0102u);
  EXPECT_EQ((*parsed)->request.device_name, "CP-8861-SEP001122334455");
  EXPECT_EQ((*parsed)->request.certificate, "cert");
  EXPECT_EQ((*parsed)->consumed, wire.size());
}

TEST(TvsMessageTest, WaitsForTheRestAndSkipsWhatItDoesNotKnow) {
  const std::string wire = Request("\x63\0\2xx"s + kCertified);
  for (size_t size = 0; size < wire.size(); ++size) {
    const auto parsed = ParseTvsRequest(AsBytes(wire.substr(0, size)));
    ASSERT_TRUE(parsed.ok()) << size;
    EXPECT_FALSE(parsed->has_value()) << size;
  }
  EXPECT_EQ(ReasonFor(wire), "");
}

TEST(TvsMessageTest, RefusesEachFault) {
  EXPECT_EQ(ReasonFor("\x55"), "TVS_MALFORMED");
  EXPECT_EQ(ReasonFor(Request(kCertified, 2)), "TVS_MALFORMED");
  EXPECT_EQ(ReasonFor(Request(kCertified, 1, 3)), "TVS_MALFORMED");
  EXPECT_EQ(ReasonFor(Request("")), "TVS_MALFORMED");
  EXPECT_EQ(ReasonFor(Request(kCertified + kCertified)), "TVS_MALFORMED");
  EXPECT_EQ(ReasonFor(Request(kNamed + kNamed + kCertified)), "TVS_MALFORMED");
  EXPECT_EQ(ReasonFor(Request("\2\0\5cert"s)), "TVS_MALFORMED");
  EXPECT_EQ(ReasonFor(Request("\1\0\2\2x"s + kCertified)), "TVS_MALFORMED");
  // A length above the limit is refused before its octets are here.
  EXPECT_EQ(ReasonFor("\x57\1\1\0\0\0\0\1\xff\xff"s), "TVS_MALFORMED");
}

TEST(TvsMessageTest, WritesWhatPhonesRead) {
  EXPECT_EQ(WriteTvsResponse(258, {}), "\x57\1\2\0\0\0\1\2\0\4\7\0\1\1"s);
  EXPECT_EQ(
      WriteTvsResponse(1,
                       {.valid = true,
                        .roles = {TrustListRole::kCcmTftp, TrustListRole::kTvs},
                        .ttl = absl::Hours(24)}),
      "\x57\1\2\0\0\0\0\1\0\x10\7\0\1\0\x8\0\2\2\x15\x9\0\4\0\1\x51\x80"s);
}

}  // namespace
}  // namespace sallyport::capf
