#include "services/common/log/log_fields.h"

#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/log/redact.h"

namespace sallyport {
namespace {

std::string Json(const LogField& field) {
  std::string out;
  AppendJsonField(field, &out);
  return out;
}

TEST(LogFieldsTest, WritesEachTypeAsItsJsonType) {
  EXPECT_EQ(Json({"reason", "PEER_DISABLED"}), "\"reason\":\"PEER_DISABLED\"");
  EXPECT_EQ(Json({"n", -3}), "\"n\":-3");
  EXPECT_EQ(Json({"n", uint64_t{18446744073709551615u}}),
            "\"n\":18446744073709551615");
  EXPECT_EQ(Json({"ok", true}), "\"ok\":true");
  EXPECT_EQ(Json({"wait", absl::Milliseconds(1500)}), "\"wait\":1.5");
  EXPECT_EQ(Json({"x", std::numeric_limits<double>::infinity()}), "\"x\":null");
  EXPECT_EQ(Json({"at", absl::FromUnixMillis(1500)}),
            "\"at\":\"1970-01-01T00:00:01.500Z\"");
  EXPECT_EQ(Json({"error", absl::NotFoundError("no such key")}),
            "\"error\":\"NOT_FOUND: no such key\"");
  EXPECT_EQ(Json({"error", absl::OkStatus()}), "\"error\":\"OK\"");
}

TEST(LogFieldsTest, NoOctetBreaksTheLine) {
  EXPECT_EQ(Json({"k", "a\"b\\c\nd\te\r"}), R"("k":"a\"b\\c\nd\te\r")");
  EXPECT_EQ(Json({"k", std::string("\x00\x1f\x7f", 3)}),
            R"("k":"\u0000\u001f\u007f")");
  EXPECT_EQ(Json({"k", "gr\xc3\xbc\xc3\x9f"}), "\"k\":\"gr\xc3\xbc\xc3\x9f\"");
  // RFC 3629: lone continuation, overlong, surrogate, above U+10FFFF, cut off.
  for (const char* bad :
       {"\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    const std::string json = Json({"k", bad});
    EXPECT_NE(json.find("\\ufffd"), std::string::npos) << json;
    for (char c : json) EXPECT_LT(static_cast<unsigned char>(c), 0x80);
  }
}

TEST(LogFieldsTest, RedactedShowsOnlyItsHash) {
  const std::string json = Json({"from", Redacted("sip:+15551234567@a.test")});
  EXPECT_EQ(json.find("5551234567"), std::string::npos);
  EXPECT_EQ(json.size(), std::string("\"from\":\"#0123456789abcdef\"").size());
}

}  // namespace
}  // namespace sallyport
