#include "services/signaling_edge/core/dialog.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_writer.h"

namespace sallyport::signaling_edge {
namespace {

SipMessage Invite() {
  SipMessage invite =
      SipMessage::Request(SipMethod::kInvite, "sip:b@b.example");
  invite.Add(HeaderId::kVia, "SIP/2.0/TLS a.example;branch=z9hG4bK1");
  invite.Add(HeaderId::kRecordRoute, "<sip:p2.example;lr>");
  invite.Add(HeaderId::kRecordRoute, "<sip:p1.example;lr>");
  invite.Add(HeaderId::kFrom, "\"A\" <sip:a@a.example>;tag=af");
  invite.Add(HeaderId::kTo, "<sip:b@b.example>");
  invite.Add(HeaderId::kCallId, "c");
  invite.Add(HeaderId::kCseq, "10 INVITE");
  invite.Add(HeaderId::kContact, "<sip:a@10.0.0.1;transport=tls>");
  return invite;
}

SipMessage Answer(int code, std::string_view contact,
                  std::string_view tag = "bt") {
  SipMessage response = MakeResponse(Invite(), code, "x", tag);
  if (!contact.empty()) response.Add(HeaderId::kContact, contact);
  return response;
}

SipMessage InDialog(SipMethod method, uint32_t cseq,
                    std::string_view contact = "") {
  SipMessage request = SipMessage::Request(method, "sip:edge.example");
  Cseq number;
  number.number = cseq;
  number.method = method;
  request.Add(HeaderId::kCseq, number.ToString());
  if (!contact.empty()) request.Add(HeaderId::kContact, contact);
  return request;
}

Dialog Callee() { return *Dialog::AsCallee(Invite(), "bt", true); }
Dialog Caller(int code = 200) {
  return *Dialog::AsCaller(Invite(), Answer(code, "<sip:b@10.0.0.2>"), true);
}

TEST(DialogTest, AsCallee) {  // section 12.1.1
  const Dialog dialog = Callee();
  EXPECT_EQ(dialog.id(), (DialogId{"c", "bt", "af"}));
  EXPECT_EQ(dialog.state(), Dialog::State::kEarly);
  EXPECT_TRUE(dialog.secure());
  EXPECT_EQ(dialog.remote_target(), "sip:a@10.0.0.1;transport=tls");
  EXPECT_EQ(dialog.local_uri(), "<sip:b@b.example>;tag=bt");
  EXPECT_EQ(dialog.remote_uri(), "\"A\" <sip:a@a.example>;tag=af");
  EXPECT_EQ(dialog.remote_cseq(), 10u);
  EXPECT_EQ(
      dialog.route_set(),
      (std::vector<std::string>{"<sip:p2.example;lr>", "<sip:p1.example;lr>"}));
}

TEST(DialogTest, AsCallerTakesTheRoutesInReverse) {  // section 12.1.2
  const Dialog dialog = Caller();
  EXPECT_EQ(dialog.id(), (DialogId{"c", "af", "bt"}));
  EXPECT_EQ(dialog.state(), Dialog::State::kConfirmed);
  EXPECT_EQ(dialog.remote_target(), "sip:b@10.0.0.2");
  EXPECT_EQ(dialog.next_hop(), "sip:p1.example;lr");
  EXPECT_EQ(dialog.local_cseq(), 10u);
  EXPECT_FALSE(dialog.remote_cseq().has_value());
}

TEST(DialogTest, WhatIsMissingIsSaid) {
  SipMessage no_contact = Invite();
  no_contact.Remove(HeaderId::kContact);
  EXPECT_EQ(ReasonOf(Dialog::AsCallee(no_contact, "bt", true).status()),
            "SIP_HEADER_MISSING");
  EXPECT_EQ(
      ReasonOf(Dialog::AsCaller(Invite(), Answer(200, ""), true).status()),
      "SIP_HEADER_MISSING");
  EXPECT_EQ(
      ReasonOf(Dialog::AsCaller(Invite(), Answer(180, "", ""), true).status()),
      "SIP_HEADER_MISSING");
  const auto ringing = Dialog::AsCaller(Invite(), Answer(180, ""), true);
  ASSERT_TRUE(ringing.ok()) << "a 180 without Contact is common";
  EXPECT_EQ(ringing->remote_target(), "sip:b@b.example");
}

TEST(DialogTest, RequestsCarryWhatSection12_2_1_1Says) {
  Dialog dialog = Caller();
  EXPECT_EQ(WriteSipMessage(dialog.MakeRequest(SipMethod::kBye)),
            "BYE sip:b@10.0.0.2 SIP/2.0\r\n"
            "Route: <sip:p1.example;lr>\r\n"
            "Route: <sip:p2.example;lr>\r\n"
            "Max-Forwards: 70\r\n"
            "From: \"A\" <sip:a@a.example>;tag=af\r\n"
            "To: <sip:b@b.example>;tag=bt\r\n"
            "Call-ID: c\r\n"
            "CSeq: 11 BYE\r\n"
            "Content-Length: 0\r\n\r\n");
  EXPECT_EQ(dialog.MakeRequest(SipMethod::kInfo).Value(HeaderId::kCseq),
            "12 INFO");
  EXPECT_EQ(dialog.MakeAck(10).Value(HeaderId::kCseq), "10 ACK");
}

TEST(DialogTest, AStrictRouterTakesTheRequestUri) {
  SipMessage invite = Invite();
  invite.Set(HeaderId::kRecordRoute, "<sip:old.example>");
  Dialog dialog = *Dialog::AsCallee(invite, "bt", false);
  const SipMessage bye = dialog.MakeRequest(SipMethod::kBye);
  EXPECT_EQ(bye.request_uri(), "sip:old.example");
  EXPECT_EQ(bye.Value(HeaderId::kRoute), "<sip:a@10.0.0.1;transport=tls>");
  EXPECT_EQ(dialog.next_hop(), "sip:old.example");
}

TEST(DialogTest, RequestsOfThePeerComeInOrder) {  // section 12.2.2
  Dialog dialog = Callee();
  EXPECT_TRUE(dialog.OnRequest(InDialog(SipMethod::kInfo, 11)).ok());
  EXPECT_EQ(ReasonOf(dialog.OnRequest(InDialog(SipMethod::kInfo, 11))),
            "CSEQ_OUT_OF_ORDER");
  EXPECT_EQ(ReasonOf(dialog.OnRequest(InDialog(SipMethod::kBye, 5))),
            "CSEQ_OUT_OF_ORDER");
  EXPECT_TRUE(dialog.OnRequest(InDialog(SipMethod::kBye, 100)).ok())
      << "gaps are allowed";
  EXPECT_TRUE(dialog.OnRequest(InDialog(SipMethod::kAck, 10)).ok());
  EXPECT_EQ(dialog.remote_cseq(), 100u);
  EXPECT_TRUE(Caller().OnRequest(InDialog(SipMethod::kBye, 0)).ok())
      << "a caller has seen none yet";
}

TEST(DialogTest, OnlyTargetRefreshesMoveTheTarget) {
  Dialog dialog = Callee();
  dialog.AcceptTarget(InDialog(SipMethod::kInfo, 11, "<sip:x@x>"));
  EXPECT_EQ(dialog.remote_target(), "sip:a@10.0.0.1;transport=tls");
  dialog.AcceptTarget(InDialog(SipMethod::kUpdate, 12, "<sip:new@x>"));
  EXPECT_EQ(dialog.remote_target(), "sip:new@x");
  dialog.AcceptTarget(InDialog(SipMethod::kInvite, 13));
  EXPECT_EQ(dialog.remote_target(), "sip:new@x");
  dialog.AcceptTarget(InDialog(SipMethod::kInvite, 14, "<http://x>"));
  EXPECT_EQ(dialog.remote_target(), "sip:new@x") << "not a place to send SIP";
}

TEST(DialogTest, TheFirstTwoHundredSetsRoutesAnew) {  // section 13.2.2.4
  Dialog dialog = Caller(180);
  EXPECT_EQ(dialog.state(), Dialog::State::kEarly);
  SipMessage ok = Answer(200, "<sip:b@10.0.0.9>");
  ok.Set(HeaderId::kRecordRoute, "<sip:p3.example;lr>");
  dialog.OnResponse(Invite(), ok);
  EXPECT_EQ(dialog.state(), Dialog::State::kConfirmed);
  EXPECT_EQ(dialog.route_set(),
            std::vector<std::string>{"<sip:p3.example;lr>"});
  EXPECT_EQ(dialog.remote_target(), "sip:b@10.0.0.9");
  // A re-INVITE moves the target, never the routes.
  ok.Set(HeaderId::kRecordRoute, "<sip:p4.example;lr>");
  ok.Set(HeaderId::kContact, "<sip:b@10.0.0.10>");
  dialog.OnResponse(Invite(), ok);
  EXPECT_EQ(dialog.next_hop(), "sip:p3.example;lr");
  EXPECT_EQ(dialog.remote_target(), "sip:b@10.0.0.10");
}

TEST(DialogTest, WhatEndsIt) {
  Dialog refused = Caller(180);
  refused.OnResponse(Invite(), Answer(486, ""));
  EXPECT_EQ(refused.state(), Dialog::State::kTerminated);

  Dialog confirmed = Caller();
  const SipMessage info = confirmed.MakeRequest(SipMethod::kInfo);
  confirmed.OnResponse(info, MakeResponse(info, 500, "x", ""));
  EXPECT_EQ(confirmed.state(), Dialog::State::kConfirmed);
  confirmed.OnResponse(info, MakeResponse(info, 481, "x", ""));
  EXPECT_EQ(confirmed.state(), Dialog::State::kTerminated);
  confirmed.Confirm();
  EXPECT_EQ(confirmed.state(), Dialog::State::kTerminated);
}

TEST(DialogTest, IdsOfMessagesAreFromOurSide) {
  const SipMessage response = Answer(200, "");
  EXPECT_EQ(DialogIdOfResponse(response), (DialogId{"c", "af", "bt"}));
  SipMessage bye = Invite();
  bye.Set(HeaderId::kTo, "<sip:b@b.example>;tag=bt");
  EXPECT_EQ(DialogIdOfRequest(bye), (DialogId{"c", "bt", "af"}));
  EXPECT_EQ(DialogIdOfRequest(Invite()).local_tag, "");
}

}  // namespace
}  // namespace sallyport::signaling_edge
