#include "services/signaling_edge/core/sip_parser.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_headers.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kVia[] = "Via: SIP/2.0/UDP a.example;branch=z9hG4bKx\r\n";
constexpr char kRest[] =
    "From: <sip:a@a.example>;tag=1\r\n"
    "To: <sip:b@b.example>\r\n"
    "Call-ID: c@a.example\r\n"
    "CSeq: 1 OPTIONS\r\n";

// A good request with `extra` fields, each with its CRLF, and a body.
std::string Options(std::string_view extra, std::string_view body = "") {
  std::string text = "OPTIONS sip:b@b.example SIP/2.0\r\n";
  text.append(kVia).append(kRest).append(extra).append("\r\n").append(body);
  return text;
}

std::string ReasonFor(std::string_view text, const ParsePolicy& policy = {}) {
  const auto message = ParseSipMessage(text, policy);
  return message.ok() ? "accepted" : ReasonOf(message.status());
}

TEST(SipParserTest, Request) {
  const auto message = ParseSipMessage(
      Options("Max-Forwards: 70\r\nContent-Length: 4\r\n", "body"), {});
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ(message->method(), SipMethod::kOptions);
  EXPECT_EQ(message->request_uri(), "sip:b@b.example");
  EXPECT_EQ(message->Value(HeaderId::kMaxForwards), "70");
  EXPECT_EQ(message->body(), "body");
  EXPECT_EQ(message->header_count(), 7u);
}

// For operators: which field, and where, but not what it holds.
TEST(SipParserTest, AnErrorSaysWhere) {
  const auto where = [](std::string_view text) {
    const auto message = ParseSipMessage(text, {});
    return message.ok() ? "accepted" : std::string(message.status().message());
  };
  EXPECT_EQ(where("\r\n" + Options("Subject: a\r\n b\r\nExpires: word\r\n")),
            "Expires, line 9");
  EXPECT_EQ(where(Options("Contact: <sip:a@h>\r\nm: <sip:a b>\r\n")),
            "Contact, line 8");
  EXPECT_EQ(where(Options("X-Own: a\x01z\r\n")),
            "X-Own: control character, line 7");
  EXPECT_EQ(where(Options("no field\r\n")), "no name and colon, line 7");
  EXPECT_EQ(where(Options("Max-Forwards: 7\r\nMax-Forwards: 8\r\n")),
            "Max-Forwards, line 8");
  EXPECT_EQ(where(Options("Content-Length: 9\r\n", "body")),
            "Content-Length: past the end, line 7");
  EXPECT_EQ(where(Options("Subject: a\nSubject: b\r\n")),
            "Subject: line feed alone, line 7");
  EXPECT_EQ(where("OPTIONS sip:a@b SIP/2.0\r\n" + std::string(kRest) + "\r\n"),
            "Via");
}

TEST(SipParserTest, Response) {
  const auto message = ParseSipMessage(
      std::string("SIP/2.0 180 Ringing now\r\n") + kVia + kRest + "\r\n", {});
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ(message->status_code(), 180);
  EXPECT_EQ(message->reason_phrase(), "Ringing now");
}

TEST(SipParserTest, LeadingEmptyLinesAreSkipped) {  // RFC 3261 section 7.5
  EXPECT_EQ(ReasonFor("\r\n\r\n" + Options("")), "accepted");
}

TEST(SipParserTest, FoldingIsUndone) {
  const auto message =
      ParseSipMessage(Options("Subject: one\r\n  two\r\n\tthree\r\n"), {});
  ASSERT_TRUE(message.ok());
  const std::string_view subject = message->Value(HeaderId::kSubject);
  EXPECT_EQ(subject.find_first_of("\r\n"), std::string_view::npos);
  EXPECT_EQ(subject, "one    two  \tthree");
}

TEST(SipParserTest, TrailingOctetsAreDropped) {  // RFC 3261 section 18.3
  const auto message =
      ParseSipMessage(Options("Content-Length: 2\r\n", "bodyINVITE"), {});
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->body(), "bo");
}

TEST(SipParserTest, WithoutContentLengthTheBodyIsTheRest) {
  const auto message = ParseSipMessage(Options("", "body"), {});
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->body(), "body");
}

// --- research/sip.md section 4.2, one test for each item of "Parser" ---

