#include "services/signaling_edge/core/via_stamp.h"

#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

SocketAddress At(std::string_view text) { return *SocketAddress::Parse(text); }

SipMessage WithVia(std::string_view via) {
  SipMessage request = SipMessage::Request(SipMethod::kOptions, "sip:x@y");
  request.Add(HeaderId::kVia, via);
  return request;
}

TEST(ViaStampTest, NotesTheRealSource) {  // RFC 3261 18.2.1, RFC 3581
  const struct {
    const char* via;
    const char* stamped;
    const char* answer_to;
  } kCases[] = {
      {"SIP/2.0/UDP 192.0.2.1:5080;branch=z9hG4bK1",
       "SIP/2.0/UDP 192.0.2.1:5080;branch=z9hG4bK1", "192.0.2.1:5080"},
      {"SIP/2.0/UDP 192.0.2.1:5080;branch=z9hG4bK1;rport",
       "SIP/2.0/UDP 192.0.2.1:5080;branch=z9hG4bK1;received=192.0.2.1"
       ";rport=6000",
       "192.0.2.1:6000"},
      {"SIP/2.0/UDP host.example.com;branch=z9hG4bK1",
       "SIP/2.0/UDP host.example.com;branch=z9hG4bK1;received=192.0.2.1",
       "192.0.2.1:5060"},
      // A sender does not get to say where it came from.
      {"SIP/2.0/UDP 192.0.2.1;received=203.0.113.9;rport=1;branch=z9hG4bK1",
       "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;received=192.0.2.1;rport=6000",
       "192.0.2.1:6000"},
  };
  for (const auto& c : kCases) {
    SipMessage request = WithVia(c.via);
    EXPECT_EQ(StampReceived(request, At("192.0.2.1:6000"), absl::Seconds(30))
                  .ToString(),
              c.answer_to);
    EXPECT_EQ(request.Value(HeaderId::kVia), c.stamped);
  }
}

TEST(ViaStampTest, OnlyTheTopmostViaIsStamped) {
  SipMessage request =
      WithVia("SIP/2.0/UDP a.test;branch=z9hG4bK1, SIP/2.0/UDP b.test");
  StampReceived(request, At("192.0.2.1:6000"), absl::Seconds(30));
  const auto vias = request.Items(HeaderId::kVia);
  ASSERT_EQ(vias.size(), 2u);
  EXPECT_EQ(vias[0], "SIP/2.0/UDP a.test;branch=z9hG4bK1;received=192.0.2.1");
  EXPECT_EQ(vias[1], "SIP/2.0/UDP b.test");
}

TEST(ViaStampTest, SaysHowOftenToShowSigns) {  // RFC 6223 section 4.3
  const auto stamped = [](SipMethod method, std::string_view keep) {
    SipMessage request = SipMessage::Request(method, "sip:x@y");
    request.Add(HeaderId::kVia,
                Cat("SIP/2.0/TCP 192.0.2.1:5080;branch=z9hG4bK1", keep));
    StampReceived(request, At("192.0.2.1:5080"), absl::Seconds(120));
    return std::string(request.Value(HeaderId::kVia));
  };
  for (const SipMethod method : {SipMethod::kRegister, SipMethod::kInvite}) {
    EXPECT_EQ(stamped(method, ";Keep"),
              "SIP/2.0/TCP 192.0.2.1:5080;branch=z9hG4bK1;received=192.0.2.1"
              ";keep=120");
    EXPECT_EQ(stamped(method, ";keep=7"),  // another's agreement
              "SIP/2.0/TCP 192.0.2.1:5080;branch=z9hG4bK1;keep=7");
  }
  EXPECT_EQ(stamped(SipMethod::kOptions, ";keep"),
            "SIP/2.0/TCP 192.0.2.1:5080;branch=z9hG4bK1;keep");
}

TEST(ViaStampTest, TheOtherScheme) {  // RFC 5630 section 3.1.3
  EXPECT_EQ(AsSips("sip:a@h:5071;transport=tls;x=1"), "sips:a@h:5071;x=1");
  EXPECT_EQ(AsSip("sips:a@h:5071;x=1"), "sip:a@h:5071;x=1;transport=tls");
  EXPECT_EQ(AsSip("SIPS:h"), "sip:h;transport=tls");
  EXPECT_EQ(AsSip("sip:a@h;transport=TLS"), "sip:a@h;transport=TLS");
  EXPECT_EQ(AsSips("tel:+1"), "tel:+1");
}

TEST(ViaStampTest, OurOwnViaAndContact) {
  SipMessage request = WithVia("SIP/2.0/UDP old.test");
  AddVia(request, {SipTransport::kTls, "edge.test", 5061, 5061}, "abc");
  EXPECT_EQ(request.Items(HeaderId::kVia)[0],
            "SIP/2.0/TLS edge.test;branch=z9hG4bKabc;rport");
  AddVia(request, {SipTransport::kTls, "edge.test", 5061, 5061}, "b", true);
  EXPECT_EQ(request.Items(HeaderId::kVia)[0],
            "SIP/2.0/TLS edge.test;branch=z9hG4bKb;rport;alias");
  EXPECT_EQ(ContactUri({SipTransport::kTls, "192.0.2.1", 15061, 5061}),
            "sip:edge@192.0.2.1:15061;transport=tls");
  EXPECT_EQ(ServiceRouteUri("edge.test",
                            {SipTransport::kTls, "192.0.2.1", 15061, 5061}),
            "sip:edge.test:15061;transport=tls;lr");
  EXPECT_EQ(ContactUri({SipTransport::kUdp, "2001:db8::1", 5060, 5060}),
            "sip:edge@[2001:db8::1]");
}

}  // namespace
}  // namespace sallyport::signaling_edge
