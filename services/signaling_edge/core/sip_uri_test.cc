#include "services/signaling_edge/core/sip_uri.h"

#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

TEST(SipUriTest, EveryPart) {
  const auto uri = ParseSipUri(
      "sip:alice:secret@atlanta.example:5070;transport=tcp;lr?subject=x&to=y");
  ASSERT_TRUE(uri.ok());
  EXPECT_EQ(uri->scheme, UriScheme::kSip);
  EXPECT_EQ(uri->user, "alice");
  EXPECT_EQ(uri->password, "secret");
  EXPECT_EQ(uri->host, "atlanta.example");
  EXPECT_EQ(uri->host_kind, HostKind::kName);
  EXPECT_EQ(uri->port, 5070);
  EXPECT_EQ(uri->params, ";transport=tcp;lr");
  EXPECT_EQ(uri->headers, "subject=x&to=y");
  EXPECT_EQ(uri->Param("Transport"), "tcp");
  EXPECT_TRUE(uri->is_loose_router());
  EXPECT_FALSE(uri->Param("maddr"));
}

TEST(SipUriTest, ParameterNamesMayBeEscaped) {  // RFC 4475 section 3.1.1.3
  const auto uri = ParseSipUri("sip:a@b;%6C%72;n%61me=x");
  ASSERT_TRUE(uri.ok());
  EXPECT_TRUE(uri->is_loose_router());
  EXPECT_EQ(uri->Param("name"), "x");
}

TEST(SipUriTest, TheUserMayHoldSemicolonsAndQuestionMarks) {
  // RFC 4475 section 3.1.1.14 (semiuri).
  const auto uri = ParseSipUri("sip:user;par=u%40example.net@example.com");
  ASSERT_TRUE(uri.ok());
  EXPECT_EQ(uri->user, "user;par=u%40example.net");
  EXPECT_EQ(uri->DecodedUser(), "user;par=u@example.net");
  EXPECT_TRUE(uri->params.empty());
}

TEST(SipUriTest, TelHasNoHost) {
  const auto uri = ParseSipUri("tel:+1-201-555-0123;phone-context=example.com");
  ASSERT_TRUE(uri.ok());
  EXPECT_EQ(uri->scheme, UriScheme::kTel);
  EXPECT_EQ(uri->user, "+1-201-555-0123");
  EXPECT_EQ(uri->Param("phone-context"), "example.com");
  EXPECT_TRUE(uri->host.empty());
}

struct PrintCase {
  const char* name;
  const char* text;
};

class SipUriPrintTest : public testing::TestWithParam<PrintCase> {};

