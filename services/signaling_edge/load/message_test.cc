#include "services/signaling_edge/load/message.h"

#include <string>

#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kResponse[] =
    "SIP/2.0 200 OK\r\n"
    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    "Record-Route: <sip:b;lr>\r\n"
    "Record-Route: <sip:a;lr>\r\n"
    "From: <sip:a@b>;tag=1\r\n"
    "To: <sip:c@d>;tag=called\r\n"
    "Call-ID: 00000017@load\r\n"
    "CSeq: 1 INVITE\r\n"
    "Content-Length: 4\r\n\r\nabcd";

TEST(MessageTest, TellsWhereAMessageEnds) {
  const std::string text = kResponse;
  EXPECT_EQ(WholeMessage(text), text.size());
  EXPECT_EQ(WholeMessage(text + "SIP/2.0 100"), text.size());
  EXPECT_EQ(WholeMessage(text.substr(0, text.size() - 1)), 0u);
  EXPECT_EQ(WholeMessage("OPTIONS sip:a SIP/2.0\r\n"), 0u);
}

TEST(MessageTest, ReadsWhatALoadNeeds) {
  EXPECT_EQ(CodeOf(kResponse), 200);
  EXPECT_EQ(CodeOf("INVITE sip:a@b SIP/2.0\r\n"), 0);
  EXPECT_EQ(Field(kResponse, "CSeq"), "1 INVITE");
  EXPECT_EQ(Field(kResponse, "Contact"), "");
  EXPECT_EQ(Lines(kResponse, "Record-Route"),
            "Record-Route: <sip:b;lr>\r\nRecord-Route: <sip:a;lr>\r\n");
  EXPECT_EQ(Between(Field(kResponse, "To"), ";tag=", ";>"), "called");
}

TEST(MessageTest, NumbersComeBack) {
  EXPECT_EQ(Digits(17), "00000017");
  EXPECT_EQ(NumberIn("INVITE sip:800000017@192.0.2.1 SIP/2.0"), 17u);
  EXPECT_EQ(NumberIn(Field(kResponse, "Call-ID")), 17u);
  EXPECT_EQ(NumberIn("sip:alice@example.com"), UINT32_MAX);
}

TEST(MessageTest, AResponseCopiesWhatIsToBeCopied) {
  const std::string out = ResponseTo(
      "BYE sip:x SIP/2.0\r\nVia: v1\r\nVia: v2\r\nFrom: f\r\nTo: "
      "<t>\r\nCall-ID: i\r\nCSeq: 2 BYE\r\n\r\n",
      "200 OK", "x", "", "");
  EXPECT_EQ(out,
            "SIP/2.0 200 OK\r\nVia: v1\r\nVia: v2\r\nFrom: f\r\nTo: "
            "<t>;tag=x\r\nCall-ID: i\r\nCSeq: 2 BYE\r\nContent-Length: "
            "0\r\n\r\n");
}

}  // namespace
}  // namespace sallyport::signaling_edge
