// Who a called party is told that calls: what the caller asks for (RFC 3323),
// and whose word counts for who it is (RFC 3325).

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sip_headers.h"

namespace sallyport::signaling_edge {
namespace {

constexpr std::string_view kAnonymous =
    "\"Anonymous\" <sip:anonymous@anonymous.invalid>";

class CallPrivacyTest : public EdgeCoreTest {
 protected:
  // The INVITE that gets to alice or, by 9..., to the gateway, of a call from
  // the PBX with these header lines, and with this From.
  SipMessage Called(std::string_view number, std::string_view lines,
                    std::string_view from = "") {
    ConnectionId to = 0;
    if (number[0] != '9') {
      to = edge_.ConnectTls("", "SEP1");
      EXPECT_TRUE(edge_.Register(to, "alice"));
    }
    edge_.Forget();
    std::string invite = PbxInvite(number, TestSdp("192.0.2.10", 4000, false));
    if (!lines.empty()) invite = WithHeaders(invite, lines);
    if (!from.empty()) {
      const size_t at = invite.find("From: ");
      invite.replace(at, invite.find('\n', at) - at, Cat("From: ", from));
    }
    edge_.ReceiveUdp(kPbx, invite);
    if (to == 0) to = edge_.AcceptDialled("gw.d.test");
    const auto sent = edge_.TakeTo(to);
    EXPECT_TRUE(sent && sent->message.method() == SipMethod::kInvite);
    return sent.has_value() ? sent->message : SipMessage();
  }
  static std::string FromOf(const SipMessage& invite) {
    const std::string from(invite.Value(HeaderId::kFrom));
    return from.substr(0, from.find(";tag="));
  }
};

TEST_F(CallPrivacyTest, WhoAsksForNothingIsShown) {
  const SipMessage invite = Called("95551234", "");
  EXPECT_EQ(FromOf(invite), "\"PBX User\" <sip:5551000@d.test>");
  EXPECT_EQ(invite.Value(HeaderId::kPAssertedIdentity), "<sip:5551000@d.test>");
  EXPECT_FALSE(invite.Has(HeaderId::kPrivacy));
}

// RFC 3325 section 7: a trunk is told who it is and that nobody else may know.
TEST_F(CallPrivacyTest, ATrunkIsToldAndMustNotTell) {
  const SipMessage invite = Called("95551234", "Privacy: id;critical");
  EXPECT_EQ(FromOf(invite), kAnonymous);
  EXPECT_EQ(invite.Value(HeaderId::kPAssertedIdentity), "<sip:5551000@d.test>");
  EXPECT_EQ(invite.Value(HeaderId::kPrivacy), "id");
}

TEST_F(CallPrivacyTest, AUserIsToldNothing) {
  const SipMessage invite = Called("1001", "Privacy: header; user");
  EXPECT_EQ(FromOf(invite), kAnonymous);
  EXPECT_FALSE(invite.Has(HeaderId::kPAssertedIdentity));
  EXPECT_FALSE(invite.Has(HeaderId::kPrivacy));
}

// Nor is the one that the user sends the call on to.
TEST_F(CallPrivacyTest, ATransferTellsNothingEither) {
  const SipMessage invite = Called("1001", "Privacy: id");
  const Sent sent{edge_.core().connections().All().back()->id, {}, invite};
  edge_.Answer(sent, 200, "al", TestSdp("203.0.113.5", 4000, true),
               "sip:alice@203.0.113.5:40000;transport=tls");
  const auto ok = [&] {
    for (;;) {
      auto answer = edge_.TakeToUdp(kPbx);
      if (!answer || answer->message.status_code() == 200) return answer;
    }
  }();
  ASSERT_TRUE(ok);
  edge_.ReceiveUdp(
      kPbx,
      PbxInDialog(
          "ACK", 1,
          std::string(ParseNameAddr(ok->message.Value(HeaderId::kTo))->tag())));
  edge_.Forget();
  edge_.RequestFrom(sent, "al", "REFER", 2, "",
                    {"Refer-To: <sip:95550000@d.test>"});
  const ConnectionId gateway = edge_.AcceptDialled("gw.d.test");
  const auto onward = edge_.TakeTo(gateway);
  ASSERT_TRUE(onward);
  EXPECT_EQ(FromOf(onward->message), kAnonymous);
  EXPECT_EQ(onward->message.Value(HeaderId::kPrivacy), "id");
}

// RFC 3323 section 4.2: "none" asks for nothing, whatever else stands there.
TEST_F(CallPrivacyTest, NoneIsNothing) {
  EXPECT_EQ(FromOf(Called("95551234", "Privacy: none")),
            "\"PBX User\" <sip:5551000@d.test>");
}

// RFC 3325 section 5: of a caller that hides behind From a trunk says who it
// is; what a From that names somebody says is not overruled.
TEST_F(CallPrivacyTest, TheTrunksWordCounts) {
  const SipMessage invite =
      Called("95551234",
             "P-Asserted-Identity: \"Eve\" <sip:777@192.0.2.10>\nPrivacy: id",
             "<sip:anonymous@anonymous.invalid>;tag=p1");
  EXPECT_EQ(FromOf(invite), kAnonymous);
  EXPECT_EQ(invite.Value(HeaderId::kPAssertedIdentity), "<sip:777@d.test>");
}

TEST_F(CallPrivacyTest, AFromThatNamesSomebodyStands) {
  const SipMessage invite =
      Called("95551234", "P-Asserted-Identity: <sip:777@192.0.2.10>");
  EXPECT_EQ(invite.Value(HeaderId::kPAssertedIdentity), "<sip:5551000@d.test>");
}

// RFC 3325 section 9.2: a user that hides behind From proves the identity that
// it prefers; what it asserts counts for nothing.
TEST_F(CallPrivacyTest, AUserProvesWhatItPrefers) {
  const ConnectionId alice = edge_.ConnectTls("", "SEP1");
  ASSERT_TRUE(edge_.Register(alice, "alice"));
  const std::string uri = "sip:95551234@d.test";
  const std::string invite =
      Cat("INVITE ", uri,
          " SIP/2.0\n"
          "Via: SIP/2.0/TLS 203.0.113.5:40000;branch=z9hG4bKal1\n"
          "Max-Forwards: 70\n"
          "From: <sip:anonymous@anonymous.invalid>;tag=al1\n"
          "To: <",
          uri,
          ">\nCall-ID: al1\nCSeq: 1 INVITE\n"
          "P-Preferred-Identity: <sip:alice@d.test>\n"
          "P-Asserted-Identity: <sip:5550000@d.test>\n"
          "Privacy: id\n"
          "Contact: <sip:alice@203.0.113.5:40000;transport=tls>\n"
          "Content-Type: application/sdp\n\n",
          TestSdp("203.0.113.5", 4000, true));
  edge_.Forget();
  edge_.Receive(alice, invite);
  auto challenge = edge_.TakeTo(alice);
  while (challenge && challenge->message.status_code() == 100) {
    challenge = edge_.TakeTo(alice);
  }
  ASSERT_TRUE(challenge && challenge->message.status_code() == 407);
  std::string again =
      EdgeHarness::WithDigest(invite, *challenge, "alice", "INVITE", uri);
  again.replace(again.find("z9hG4bKal1"), 10, "z9hG4bKal2");
  edge_.Receive(alice, again);
  const ConnectionId gateway = edge_.AcceptDialled("gw.d.test");
  const auto sent = edge_.TakeTo(gateway);
  ASSERT_TRUE(sent);
  EXPECT_EQ(FromOf(sent->message), kAnonymous);
  const std::string_view told =
      sent->message.Value(HeaderId::kPAssertedIdentity);
  EXPECT_TRUE(told == "<sip:alice@d.test>" || told == "<sip:1001@d.test>")
      << told;
  EXPECT_EQ(sent->message.All(HeaderId::kPAssertedIdentity).size(), 1u);
}

// The plan's word for who calls by a line: it is shown whatever the phone says
// of itself, and vouched for; of who wants to be nobody it is not told.
class LineNameTest : public CallPrivacyTest {
 protected:
  // alice, whose phone needs no password, with a line of this name.
  void Name(std::string name) {
    auto plan = TestPlan();
    plan->version = ++version_;
    LineEntry line;
    line.name = "tenants/t/lines/front";
    line.directory_number = "4001";
    line.caller_display_name = std::move(name);
    line.users = {"tenants/t/users/alice"};
    plan->lines = {line};
    plan->phones[0].lsc_alone = true;
    edge_.Load(plan);
    alice_ = edge_.ConnectTls("", "SEP1");
  }

