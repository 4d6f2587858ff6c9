// Whole calls of a SECURED phone through EdgeCore.
#include <string>

#include "gtest/gtest.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

// --------------------------------------------------------- secured phones

class SecuredPhoneTest : public EdgeCoreTest {
 protected:
  SecuredPhoneTest() {
    phone_ = edge_.ConnectTls("", "SEP1");
    EXPECT_TRUE(edge_.Register(phone_, "alice"));
  }

  std::string PhoneInvite(std::string_view number, std::string_view sdp,
                          int cseq, std::string_view authorization = "") {
    return Cat("INVITE sip:", number,
               "@d.test SIP/2.0\n"
               "Via: SIP/2.0/TLS 203.0.113.5:40000;branch=z9hG4bKph",
               cseq,
               ";rport\nMax-Forwards: 70\n"
               "From: <sip:alice@d.test>;tag=a1\nTo: <sip:",
               number, "@d.test>\nCall-ID: phone1\nCSeq: ", cseq,
               " INVITE\n"
               "Contact: <sip:alice@203.0.113.5:40000;transport=tls>",
               authorization.empty() ? "" : "\nProxy-Authorization: ",
               authorization, "\nContent-Type: application/sdp\n\n", sdp);
  }

  // Answers the 407 as a phone does, and gives what comes after the 100.
  void PhoneCalls(std::string_view number, std::string_view sdp) {
    edge_.Receive(phone_, PhoneInvite(number, sdp, 1));
    ASSERT_TRUE(edge_.TakeTo(phone_));  // 100
    auto challenge = edge_.TakeTo(phone_);
    ASSERT_TRUE(challenge);
    ASSERT_EQ(challenge->message.status_code(), 407);
    const auto value =
        ParseAuthValue(challenge->message.Value(HeaderId::kProxyAuthenticate));
    const std::string nonce = value->Get("nonce").value_or("");
    const auto md5 = [](std::string_view text) {
      return HexEncode(Md5(AsBytes(text)));
    };
    const std::string response =
        md5(Cat(md5("alice:d.test:pw"), ":", nonce,
                ":00000001:c:auth:", md5("INVITE:sip:x")));
    edge_.Receive(
        phone_,
        PhoneInvite(number, sdp, 2,
                    Cat("Digest username=\"alice\", realm=\"d.test\", "
                        "nonce=\"",
                        nonce, "\", uri=\"sip:x\", response=\"", response,
                        "\", cnonce=\"c\", nc=00000001, qop=auth, "
                        "algorithm=MD5")));
    auto trying = edge_.TakeTo(phone_);
    ASSERT_TRUE(trying && trying->message.status_code() == 100);
  }

  ConnectionId phone_ = 0;
};

TEST_F(SecuredPhoneTest, CallsAGatewayWithRtp) {  // UM-97 to UM-96
  PhoneCalls("95551234", TestSdp("203.0.113.5", 4000, true));
  const ConnectionId gateway = edge_.AcceptDialled("gw.d.test");
  auto invite = edge_.TakeTo(gateway);
  ASSERT_TRUE(invite);
  EXPECT_TRUE(Has(invite->message.body(), "RTP/AVP"));
  EXPECT_FALSE(Has(invite->message.body(), "crypto"));
  EXPECT_TRUE(edge_.created[0].legs[0].suite.has_value());
  EXPECT_FALSE(edge_.created[0].legs[1].suite.has_value());
  edge_.Answer(*invite, 200, "g1", TestSdp("192.0.2.20", 6000, false));
  auto ok = edge_.TakeTo(phone_);
  ASSERT_TRUE(ok);
  EXPECT_EQ(ok->message.status_code(), 200);
  EXPECT_TRUE(Has(ok->message.body(), "RTP/SAVP"));
  EXPECT_TRUE(Has(ok->message.body(), "a=crypto:1 AES_CM_128_HMAC_SHA1_80"));
  const CallRecord& record = *edge_.core().calls().Records()[0];
  EXPECT_EQ(record.legs[0].party.authentication,
            Authentication::kLscAndDigestMd5);
  EXPECT_EQ(record.legs[1].party.identity, "gw.d.test");
  EXPECT_FALSE(record.secure());  // one leg has RTP
}

TEST_F(SecuredPhoneTest, RtpOfferIsRefusedWithItsReason) {  // UM-97
  PhoneCalls("95551234", TestSdp("203.0.113.5", 4000, false));
  auto refused = edge_.TakeTo(phone_);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->message.status_code(), 488);
  EXPECT_EQ(refused->message.reason_phrase(), "Not Acceptable Here");
  EXPECT_FALSE(refused->message.Has(HeaderId::kWarning));
  EXPECT_EQ(edge_.Refusals(), "SECURITY_MODE_SRTP_REQUIRED");
  const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
  EXPECT_EQ(event->refusal->sip_status, 488);
  EXPECT_EQ(event->refusal->dial_plan, "tenants/t/dialPlans/secured");
  EXPECT_EQ(edge_.core().stats().refusals.at("SECURITY_MODE_SRTP_REQUIRED"),
            1u);
  EXPECT_TRUE(edge_.created.empty());  // nothing was begun
  EXPECT_TRUE(edge_.connects.empty() ||
              edge_.TakeTo(edge_.connects[0].connection) == std::nullopt);
}