TEST(HardeningTest, ContentLengthIsDigitsOnlyAndCapped) {
  for (const char* bad :
       {"-999", "+4", "4x", "0x4", " ", "", "4,4", "4 4", "\"4\"", "1e1"}) {
    EXPECT_EQ(ReasonFor(Options(std::string("Content-Length: ") + bad + "\r\n",
                                "body")),
              "SIP_CONTENT_LENGTH_INVALID")
        << bad;
  }
  // More than there is; then such as wrap to 4 in 32 and in 64 bits.
  EXPECT_EQ(ReasonFor(Options("Content-Length: 5\r\n", "body")),
            "SIP_CONTENT_LENGTH_INVALID");
  for (const char* large : {"65536", "4294967300", "18446744073709551620",
                            "99999999999999999999999999999999999999999999"}) {
    EXPECT_EQ(ReasonFor(Options(
                  std::string("Content-Length: ") + large + "\r\n", "body")),
              "SIP_MESSAGE_TOO_LARGE")
        << large;
  }
}

TEST(HardeningTest, DuplicateContentLengthIsRefusedEvenWhenEqual) {
  EXPECT_EQ(ReasonFor(Options("Content-Length: 4\r\nl: 4\r\n", "body")),
            "SIP_HEADER_DUPLICATE");
}

TEST(HardeningTest, CapOnBody) {
  ParsePolicy policy;
  policy.max_body = 4;
  EXPECT_EQ(ReasonFor(Options("", "body"), policy), "accepted");
  EXPECT_EQ(ReasonFor(Options("", "body5"), policy), "SIP_MESSAGE_TOO_LARGE");
  EXPECT_EQ(ReasonFor(Options("Content-Length: 5\r\n", "body5"), policy),
            "SIP_MESSAGE_TOO_LARGE");
}

TEST(HardeningTest, CapOnStartLine) {
  ParsePolicy policy;
  policy.max_start_line = 31;  // "OPTIONS sip:b@b.example SIP/2.0"
  EXPECT_EQ(ReasonFor(Options(""), policy), "accepted");
  policy.max_start_line = 30;
  EXPECT_EQ(ReasonFor(Options(""), policy), "SIP_MESSAGE_TOO_LARGE");
  EXPECT_EQ(ReasonFor(std::string(5000, 'A')), "SIP_MESSAGE_TOO_LARGE");
}

TEST(HardeningTest, CapOnHeaderCount) {
  ParsePolicy policy;
  policy.max_headers = 6;
  EXPECT_EQ(ReasonFor(Options("X-A: 1\r\n"), policy), "accepted");
  EXPECT_EQ(ReasonFor(Options("X-A: 1\r\nX-A: 1\r\n"), policy),
            "SIP_MESSAGE_TOO_LARGE");
}

TEST(HardeningTest, CapOnHeaderLineCountsItsFolding) {
  ParsePolicy policy;
  policy.max_header_line = 100;
  EXPECT_EQ(ReasonFor(Options("X: " + std::string(90, 'x') + "\r\n"), policy),
            "accepted");
  EXPECT_EQ(ReasonFor(Options("X: " + std::string(110, 'x') + "\r\n"), policy),
            "SIP_MESSAGE_TOO_LARGE");
  std::string folded = "X: 1\r\n";
  for (int i = 0; i < 40; ++i) folded += " 1\r\n";
  EXPECT_EQ(ReasonFor(Options(folded), policy), "SIP_MESSAGE_TOO_LARGE");
}

TEST(HardeningTest, CapOnAllHeaderBytes) {
  ParsePolicy policy;
  policy.max_header_bytes = 1000;
  std::string fields;
  for (int i = 0; i < 20; ++i)
    fields += "X-A: " + std::string(60, 'x') + "\r\n";
  EXPECT_EQ(ReasonFor(Options(fields), policy), "SIP_MESSAGE_TOO_LARGE");
}