  // What the gateway gets of a call of hers.
  SipMessage Calls(std::string_view from, std::string_view lines) {
    const int call = ++calls_;
    edge_.Forget();
    edge_.Receive(alice_,
                  Cat("INVITE sip:95551234@d.test SIP/2.0\n"
                      "Via: SIP/2.0/TLS 203.0.113.5:40000;branch=z9hG4bKname",
                      call, "\nMax-Forwards: 70\nFrom: ", from,
                      ";tag=a1\nTo: <sip:95551234@d.test>\nCall-ID: name", call,
                      "\nCSeq: 1 INVITE\n", lines,
                      "Contact: <sip:alice@203.0.113.5:40000;transport=tls>\n"
                      "Content-Type: application/sdp\n\n",
                      TestSdp("203.0.113.5", 4000, true)));
    if (gateway_ == 0) gateway_ = edge_.AcceptDialled("gw.d.test");
    const auto sent = edge_.TakeTo(gateway_);
    EXPECT_TRUE(sent.has_value()) << edge_.Refusals();
    return sent.has_value() ? sent->message : SipMessage();
  }

  int64_t version_ = 1;
  int calls_ = 0;
  ConnectionId alice_ = 0;
  ConnectionId gateway_ = 0;
};

TEST_F(LineNameTest, ThePlansNameIsShownAndVouchedFor) {
  Name("Front \"Desk\"");
  constexpr std::string_view kNamed =
      "\"Front \\\"Desk\\\"\" <sip:alice@d.test>";
  SipMessage invite = Calls("\"Robert\" <sip:alice@d.test>", "");
  EXPECT_EQ(FromOf(invite), kNamed);
  EXPECT_EQ(invite.Value(HeaderId::kPAssertedIdentity), kNamed);
  invite = Calls("<sip:alice@d.test>", "Privacy: id\n");
  EXPECT_EQ(FromOf(invite), kAnonymous);
  EXPECT_EQ(invite.Value(HeaderId::kPAssertedIdentity), kNamed);
}

TEST_F(LineNameTest, WithoutOneThePhoneIsBelievedButNotVouchedFor) {
  Name("");
  const SipMessage invite = Calls("\"Robert\" <sip:alice@d.test>", "");
  EXPECT_EQ(FromOf(invite), "\"Robert\" <sip:alice@d.test>");
  EXPECT_EQ(invite.Value(HeaderId::kPAssertedIdentity), "<sip:alice@d.test>");
}

}  // namespace
}  // namespace sallyport::signaling_edge