TEST_P(SipUriPrintTest, PrintsWhatItRead) {
  const auto uri = ParseSipUri(GetParam().text);
  ASSERT_TRUE(uri.ok());
  EXPECT_EQ(uri->ToString(), GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(
    Forms, SipUriPrintTest,
    testing::Values(
        PrintCase{"HostOnly", "sip:example.com"},
        PrintCase{"Sips", "sips:bob@example.com"},
        PrintCase{"Ipv4", "sip:bob@192.0.2.4:5060"},
        PrintCase{"Ipv6", "sip:bob@[2001:db8::9:1]:5061;transport=tls"},
        PrintCase{"EmptyPassword", "sip:bob:@example.com"},
        PrintCase{"EscapedUser", "sip:sips%3Auser%40example.com@example.net"},
        PrintCase{"OddUser",
                  "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?"
                  ",/;;*@example.com"},
        PrintCase{"EscapedParam", "sip:cal%6Cer@h.example;%6C%72;n%61me=v"},
        PrintCase{"Header", "sip:a@example.com?Route=%3Csip:b.example%3E"},
        PrintCase{"EmptyHeaderValue", "sip:a@example.com?x="},
        PrintCase{"Tel", "tel:*67;phone-context=+1"},
        PrintCase{"RootedName", "sip:a@example.com."}),
    [](const auto& info) { return std::string(info.param.name); });

class SipUriRefusedTest : public testing::TestWithParam<const char*> {};

TEST_P(SipUriRefusedTest, IsMalformed) {
  EXPECT_EQ(ParseSipUri(GetParam()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(
    Forms, SipUriRefusedTest,
    testing::Values(
        "", "sip", "sip:", "http://example.com", ":a@b", "sip:@b", "sip:a@",
        "sip:a@b@c", "sip:a b@c", "sip:a@b c", "sip:a@b:0", "sip:a@b:65536",
        "sip:a@b:", "sip:a@b:5x", "sip:a%4@b", "sip:a%zz@b", "sip:a@b;",
        "sip:a@b;;lr", "sip:a@b;=x", "sip:a@b; lr", "sip:a@b;p=1;P=2",
        "sip:a@b;lr;%6Cr", "sip:a@b?", "sip:a@b?x", "sip:a@b?x=1&",
        "sip:a@b?=1", "sip:<a@b>", "sip:a\"@b", "sip:a@1.2.3",
        "sip:a@1.2.3.256", "sip:a@1.2.3.4.5", "sip:a@-", "sip:a@b..c",
        "sip:a@.b", "sip:a@[::1", "sip:a@::1", "sip:a@[1::2::3]",
        "sip:a@[12345::]", "sip:a@[1:2:3:4:5:6:7]", "sip:a@[1:2:3:4:5:6:7:8:9]",
        "sip:a@[:::1]", "sip:a@[1:]", "sip:a@[::1.2.3]", "sip:a@[fe80::1%eth0]",
        "tel:", "tel:1+2", "tel:12;", "tel:12 3", "tel:--"));

TEST(SipUriTest, TelTakesHexDigitsAndSeparators) {
  EXPECT_TRUE(ParseSipUri("tel:A*#(0)").ok());
}

TEST(SipUriTest, TooManyParametersAreRefused) {
  std::string text = "sip:a@b";
  for (int i = 0; i < 32; ++i) text += ";p" + std::to_string(i);
  EXPECT_TRUE(ParseSipUri(text).ok());
  text += ";q";
  EXPECT_FALSE(ParseSipUri(text).ok());
}

TEST(SipUriTest, Ipv6Forms) {
  for (std::string_view good :
       {"[::]", "[::1]", "[1::]", "[1:2:3:4:5:6:7:8]", "[1::8]",
        "[::ffff:192.0.2.1]", "[1:2:3:4:5:6:192.0.2.1]", "[2001:DB8::A]",
        "[2001:db8:::192.0.2.1]",  // RFC 5118 section 4.10
        "[:::192.0.2.1]"}) {
    EXPECT_EQ(ClassifyHost(good), HostKind::kIpv6) << good;
  }
  for (std::string_view bad : {"[]", "[:]", "[1:2:3:4:5:6:7:192.0.2.1]",
                               "[1:::2]", "[::1:]", "[g::]", "[::1]x"}) {
    EXPECT_EQ(ClassifyHost(bad), HostKind::kNone) << bad;
  }
}

// The examples of RFC 3261 section 19.1.4, and more of each rule.
struct PairCase {
  const char* name;
  const char* a;
  const char* b;
  bool same;
};

class SipUriEquivalentTest : public testing::TestWithParam<PairCase> {};

TEST_P(SipUriEquivalentTest, Rfc3261Section19_1_4) {
  const auto a = ParseSipUri(GetParam().a);
  const auto b = ParseSipUri(GetParam().b);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(Equivalent(*a, *b), GetParam().same);
  EXPECT_EQ(Equivalent(*b, *a), GetParam().same);
}

INSTANTIATE_TEST_SUITE_P(
    Examples, SipUriEquivalentTest,
    testing::Values(
        PairCase{"EscapesAndCase", "sip:%61lice@atlanta.com;transport=TCP",
                 "sip:alice@AtlanTa.CoM;Transport=tcp", true},
        PairCase{"UnknownParam", "sip:carol@chicago.com",
                 "sip:carol@chicago.com;newparam=5", true},
        PairCase{"TwoUnknownParams", "sip:carol@chicago.com;security=on",
                 "sip:carol@chicago.com;newparam=5", true},
        PairCase{"OrderOfParams",
                 "sip:biloxi.com;transport=tcp;method=REGISTER?to="
                 "sip:bob%40biloxi.com",
                 "sip:biloxi.com;method=REGISTER;transport=tcp?to="
                 "sip:bob%40biloxi.com",
                 true},
        PairCase{"OrderOfHeaders",
                 "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                 "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
                 true},
        PairCase{"CaseOfUser", "SIP:ALICE@AtLanTa.CoM;Transport=udp",
                 "sip:alice@AtLanTa.CoM;Transport=UDP", false},
        PairCase{"DefaultPort", "sip:bob@biloxi.com", "sip:bob@biloxi.com:5060",
                 false},
        PairCase{"DefaultTransport", "sip:bob@biloxi.com",
                 "sip:bob@biloxi.com;transport=udp", false},
        PairCase{"PortAndTransport", "sip:bob@biloxi.com",
                 "sip:bob@biloxi.com:6000;transport=tcp", false},
        PairCase{"HeaderInOne", "sip:carol@chicago.com",
                 "sip:carol@chicago.com?Subject=next%20meeting", false},
        PairCase{"NameAndAddress", "sip:bob@phone21.boxesbybob.com",
                 "sip:bob@192.0.2.4", false},
        PairCase{"SharedParamDiffers", "sip:carol@chicago.com;security=on",
                 "sip:carol@chicago.com;security=off", false},
        PairCase{"UserParamInOne", "sip:+1@a.com", "sip:+1@a.com;user=phone",
                 false},
        PairCase{"MaddrInOne", "sip:a@a.com;maddr=1.2.3.4", "sip:a@a.com",
                 false},
        PairCase{"SchemesDiffer", "sip:a@a.com", "sips:a@a.com", false},
        PairCase{"ReservedEscapeDiffers", "sip:a%3Bb@a.com", "sip:a;b@a.com",
                 false},
        PairCase{"PasswordInOne", "sip:a@a.com", "sip:a:@a.com", false},
        PairCase{"PasswordCase", "sip:a:X@a.com", "sip:a:x@a.com", false},
        PairCase{"TelSeparators", "tel:+1-201-555", "tel:+1201555", true},
        PairCase{"TelContextInOne", "tel:201;phone-context=+1", "tel:201",
                 false}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(SipUriTest, AbsoluteUri) {
  EXPECT_TRUE(IsAbsoluteUri("nobodyKnowsThisScheme:totallyopaquecontent"));
  EXPECT_TRUE(IsAbsoluteUri("soap.beep://192.0.2.103:3002"));
  for (std::string_view bad : {"", "nocolon", ":x", "a:", "1a:x", "a b:x",
                               "a:b c", "a:<b>", "a:\"b\"", "a:\xc3\xa9"}) {
    EXPECT_FALSE(IsAbsoluteUri(bad)) << bad;
  }
}

TEST(SipUriTest, WritesOneFromParts) {
  SipUri uri;
  uri.user = "+12015550123";
  uri.host = "gw.example";
  uri.host_kind = HostKind::kName;
  uri.port = 5061;
  uri.params = ";transport=tls";
  EXPECT_EQ(uri.ToString(), "sip:+12015550123@gw.example:5061;transport=tls");
}

TEST(SipUriTest, TellsTheSchemesThatAreItsOwn) {
  for (const char* uri : {"sip:a@b", "SIPS:a@b", "tel:+1", "sip:"}) {
    EXPECT_TRUE(HasSipScheme(uri)) << uri;
  }
  for (const char* uri : {"", "sip", "sipx:a@b", "http://a", ":", "mailto:a"}) {
    EXPECT_FALSE(HasSipScheme(uri)) << uri;
  }
}

}  // namespace
}  // namespace sallyport::signaling_edge