TEST(HardeningTest, CapOnViaRouteAndContactElements) {
  ParsePolicy policy;
  policy.max_vias = 2;
  policy.max_routes = 2;
  policy.max_contacts = 2;
  const struct {
    const char* within;
    const char* above;
  } kCases[] = {
      {"v: SIP/2.0/UDP b\r\n", "v: SIP/2.0/UDP b,SIP/2.0/UDP c\r\n"},
      {"Route: <sip:a>,<sip:b>\r\n", "Route: <sip:a>,<sip:b>,<sip:c>\r\n"},
      {"Record-Route: <sip:a>\r\nRecord-Route: <sip:b>\r\n",
       "Record-Route: <sip:a>\r\nRecord-Route: <sip:b>,<sip:c>\r\n"},
      {"Contact: <sip:a>,<sip:b>\r\n", "m: <sip:a>\r\nm: <sip:b>,<sip:c>\r\n"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(ReasonFor(Options(c.within), policy), "accepted") << c.within;
    EXPECT_EQ(ReasonFor(Options(c.above), policy), "SIP_MESSAGE_TOO_LARGE")
        << c.above;
  }
}

TEST(HardeningTest, WhiteSpaceBeforeTheColonIsTheGrammars) {
  EXPECT_EQ(ReasonFor(Options("Max-Forwards \t : 256\r\n")),
            "SIP_HEADER_MALFORMED")
      << "the field must be seen for what it is";
  EXPECT_EQ(ReasonFor(Options("Max-Forwards \t : 70\r\n")), "accepted");
  EXPECT_EQ(ReasonFor(Options("Max-Forwards\r\n : 70\r\n")), "accepted");
  for (const char* bad :
       {": 70\r\n", "Max Forwards: 70\r\n", "NoColon\r\n",
        "Max-Forwards\x0b: 70\r\n", "Max-Forwards\xa0: 70\r\n",
        "\"Max-Forwards\": 70\r\n"}) {
    EXPECT_EQ(ReasonFor(Options(bad)), "SIP_HEADER_MALFORMED") << bad;
  }
}

TEST(HardeningTest, ControlCharactersAreRefused) {
  for (int c = 0; c < 0x20; ++c) {
    if (c == '\t') continue;
    std::string field = "Subject: a";
    field.push_back(static_cast<char>(c));
    field += "b\r\n";
    EXPECT_EQ(ReasonFor(Options(field)), "SIP_HEADER_MALFORMED") << c;
  }
  EXPECT_EQ(ReasonFor(Options("Subject: a\x7f\r\n")), "SIP_HEADER_MALFORMED");
  EXPECT_EQ(ReasonFor(Options("Subject: a\tb\xc3\xa9\r\n")), "accepted");
}

TEST(HardeningTest, NulIsRefusedEverywhereButInABody) {
  using std::string_literals::operator""s;
  EXPECT_EQ(ReasonFor(Options("Subject: a\0b\r\n"s)), "SIP_HEADER_MALFORMED");
  EXPECT_EQ(ReasonFor(Options("Sub\0ject: a\r\n"s)), "SIP_HEADER_MALFORMED");
  EXPECT_EQ(ReasonFor(Options("Subject: \"\\\0\"\r\n"s)),
            "SIP_HEADER_MALFORMED");
  EXPECT_EQ(ReasonFor("OPT\0IONS sip:b@b.example SIP/2.0\r\n"s + kVia + kRest +
                      "\r\n"),
            "SIP_START_LINE_MALFORMED");
  const auto message = ParseSipMessage(Options("", "a\0b"s), {});
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->body(), "a\0b"s);
}

TEST(HardeningTest, EscapedControlsOnlyByPolicyAndOnlyInQuotes) {
  using std::string_literals::operator""s;
  ParsePolicy policy;
  policy.accept_escaped_controls = true;
  EXPECT_EQ(ReasonFor(Options("Subject: \"\\\0 \\\x07\"\r\n"s), policy),
            "accepted");
  EXPECT_EQ(ReasonFor(Options("Subject: \\\0\r\n"s), policy),
            "SIP_HEADER_MALFORMED");
  EXPECT_EQ(ReasonFor(Options("Subject: \"\0\"\r\n"s), policy),
            "SIP_HEADER_MALFORMED");
}

TEST(HardeningTest, LineEndsAreCrlfOnly) {
  std::string lf = Options("");
  for (size_t at; (at = lf.find("\r\n")) != std::string::npos;) {
    lf.erase(at, 1);
  }
  EXPECT_NE(ReasonFor(lf), "accepted");
  EXPECT_EQ(ReasonFor(Options("Subject: a\nX: b\r\n")), "SIP_HEADER_MALFORMED");
  EXPECT_EQ(ReasonFor(Options("Subject: a\rX: b\r\n")), "SIP_HEADER_MALFORMED");
}

TEST(HardeningTest, ABlankLineEndsTheFields) {
  std::string text = Options("");
  text.resize(text.size() - 2);
  EXPECT_EQ(ReasonFor(text), "SIP_HEADER_MALFORMED");
}

TEST(HardeningTest, CompactFormsEqualLongForms) {
  const auto message = ParseSipMessage(
      "OPTIONS sip:b@b.example SIP/2.0\r\n"
      "v: SIP/2.0/UDP a.example;branch=z9hG4bKx\r\nf: <sip:a@a>;tag=1\r\n"
      "t: <sip:b@b>\r\nI: c\r\nCSeq: 1 OPTIONS\r\nL: 2\r\nk: timer\r\n\r\nhi",
      {});
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ(message->body(), "hi");
  EXPECT_EQ(message->FirstNamed("Supported"), "timer");
  EXPECT_EQ(message->FirstNamed("K"), "timer");
}

