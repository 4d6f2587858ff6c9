#include "services/signaling_edge/core/sip_headers.h"

#include <string>

#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

TEST(ViaTest, EveryPart) {
  const auto via = ParseVia(
      "SIP/2.0/TLS "
      "[2001:db8::1]:5062;branch=z9hG4bKx;received=192.0.2.1;rport");
  ASSERT_TRUE(via.ok());
  EXPECT_EQ(via->transport, SipTransport::kTls);
  EXPECT_EQ(via->host, "[2001:db8::1]");
  EXPECT_EQ(via->host_kind, HostKind::kIpv6);
  EXPECT_EQ(via->port, 5062);
  EXPECT_EQ(via->branch(), "z9hG4bKx");
  EXPECT_EQ(via->received(), "192.0.2.1");
  EXPECT_EQ(via->rport(), "");
  EXPECT_EQ(via->ToString(),
            "SIP/2.0/TLS [2001:db8::1]:5062;branch=z9hG4bKx;received=192.0.2.1"
            ";rport");
}

TEST(ViaTest, SpacesWhereTheGrammarAllowsThem) {  // RFC 4475 3.1.1.1
  const auto via = ParseVia(
      "SIP  / 2.0  / TCP     spindle.example.com   : 5060 ;"
      " branch  =   z9hG4bK9ikj8 ");
  ASSERT_TRUE(via.ok());
  EXPECT_EQ(via->transport, SipTransport::kTcp);
  EXPECT_EQ(via->host, "spindle.example.com");
  EXPECT_EQ(via->port, 5060);
  EXPECT_EQ(via->branch(), "z9hG4bK9ikj8");
}

TEST(ViaTest, DefaultPorts) {  // RFC 3261 section 18.2.2, 19.1.2
  EXPECT_EQ(ParseVia("SIP/2.0/UDP a.example")->sent_by_port(), 5060);
  EXPECT_EQ(ParseVia("SIP/2.0/TLS a.example")->sent_by_port(), 5061);
  EXPECT_EQ(ParseVia("SIP/2.0/TLS a.example:7")->sent_by_port(), 7);
}

TEST(ViaTest, UnknownTransportKeepsItsName) {  // RFC 4475 3.1.1.11
  const auto via = ParseVia("SIP/2.0/UNKNOWN t5.example.com;branch=z9hG4bKk");
  ASSERT_TRUE(via.ok());
  EXPECT_EQ(via->transport, SipTransport::kOther);
  EXPECT_EQ(via->transport_text, "UNKNOWN");
}

class ViaRefusedTest : public testing::TestWithParam<const char*> {};

TEST_P(ViaRefusedTest, IsMalformed) { EXPECT_FALSE(ParseVia(GetParam()).ok()); }

INSTANTIATE_TEST_SUITE_P(
    Forms, ViaRefusedTest,
    testing::Values("", "SIP/2.0/UDP", "SIP/2.0/UDP ", "SIP//UDP a",
                    "SIP/2.0 a", "HTTP/2.0/UDP a", "SIP/2.0/UDPa",
                    "SIP/2.0/UDP a;", "SIP/2.0/UDP a;;", "SIP/2.0/UDP a:0",
                    "SIP/2.0/UDP a:65536", "SIP/2.0/UDP a:x", "SIP/2.0/UDP a b",
                    "SIP/2.0/UDP a;branch=", "SIP/2.0/UDP ;branch=x",
                    "SIP/2.0/UDP 1.2.3.999", "SIP/2.0/UDP <a>"));

TEST(NameAddrTest, QuotedNameMayHoldAnything) {
  const auto addr =
      ParseNameAddr(R"("Bell, \"A\" <x>" <sip:a;p=1@b.example;lr>;tag=9)");
  ASSERT_TRUE(addr.ok());
  EXPECT_EQ(addr->DisplayName(), R"(Bell, "A" <x>)");
  EXPECT_EQ(addr->uri, "sip:a;p=1@b.example;lr");
  EXPECT_EQ(addr->tag(), "9");
  EXPECT_EQ(addr->ToString(),
            R"("Bell, \"A\" <x>" <sip:a;p=1@b.example;lr>;tag=9)");
}

TEST(NameAddrTest, WithoutAnglesParametersAreTheFields) {  // section 20.10
  const auto addr = ParseNameAddr("sip:+1972@gw1.example.net;unknownparam");
  ASSERT_TRUE(addr.ok());
  EXPECT_EQ(addr->uri, "sip:+1972@gw1.example.net");
  EXPECT_EQ(addr->Param("unknownparam"), "");
  EXPECT_EQ(addr->ToString(), "<sip:+1972@gw1.example.net>;unknownparam");
}

TEST(NameAddrTest, TokensAsName) {
  const auto addr = ParseNameAddr("caller one<sip:c@example.com> ;tag=323");
  ASSERT_TRUE(addr.ok());  // RFC 4475 3.1.1.6: no space before '<'
  EXPECT_EQ(addr->display_name, "caller one");
  EXPECT_EQ(addr->tag(), "323");
  EXPECT_TRUE(ParseNameAddr("J\xc3\xb6rg <sip:a@b>").ok());
  EXPECT_EQ(ParseNameAddr("\"\" <sip:a@b>")->DisplayName(), "");
}

class NameAddrRefusedTest : public testing::TestWithParam<const char*> {};

TEST_P(NameAddrRefusedTest, IsMalformed) {
  EXPECT_FALSE(ParseNameAddr(GetParam()).ok());
}