TEST_F(SecuredPhoneTest, AGatewayCallsThePhone) {
  const ConnectionId gateway = edge_.ConnectTls("gw.d.test", "", "192.0.2.20");
  edge_.Receive(gateway,
                Cat("INVITE sip:1001@203.0.113.1 SIP/2.0\n"
                    "Via: SIP/2.0/TLS 192.0.2.20:5061;branch=z9hG4bKgw1\n"
                    "Max-Forwards: 70\nFrom: <sip:5559999@gw.d.test>;tag=g9\n"
                    "To: <sip:1001@203.0.113.1>\nCall-ID: gwcall\n"
                    "CSeq: 1 INVITE\nContact: <sip:5559999@192.0.2.20>\n"
                    "Content-Type: application/sdp\n\n",
                    TestSdp("192.0.2.20", 6000, false)));
  auto invite = edge_.TakeTo(phone_);
  ASSERT_TRUE(invite) << edge_.Refusals();
  EXPECT_EQ(invite->message.request_uri(),
            "sip:alice@203.0.113.5:40000;transport=tls");
  EXPECT_TRUE(Has(invite->message.body(), "RTP/SAVP"));
  EXPECT_TRUE(Has(invite->message.body(), "a=crypto:1 AES_CM_128"));
  // An answer without SRTP is refused late: ACK, BYE, and 488 to the caller.
  edge_.Answer(*invite, 200, "p1", TestSdp("203.0.113.5", 4000, false),
               "<sip:alice@203.0.113.5:40000;transport=tls>");
  auto ack = edge_.TakeTo(phone_);
  auto bye = edge_.TakeTo(phone_);
  ASSERT_TRUE(ack && bye);
  EXPECT_EQ(ack->message.method(), SipMethod::kAck);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  ASSERT_TRUE(edge_.TakeTo(gateway));  // 100
  auto refused = edge_.TakeTo(gateway);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->message.status_code(), 488);
  EXPECT_EQ(edge_.Refusals(), "SECURITY_MODE_SRTP_REQUIRED");
  EXPECT_EQ(edge_.deleted.size(), 1u);
}

TEST_F(SecuredPhoneTest, ReInviteToRtpIsRefusedAndTheCallGoesOn) {
  PhoneCalls("95551234", TestSdp("203.0.113.5", 4000, true));
  const ConnectionId gateway = edge_.AcceptDialled("gw.d.test");
  auto invite = edge_.TakeTo(gateway);
  ASSERT_TRUE(invite);
  edge_.Answer(*invite, 200, "g1", TestSdp("192.0.2.20", 6000, false));
  auto ok = edge_.TakeTo(phone_);
  ASSERT_TRUE(ok);
  edge_.Forget();
  const auto in_dialog = [&](std::string_view method, int cseq,
                             std::string_view sdp) {
    return Cat(method,
               " sip:edge@203.0.113.1 SIP/2.0\n"
               "Via: SIP/2.0/TLS 203.0.113.5:40000;branch=z9hG4bKin",
               method, cseq,
               "\nMax-Forwards: 70\nFrom: <sip:alice@d.test>;tag=a1\n"
               "To: <sip:95551234@d.test>;tag=",
               Tag(*ok), "\nCall-ID: phone1\nCSeq: ", cseq, " ", method,
               "\nContact: <sip:alice@203.0.113.5:40000;transport=tls>",
               sdp.empty() ? "" : "\nContent-Type: application/sdp\n\n", sdp);
  };
  edge_.Receive(phone_, in_dialog("ACK", 2, ""));
  edge_.Receive(phone_,
                in_dialog("INVITE", 3, TestSdp("203.0.113.5", 4000, false)));
  ASSERT_TRUE(edge_.TakeTo(phone_));
  auto refused = edge_.TakeTo(phone_);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->message.status_code(), 488);
  EXPECT_FALSE(edge_.TakeTo(gateway));
  EXPECT_EQ(edge_.Refusals(), "SECURITY_MODE_SRTP_REQUIRED");
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(SecuredPhoneTest, ContactsEndWithTheConnection) {
  EXPECT_EQ(edge_.core().registrar().size(), 1u);
  edge_.Close(phone_);
  EXPECT_EQ(edge_.core().registrar().size(), 0u);
  EXPECT_EQ(edge_.Last(EdgeEvent::Type::kUnregistered)->reason,
            "CONNECTION_LOST");
}

TEST_F(SecuredPhoneTest, ARemovedPhoneLosesItsConnection) {
  auto plan = TestPlan();
  plan->version = 2;
  plan->phones.clear();
  edge_.Load(plan);
  EXPECT_EQ(edge_.closed, std::vector<ConnectionId>{phone_});
  EXPECT_EQ(edge_.core().registrar().size(), 0u);
  EXPECT_EQ(edge_.core().connections().size(), 0u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