TEST(HardeningTest, DuplicateSingletonsAre400InAnySpelling) {
  for (const char* second :
       {"From: <sip:a@a.example>;tag=1\r\n", "f: <sip:x@x>\r\n",
        "FROM : <sip:x@x>\r\n", "t: <sip:x@x>\r\n", "i: other\r\n",
        "Cseq: 2 OPTIONS\r\n", "Max-Forwards: 1\r\nMAX-FORWARDS: 1\r\n",
        "Expires: 1\r\nExpires: 1\r\n", "c: a/b\r\nContent-Type: a/b\r\n",
        "Refer-To: <sip:a>\r\nr: <sip:a>\r\n"}) {
    EXPECT_EQ(ReasonFor(Options(second)), "SIP_HEADER_DUPLICATE") << second;
  }
}

TEST(HardeningTest, IntegerFieldsAreInRange) {
  for (const char* bad :
       {"Max-Forwards: 256\r\n", "Max-Forwards: -1\r\n", "Max-Forwards:\r\n",
        "Max-Forwards: 4294967366\r\n", "Expires: -1\r\n", "Expires: x\r\n"}) {
    EXPECT_EQ(ReasonFor(Options(bad)), "SIP_HEADER_MALFORMED") << bad;
  }
  // Expires saturates, as section 20.19 tells.
  EXPECT_EQ(ReasonFor(Options("Expires: 99999999999999999999\r\n")),
            "accepted");
}

TEST(HardeningTest, StatusCodesAre100To699) {
  const auto reason = [](const char* status) {
    return ReasonFor(std::string("SIP/2.0 ") + status + "\r\n" + kVia + kRest +
                     "\r\n");
  };
  EXPECT_EQ(reason("100 x"), "accepted");
  EXPECT_EQ(reason("699 x"), "accepted");
  EXPECT_EQ(reason("200 "), "accepted");
  for (const char* bad : {"099 x", "700 x", "99 x", "1000 x", "2OO x", "200",
                          "", " 200 x", "-20 x"}) {
    EXPECT_EQ(reason(bad), "SIP_START_LINE_MALFORMED") << bad;
  }
}

TEST(HardeningTest, MandatoryFieldsArePresent) {
  for (const char* field : {"Via", "From", "To", "Call-ID", "CSeq"}) {
    std::string text = Options("");
    const size_t at = text.find(std::string("\r\n") + field + ":");
    ASSERT_NE(at, std::string::npos);
    text.erase(at, text.find("\r\n", at + 2) - at);
    EXPECT_EQ(ReasonFor(text), "SIP_HEADER_MISSING") << field;
  }
}

TEST(SipParserTest, StartLines) {
  const auto reason = [](std::string_view line) {
    return ReasonFor(std::string(line) + "\r\n" + kVia + kRest + "\r\n");
  };
  EXPECT_EQ(reason("OPTIONS sip:b SIP/2.0"), "accepted");
  EXPECT_EQ(reason("OPTIONS sip:b sip/2.0"), "accepted");
  EXPECT_EQ(reason("OPTIONS urn:service:sos SIP/2.0"), "accepted");
  for (std::string_view bad :
       {"", "OPTIONS", "OPTIONS sip:b", "OPTIONS  sip:b SIP/2.0",
        "OPTIONS sip:b  SIP/2.0", "OPTIONS sip:b SIP/2.0 ",
        " OPTIONS sip:b SIP/2.0", "OPTIONS\tsip:b\tSIP/2.0",
        "OPTIONS sip:b HTTP/1.1", "OPTIONS sip:b SIP/2",
        "OPT:IONS sip:b "
        "SIP/2.0",
        "OPTIONS SIP/2.0"}) {
    EXPECT_EQ(reason(bad), "SIP_START_LINE_MALFORMED") << bad;
  }
  EXPECT_EQ(reason("OPTIONS sip:b SIP/7.0"), "SIP_VERSION_UNSUPPORTED");
  EXPECT_EQ(reason("OPTIONS sip:b SIP/2.00"), "SIP_VERSION_UNSUPPORTED");
  EXPECT_EQ(reason("OPTIONS <sip:b> SIP/2.0"), "SIP_URI_MALFORMED");
  EXPECT_EQ(reason("OPTIONS sip: SIP/2.0"), "SIP_URI_MALFORMED");
  EXPECT_EQ(reason("OPTIONS sip:b?x=y SIP/2.0"), "SIP_URI_MALFORMED");
  EXPECT_EQ(reason("OPTIONS sip:a?b@c SIP/2.0"), "accepted");
}