INSTANTIATE_TEST_SUITE_P(
    Forms, NameAddrRefusedTest,
    testing::Values("", "<>", "<sip:a", "sip:a>", "\"open <sip:a>",
                    "Bell, A <sip:a@b>",  // RFC 4475 3.1.2.15
                    "\"a\"", "\"a\" sip:b", "<sip:a b>", "< sip:a@b>",
                    "<sip:a>x", "<sip:a>;", "<sip:a>;;", "<sip:a>;tag=",
                    "sip:a@b?Route=x",  // RFC 4475 3.1.2.11
                    "<<sip:a>>", "a@b", "<nocolon>", "*"));

TEST(ContactTest, Star) {
  EXPECT_TRUE(IsStar(" * "));
  EXPECT_FALSE(IsStar("**"));
  EXPECT_FALSE(IsStar("<sip:*@a>"));
}

TEST(CseqTest, NumberIsBelow2To31) {  // RFC 3261 section 8.1.1.5
  const auto cseq = ParseCseq("0009   INVITE");
  ASSERT_TRUE(cseq.ok());
  EXPECT_EQ(cseq->number, 9u);
  EXPECT_EQ(cseq->method, SipMethod::kInvite);
  EXPECT_EQ(cseq->ToString(), "9 INVITE");
  EXPECT_TRUE(ParseCseq("2147483647 X").ok());
  for (std::string_view bad :
       {"2147483648 INVITE", "36893488147419103232 REGISTER", "-1 INVITE",
        "INVITE", "1", "1INVITE", "1 INV ITE", "", "1 ", "1.0 INVITE"}) {
    EXPECT_FALSE(ParseCseq(bad).ok()) << bad;
  }
}

TEST(RackTest, Rfc3262Section7_2) {
  const auto rack = ParseRack("776656 1 INVITE");
  ASSERT_TRUE(rack.ok());
  EXPECT_EQ(rack->response_number, 776656u);
  EXPECT_EQ(rack->cseq.number, 1u);
  EXPECT_EQ(rack->cseq.method, SipMethod::kInvite);
  EXPECT_FALSE(ParseRack("1 INVITE").ok());
  EXPECT_FALSE(ParseRack("4294967296 1 INVITE").ok());
}

TEST(AuthValueTest, DigestCredentials) {
  const auto auth = ParseAuthValue(
      "Digest username=\"bob\", realm=\"a, b\",nonce=\"\\\"q\\\"\", nc=00000001"
      ",uri=\"sip:a@b\", algorithm=SHA-256");
  ASSERT_TRUE(auth.ok());
  EXPECT_EQ(auth->scheme, "Digest");
  EXPECT_EQ(auth->Get("Realm"), "a, b");
  EXPECT_EQ(auth->Get("nonce"), "\"q\"");
  EXPECT_EQ(auth->Get("nc"), "00000001");
  EXPECT_FALSE(auth->Get("opaque"));
}

TEST(AuthValueTest, RefusesAmbiguity) {
  for (std::string_view bad :
       {"", "Digest", "Digest ", "Digest a", "Digest a=", "Digest a=\"b",
        "Digest a=b,a=c", "Digest a=b, A=c", "Digest a=\"b\"c", "Digest a=b c",
        "Digest a=b,,c=d", "=a"}) {
    EXPECT_FALSE(ParseAuthValue(bad).ok()) << bad;
  }
}

TEST(ValueWithParamsTest, TypeAndEvent) {
  const auto value = ParseValueWithParams("application/sdp ;charset=\"utf-8\"");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->value, "application/sdp");
  EXPECT_EQ(value->Param("CHARSET"), "\"utf-8\"");
  EXPECT_FALSE(ParseValueWithParams("").ok());
  EXPECT_FALSE(ParseValueWithParams(";a=b").ok());
  EXPECT_FALSE(ParseValueWithParams("a;").ok());
}

// Hardening: integer ranges, with saturation only where it is defined.
TEST(NumberTest, Ranges) {
  EXPECT_EQ(ParseContentLength("0000", 10), 0u);
  EXPECT_FALSE(ParseContentLength("-999", 10));
  EXPECT_FALSE(ParseContentLength("11", 10));
  EXPECT_FALSE(ParseContentLength("18446744073709551626", 65535));
  EXPECT_EQ(ParseMaxForwards("255"), 255);
  EXPECT_FALSE(ParseMaxForwards("256"));
  EXPECT_FALSE(ParseMaxForwards(""));
  EXPECT_EQ(ParseDeltaSeconds(std::string(100, '9')), 4294967295u);
  EXPECT_EQ(ParseLeadingSeconds("18000;duration=3600"), 18000u);
  EXPECT_EQ(ParseLeadingSeconds("120 (I'm in a meeting)"), 120u);
  EXPECT_FALSE(ParseLeadingSeconds("soon"));
}

TEST(ListTest, HasToken) {
  EXPECT_TRUE(ListHasToken("100rel, timer", "Timer"));
  EXPECT_FALSE(ListHasToken("100relx,timers", "timer"));
  EXPECT_FALSE(ListHasToken("", "timer"));
}

TEST(TransportTest, Names) {
  EXPECT_EQ(TransportFrom("tls"), SipTransport::kTls);
  EXPECT_EQ(TransportName(SipTransport::kWss), "WSS");
  EXPECT_EQ(TransportFrom("quic"), SipTransport::kOther);
  EXPECT_FALSE(IsReliable(SipTransport::kUdp));
  EXPECT_TRUE(IsReliable(SipTransport::kTls));
}

}  // namespace
}  // namespace sallyport::signaling_edge
