#include "services/signaling_edge/core/sip_framer.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kMessage[] =
    "OPTIONS sip:b SIP/2.0\r\nTo: <sip:b>\r\nContent-Length: 4\r\n\r\nbody";

// Frames as text: a message as it is, "ping", "crlf", or the error's reason.
std::vector<std::string> Drain(SipFramer& framer) {
  std::vector<std::string> frames;
  for (;;) {
    const auto frame = framer.Next();
    if (!frame.ok()) {
      frames.push_back(ReasonOf(frame.status()));
      return frames;
    }
    if (!frame->has_value()) return frames;
    switch ((*frame)->kind) {
      case SipFrame::Kind::kMessage:
        frames.emplace_back((*frame)->text);
        break;
      case SipFrame::Kind::kPing:
        frames.push_back("ping");
        break;
      case SipFrame::Kind::kCrlf:
        frames.push_back("crlf");
        break;
    }
  }
}

std::vector<std::string> Frames(std::string_view octets,
                                const ParsePolicy& policy = {}) {
  SipFramer framer(policy);
  framer.Append(octets);
  return Drain(framer);
}

using Strings = std::vector<std::string>;

TEST(SipFramerTest, OneReadManyMessages) {
  EXPECT_EQ(Frames(std::string(kMessage) + kMessage + "OPTIONS"),
            (Strings{kMessage, kMessage}));
}

TEST(SipFramerTest, OctetByOctet) {
  SipFramer framer({});
  Strings got;
  for (char c : std::string(kMessage) + kMessage) {
    framer.Append(std::string_view(&c, 1));
    for (const std::string& frame : Drain(framer)) got.push_back(frame);
  }
  EXPECT_EQ(got, (Strings{kMessage, kMessage}));
  EXPECT_FALSE(framer.mid_message());
}

TEST(SipFramerTest, KeepAlivesOfRfc5626) {
  EXPECT_EQ(Frames("\r\n\r\n"), Strings{"ping"});
  EXPECT_EQ(Frames(std::string("\r\n\r\n") + kMessage + "\r\n\r\n" + kMessage),
            (Strings{"ping", kMessage, "ping", kMessage}));
  EXPECT_EQ(Frames(std::string("\r\n") + kMessage),
            (Strings{"crlf", kMessage}));
}

TEST(SipFramerTest, PingInTwoReads) {
  SipFramer framer({});
  framer.Append("\r\n");
  EXPECT_EQ(Drain(framer), Strings{"crlf"});
  framer.Append("\r");
  EXPECT_EQ(Drain(framer), Strings{});
  framer.Append("\n");
  EXPECT_EQ(Drain(framer), Strings{"ping"});
  framer.Append(kMessage);
  EXPECT_EQ(Drain(framer), Strings{kMessage});
}

TEST(SipFramerTest, ContentLengthInAnySpelling) {
  for (const char* field :
       {"l:4", "L : 4", "CONTENT-LENGTH:\t4 ", "Content-Length:\r\n 4",
        "Content-Length\r\n : \r\n\t 0004"}) {
    const std::string text = std::string("OPTIONS sip:b SIP/2.0\r\n") + field +
                             "\r\nX: l: 9\r\n\r\nbody";
    EXPECT_EQ(Frames(text + kMessage), (Strings{text, kMessage})) << field;
  }
}

TEST(SipFramerTest, ABodyMayHoldAnything) {
  const std::string text =
      std::string("M sip:b SIP/2.0\r\nl: 9\r\n\r\n\r\n\r\n\0l: 5", 34);
  ASSERT_EQ(Frames(text), Strings{text});
}

// Hardening: on a stream a bad or missing Content-Length ends the connection.
TEST(SipFramerTest, BadContentLengthEndsTheStream) {
  const auto reason = [](const char* field) {
    const Strings frames = Frames(std::string("OPTIONS sip:b SIP/2.0\r\n") +
                                  field + "\r\n\r\nbody" + kMessage);
    return frames.size() == 1 ? frames[0] : "more";
  };
  EXPECT_EQ(reason("X: y"), "SIP_CONTENT_LENGTH_INVALID");
  EXPECT_EQ(reason("l: -4"), "SIP_CONTENT_LENGTH_INVALID");
  EXPECT_EQ(reason("l: 4x"), "SIP_CONTENT_LENGTH_INVALID");
  EXPECT_EQ(reason("l:"), "SIP_CONTENT_LENGTH_INVALID");
  EXPECT_EQ(reason("l 4"), "SIP_CONTENT_LENGTH_INVALID");
  EXPECT_EQ(reason("l: 4\r\nContent-Length: 4"), "SIP_HEADER_DUPLICATE");
  EXPECT_EQ(reason("l: 65536"), "SIP_MESSAGE_TOO_LARGE");
  EXPECT_EQ(reason("l: 18446744073709551620"), "SIP_MESSAGE_TOO_LARGE");
}

TEST(SipFramerTest, StaysFailedAndKeepsWhatMayBeAnswered) {
  SipFramer framer({});
  const std::string bad = "OPTIONS sip:b SIP/2.0\r\nl: x\r\n\r\n";
  framer.Append(bad);
  EXPECT_FALSE(framer.Next().ok());
  EXPECT_EQ(framer.pending(), bad);
  framer.Append(kMessage);
  EXPECT_FALSE(framer.Next().ok());
}

TEST(SipFramerTest, CapsHoldBeforeTheMessageIsWhole) {
  ParsePolicy policy;
  policy.max_start_line = 30;
  policy.max_header_bytes = 100;
  EXPECT_EQ(Frames(std::string(31, 'A'), policy), Strings{});
  EXPECT_EQ(Frames(std::string(32, 'A'), policy),
            Strings{"SIP_MESSAGE_TOO_LARGE"});
  EXPECT_EQ(
      Frames("OPTIONS sip:b SIP/2.0\r\nX: " + std::string(80, 'x'), policy),
      Strings{"SIP_MESSAGE_TOO_LARGE"});
  policy.max_body = 3;
  EXPECT_EQ(Frames("OPTIONS sip:b SIP/2.0\r\nl: 4\r\n\r\n", policy),
            Strings{"SIP_MESSAGE_TOO_LARGE"});
}

TEST(SipFramerTest, OtherProtocolsAreKnownByTheirFirstOctet) {
  EXPECT_EQ(Frames("\x16\x03\x01"), Strings{"SIP_START_LINE_MALFORMED"});
  EXPECT_EQ(Frames(std::string("\0", 1)), Strings{"SIP_START_LINE_MALFORMED"});
  EXPECT_EQ(Frames("\r\rx"), Strings{"SIP_START_LINE_MALFORMED"});
  EXPECT_EQ(Frames(" OPTIONS"), Strings{"SIP_START_LINE_MALFORMED"});
}

}  // namespace
}  // namespace sallyport::signaling_edge