TEST(SipParserTest, CseqMethodIsTheRequests) {  // RFC 3261 section 8.1.1.5
  EXPECT_EQ(ReasonFor(std::string("INVITE sip:b SIP/2.0\r\n") + kVia + kRest +
                      "\r\n"),
            "SIP_HEADER_MALFORMED");
}

TEST(SipParserTest, StarContactOnlyAloneAndInRegister) {
  EXPECT_EQ(ReasonFor(Options("Contact: *\r\n")), "SIP_HEADER_MALFORMED");
  const std::string start = std::string("REGISTER sip:b SIP/2.0\r\n") + kVia +
                            "From: <sip:a@a>;tag=1\r\nTo: <sip:a@a>\r\n"
                            "Call-ID: c\r\nCSeq: 1 REGISTER\r\n";
  EXPECT_EQ(ReasonFor(start + "Contact: *\r\nExpires: 0\r\n\r\n"), "accepted");
  EXPECT_EQ(ReasonFor(start + "Contact: *, <sip:a@b>\r\n\r\n"),
            "SIP_HEADER_MALFORMED");
}

TEST(SipParserTest, KnownUrisInFieldsAreWhole) {
  for (const char* bad :
       {"Via: SIP/3.0/UDP b\r\n", "Contact: <sip:a@>\r\n", "Route: <sip:>\r\n",
        "Route: sip:a\r\n", "Record-Route: <sip:a@b;;lr>\r\n",
        "Contact: <sip:a@1.2.3.400>\r\n", "Contact: \"open <sip:a@b>\r\n",
        "Contact:\r\n"}) {
    EXPECT_EQ(ReasonFor(Options(bad)), "SIP_HEADER_MALFORMED") << bad;
  }
}

TEST(SipParserTest, EveryPrefixIsRefusedOrWhole) {
  const std::string whole = Options("Content-Length: 4\r\n", "body");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(ReasonFor(whole.substr(0, size)), "accepted") << size;
  }
}

TEST(SalvageRequestTest, GivesWhatARefusalCopies) {
  const std::string text =
      Options("Content-Length: -1\r\nNo colon here\r\nMax-Forwards: 999\r\n");
  ASSERT_FALSE(ParseSipMessage(text, {}).ok());
  const auto request = SalvageRequest(text, {});
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->method(), SipMethod::kOptions);
  EXPECT_EQ(request->Value(HeaderId::kCallId), "c@a.example");
  EXPECT_EQ(request->Value(HeaderId::kCseq), "1 OPTIONS");
  EXPECT_EQ(request->Count(HeaderId::kVia), 1u);
}

// baresip doubles ";transport=tls" in the Request-URI and To when the dialled
// URI has it already; a caller who hears nothing waits for half a minute.
TEST(SalvageRequestTest, AMalformedToIsRepeatedAsItStands) {
  const std::string text =
      "INVITE sip:1@x;transport=tls;transport=tls SIP/2.0\r\n"
      "Via: SIP/2.0/TLS x;branch=z9hG4bK1\r\nFrom: <sip:y@x>;tag=a\r\n"
      "To: <sip:1@x;transport=tls;transport=tls>\r\nCall-ID: c\r\n"
      "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
  EXPECT_FALSE(ParseSipMessage(text, {}).ok());
  const auto request = SalvageRequest(text, {});
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->Value(HeaderId::kTo),
            "<sip:1@x;transport=tls;transport=tls>");
}

TEST(SalvageRequestTest, NoAnswerWhereNoneIsPossibleOrAllowed) {
  EXPECT_FALSE(SalvageRequest(Options("f: <sip:x@x>\r\n"), {}).ok())
      << "two From fields: which would the response repeat?";
  EXPECT_FALSE(SalvageRequest("garbage", {}).ok());
  EXPECT_FALSE(SalvageRequest(
                   std::string("SIP/2.0 999 x\r\n") + kVia + kRest + "\r\n", {})
                   .ok());
  std::string ack = Options("Content-Length: -1\r\n");
  ack.replace(0, 7, "ACK");
  EXPECT_FALSE(SalvageRequest(ack, {}).ok()) << "an ACK is never answered";
}

}  // namespace
}  // namespace sallyport::signaling_edge
