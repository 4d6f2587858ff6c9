// Registrations as the edge's callers see them: Path (RFC 3327), flows (RFC
// 5626) and bulk contacts of PBXs (RFC 6140).
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/signaling_edge/core/edge_fixture.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kInstance[] = ";+sip.instance=\"<urn:uuid:1>\"";

class EdgeRegistrationsTest : public EdgeCoreTest {
 protected:
  using EdgeCoreTest::EdgeCoreTest;

  static std::string Text(std::string_view user, std::string_view contact,
                          std::string_view lines, int cseq,
                          std::string_view call_id) {
    return Cat("REGISTER sip:d.test SIP/2.0\n",
               "Via: SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bKr", call_id,
               cseq, "\nMax-Forwards: 70\nFrom: <sip:", user,
               "@d.test>;tag=r1\nTo: <sip:", user,
               "@d.test>\nCall-ID: ", call_id, "\nCSeq: ", cseq,
               " REGISTER\nContact: ", contact, "\nExpires: 600",
               lines.empty() ? "" : "\n", lines);
  }

  // The final answer to a REGISTER of bob by UDP.
  Sent RegisterUdp(std::string_view from, std::string_view contact,
                   std::string_view lines, std::string_view call_id) {
    edge_.ReceiveUdp(from, Text("bob", contact, lines, 1, call_id));
    const auto challenge = edge_.TakeToUdp(from);
    EXPECT_TRUE(challenge.has_value());
    if (!challenge || challenge->message.status_code() != 401) {
      return challenge.value_or(Sent{});
    }
    edge_.ReceiveUdp(from, EdgeHarness::WithDigest(
                               Text("bob", contact, lines, 2, call_id),
                               *challenge, "bob", "REGISTER", "sip:d.test"));
    const auto done = edge_.TakeToUdp(from);
    return done.value_or(Sent{});
  }
  Sent RegisterTcp(ConnectionId connection, std::string_view contact,
                   std::string_view lines, std::string_view call_id) {
    edge_.Receive(connection, Text("bob", contact, lines, 1, call_id));
    const auto challenge = edge_.TakeTo(connection);
    EXPECT_TRUE(challenge.has_value());
    edge_.Receive(connection, EdgeHarness::WithDigest(
                                  Text("bob", contact, lines, 2, call_id),
                                  *challenge, "bob", "REGISTER", "sip:d.test"));
    const auto done = edge_.TakeTo(connection);
    return done.value_or(Sent{});
  }

  void PbxCalls(std::string_view number) {
    edge_.ReceiveUdp(kPbx,
                     PbxInvite(number, TestSdp("192.0.2.10", 4000, false)));
    const auto trying = edge_.TakeToUdp(kPbx);
    EXPECT_TRUE(trying && trying->message.status_code() == 100);
  }
};

TEST_F(EdgeRegistrationsTest, CallsGoByThePath) {  // RFC 3327 section 5.4
  const Sent ok = RegisterUdp(
      "192.0.2.77:5060", "<sip:bob@10.1.1.1:5070>",
      "Supported: path\nPath: <sip:p2.test;lr>, <sip:p1.test;lr>", "c1");
  EXPECT_EQ(ok.message.status_code(), 200);
  EXPECT_EQ(ok.message.Items(HeaderId::kPath).size(), 2u);
  PbxCalls("bob");
  const auto invite = edge_.TakeToUdp("192.0.2.77:5060");
  ASSERT_TRUE(invite);
  EXPECT_EQ(invite->message.request_uri(), "sip:bob@10.1.1.1:5070");
  const auto routes = invite->message.All(HeaderId::kRoute);
  ASSERT_EQ(routes.size(), 2u);
  EXPECT_EQ(routes[0], "<sip:p2.test;lr>");
  EXPECT_EQ(routes[1], "<sip:p1.test;lr>");
  // And so does its CANCEL (RFC 3261 section 9.1).
  edge_.Answer(*invite, 180, "b1");
  edge_.TakeToUdp(kPbx);
  edge_.ReceiveUdp(
      kPbx,
      WithHeaders("CANCEL sip:bob@203.0.113.1 SIP/2.0\n"
                  "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKpbx1\n"
                  "Max-Forwards: 70\n"
                  "From: \"PBX User\" <sip:5551000@192.0.2.10>;tag=p1\n"
                  "To: <sip:bob@203.0.113.1>\nCall-ID: pbx1\nCSeq: 1 CANCEL",
                  "X: y"));
  const auto cancel = edge_.TakeToUdp("192.0.2.77:5060");
  ASSERT_TRUE(cancel);
  EXPECT_EQ(cancel->message.method(), SipMethod::kCancel);
  EXPECT_EQ(cancel->message.All(HeaderId::kRoute).size(), 2u);
}

TEST_F(EdgeRegistrationsTest, AProxyThatHidesItselfInThePathIsRefused) {
  const Sent refused = RegisterUdp("192.0.2.77:5060", "<sip:bob@10.1.1.1:5070>",
                                   "Path: <sip:p1.test;lr>", "c1");
  EXPECT_EQ(refused.message.status_code(), 420);
  EXPECT_EQ(refused.message.Value(HeaderId::kUnsupported), "path");
  EXPECT_TRUE(Has(edge_.Refusals(), "PATH_NOT_SUPPORTED"));
}

TEST_F(EdgeRegistrationsTest, ExtensionsOfRegisterAreOfRegisterAlone) {
  const Sent refused =
      RegisterUdp("192.0.2.77:5060", "<sip:bob@10.1.1.1:5070>",
                  "Require: path, outbound, gruu, telepathy", "c1");
  EXPECT_EQ(refused.message.status_code(), 420);
  EXPECT_EQ(refused.message.Value(HeaderId::kUnsupported), "telepathy");
  edge_.ReceiveUdp(kPbx, WithHeaders(PbxInvite("bob", "", "x", "x"),
                                     "Require: outbound\nProxy-Require: gin"));
  const auto bad = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(bad);
  EXPECT_EQ(bad->message.status_code(), 420);
  EXPECT_EQ(bad->message.Value(HeaderId::kUnsupported), "outbound, gin");
}

TEST_F(EdgeRegistrationsTest, TheNextFlowTakesTheCall) {  // RFC 5626 5.3
  const ConnectionId first = edge_.ConnectTcp("203.0.113.5");
  const ConnectionId second = edge_.ConnectTcp("203.0.113.5");
  EXPECT_EQ(
      RegisterTcp(first, Cat("<sip:bob@10.1.1.1>", kInstance, ";reg-id=1"),
                  "Supported: outbound", "c1")
          .message.Value(HeaderId::kRequire),
      "outbound");
  edge_.Advance(absl::Seconds(1));
  EXPECT_EQ(
      RegisterTcp(second, Cat("<sip:bob@10.1.1.1>", kInstance, ";reg-id=2"),
                  "Supported: outbound", "c2")
          .message.Items(HeaderId::kContact)
          .size(),
      2u);
  // One phone: it rings once, by the latest flow.
  PbxCalls("bob");
  ASSERT_TRUE(edge_.TakeTo(second));
  EXPECT_TRUE(edge_.Idle());
  edge_.Close(second, absl::UnavailableError("reset"));
  const auto again = edge_.TakeTo(first);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->message.method(), SipMethod::kInvite);
  edge_.Answer(*again, 200, "b1", TestSdp("203.0.113.5", 6000, false));
  edge_.TakeTo(first);  // ACK
  const auto ok = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(ok);
  EXPECT_EQ(ok->message.status_code(), 200);
  EXPECT_EQ(edge_.core().registrar().size(), 1u);
}

TEST_F(EdgeRegistrationsTest, AProxyThatLostTheFlowSays430) {
  const std::string more =
      "Supported: path, outbound\nPath: <sip:p1.test;lr;ob>";
  for (const char* flow : {"1", "2"}) {
    EXPECT_EQ(
        RegisterUdp(Cat("192.0.2.7", flow, ":5060"),
                    Cat("<sip:bob@10.1.1.1>", kInstance, ";reg-id=", flow),
                    more, Cat("c", flow))
            .message.status_code(),
        200);
    edge_.Advance(absl::Seconds(1));
  }
  PbxCalls("bob");
  const auto invite = edge_.TakeToUdp("192.0.2.72:5060");
  ASSERT_TRUE(invite);
  edge_.Answer(*invite, 430, "x");
  ASSERT_TRUE(edge_.TakeToUdp("192.0.2.72:5060"));  // ACK
  const auto again = edge_.TakeToUdp("192.0.2.71:5060");
  ASSERT_TRUE(again);
  EXPECT_EQ(edge_.core().registrar().size(), 1u);
  // The last one is gone too: the caller is told what it can know.
  edge_.Answer(*again, 430, "y");
  edge_.TakeToUdp("192.0.2.71:5060");
  const auto failed = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(failed);
  EXPECT_GE(failed->message.status_code(), 480);
  EXPECT_EQ(edge_.core().registrar().size(), 0u);
}

TEST_F(EdgeRegistrationsTest, ASilentFlowHasFailed) {  // section 4.4
  const ConnectionId connection = edge_.ConnectTcp("203.0.113.5");
  EXPECT_EQ(
      RegisterTcp(connection, Cat("<sip:bob@10.1.1.1>", kInstance, ";reg-id=1"),
                  "Supported: outbound", "c1")
          .message.Value(HeaderId::kFlowTimer),
      "120");
  for (int i = 0; i < 3; ++i) {
    edge_.Advance(absl::Seconds(110));
    edge_.Perform(edge_.core().OnData(connection, "\r\n\r\n", edge_.now()));
  }
  EXPECT_EQ(edge_.core().registrar().size(), 1u);
  edge_.Advance(absl::Seconds(131));
  EXPECT_EQ(edge_.core().registrar().size(), 0u);
  ASSERT_EQ(edge_.closed.size(), 1u);
  EXPECT_EQ(edge_.closed[0], connection);
  // Over UDP, by STUN, the address that it is seen at is told.
  const Sent udp = RegisterUdp(
      "203.0.113.5:5060", Cat("<sip:bob@10.1.1.1>", kInstance, ";reg-id=1"),
      "Supported: outbound", "c2");
  EXPECT_EQ(udp.message.Value(HeaderId::kFlowTimer), "30");
  edge_.Advance(absl::Seconds(30));
  edge_.ReceiveUdpOctets("203.0.113.5:5060",
                         std::string_view("\0\1\0\0\x21\x12\xA4\x42"
                                          "0123456789ab",
                                          20));
  EXPECT_EQ(edge_.stun.size(), 1u);
  edge_.Advance(absl::Seconds(30));
  EXPECT_EQ(edge_.core().registrar().size(), 1u);
  edge_.Advance(absl::Seconds(11));
  EXPECT_EQ(edge_.core().registrar().size(), 0u);
  EXPECT_EQ(edge_.Last(EdgeEvent::Type::kUnregistered)->reason,
            "CONNECTION_LOST");
}

// RFC 5627: two devices of one user, each of which can be called by itself.
class GruuTest : public EdgeRegistrationsTest {
 protected:
  GruuTest() : EdgeRegistrationsTest(WithKeys()) {
    EXPECT_EQ(
        RegisterUdp(kOther, "<sip:bob@10.1.1.2>;+sip.instance=\"<urn:2>\"",
                    "Supported: gruu", "other")
            .message.status_code(),
        200);
    edge_.Advance(absl::Seconds(1));
  }
  static EdgeOptions WithKeys() {
    EdgeOptions options = EdgeHarness::Options();
    options.token_keys = *TokenKeys::Parse(std::string(64, 'a'));
    return options;
  }
  // The GRUUs of the contact of that instance.
  static std::string GruuOf(const Sent& ok, std::string_view param,
                            std::string_view instance) {
    for (const std::string_view item : ok.message.Items(HeaderId::kContact)) {
      if (!Has(item, instance)) continue;
      const std::string mark = Cat(";", param, "=\"");
      const size_t at = item.find(mark);
      if (at == std::string_view::npos) return "";
      const std::string_view rest = item.substr(at + mark.size());
      return std::string(rest.substr(0, rest.find('"')));
    }
    return "";
  }
  // The status of a call of the PBX, once it is not 100, and where it went.
  void Call(const std::string& uri) {
    ++calls_;
    edge_.ReceiveUdp(
        kPbx, Cat("INVITE ", uri,
                  " SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKg",
                  calls_,
                  "\nMax-Forwards: 70\n"
                  "From: <sip:5551000@192.0.2.10>;tag=p1\n"
                  "To: <sip:x@d.test>\nCall-ID: gruu",
                  calls_,
                  "\nCSeq: 1 INVITE\nContact: <sip:5551000@192.0.2.10>"
                  "\nContent-Type: application/sdp\n\n",
                  TestSdp("192.0.2.10", 4000, false)));
    const auto trying = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(trying && trying->message.status_code() == 100);
  }
  int Refused(const std::string& uri) {
    Call(uri);
    const auto refused = edge_.TakeToUdp(kPbx);
    return refused.has_value() ? refused->message.status_code() : 0;
  }

  static constexpr char kOther[] = "192.0.2.78:5060";
  static constexpr char kPhone[] = "192.0.2.77:5060";
  int calls_ = 0;
};

TEST_F(GruuTest, EachDeviceIsCalledByItsOwn) {
  const Sent plain =
      RegisterUdp(kPhone, Cat("<sip:bob@10.1.1.1>", kInstance), "", "c1");
  EXPECT_FALSE(Has(plain.message.Value(HeaderId::kContact), "gruu="))
      << "nobody asked for one";
  const Sent ok = RegisterUdp(kPhone, Cat("<sip:bob@10.1.1.1>", kInstance),
                              "Supported: gruu", "c2");
  const std::string shown = GruuOf(ok, "pub-gruu", "urn:uuid:1");
  EXPECT_EQ(shown, "sip:bob@d.test;gr=urn:uuid:1");
  const std::string hidden = GruuOf(ok, "temp-gruu", "urn:uuid:1");
  EXPECT_TRUE(Has(hidden, "@d.test;gr")) << hidden;
  EXPECT_FALSE(Has(hidden, "bob"));
  EXPECT_EQ(GruuOf(ok, "pub-gruu", "urn:2"), "sip:bob@d.test;gr=urn:2");
  for (const std::string& uri :
       {shown, hidden, std::string("sip:bob@d.test;gr=URN:UUID:1")}) {
    Call(uri);
    const auto invite = edge_.TakeToUdp(kPhone);
    ASSERT_TRUE(invite) << uri;
    EXPECT_EQ(invite->message.request_uri(), "sip:bob@10.1.1.1");
    EXPECT_TRUE(edge_.Idle()) << "the other device does not ring";
    edge_.Answer(*invite, 486, "x");
    edge_.Forget();
  }
}

TEST_F(GruuTest, WhatIsNotThereIsCalledInVain) {
  const Sent first = RegisterUdp(kPhone, Cat("<sip:bob@10.1.1.1>", kInstance),
                                 "Supported: gruu", "c1");
  const std::string old = GruuOf(first, "temp-gruu", "urn:uuid:1");
  EXPECT_EQ(Refused("sip:bob@d.test;gr=urn:uuid:9"), 480);
  EXPECT_EQ(Refused("sip:tgruu.AAAA@d.test;gr"), 404);
  // Section 5.2: another Call-ID takes all temporary ones along.
  const Sent second = RegisterUdp(kPhone, Cat("<sip:bob@10.1.1.1>", kInstance),
                                  "Supported: gruu", "c2");
  EXPECT_EQ(Refused(old), 480);
  Call(GruuOf(second, "temp-gruu", "urn:uuid:1"));
  EXPECT_TRUE(edge_.TakeToUdp(kPhone));
}

// RFC 5626 with RFC 5627: a GRUU means the device, whichever flow is left.
TEST_F(GruuTest, AnyFlowOfTheDeviceTakesItsCalls) {
  const ConnectionId first = edge_.ConnectTcp("203.0.113.5");
  const ConnectionId second = edge_.ConnectTcp("203.0.113.5");
  const std::string more = "Supported: outbound, gruu";
  RegisterTcp(first, Cat("<sip:bob@10.1.1.1>", kInstance, ";reg-id=1"), more,
              "c1");
  edge_.Advance(absl::Seconds(1));
  const Sent ok = RegisterTcp(
      second, Cat("<sip:bob@10.1.1.1>", kInstance, ";reg-id=2"), more, "c2");
  for (const char* kind : {"pub-gruu", "temp-gruu"}) {
    Call(GruuOf(ok, kind, "reg-id=2"));
    const auto invite = edge_.TakeTo(second);
    ASSERT_TRUE(invite) << kind;
    edge_.Answer(*invite, 486, "x");
    edge_.Forget();
  }
  // The temporary one of the flow that is gone is of a device that is there.
  const std::string of_first = GruuOf(ok, "temp-gruu", "reg-id=1");
  Call(of_first);
  const auto by_latest = edge_.TakeTo(second);
  ASSERT_TRUE(by_latest);
  edge_.Answer(*by_latest, 486, "x");
  edge_.Forget();
  edge_.Close(second, absl::UnavailableError("reset"));
  Call(of_first);
  EXPECT_TRUE(edge_.TakeTo(first));
}

// Its Contact is its GRUU; within the call it is asked by its contact.
TEST_F(GruuTest, WithinACallTheContactStandsForTheGruu) {
  RegisterUdp(kPhone, Cat("<sip:bob@10.1.1.1>", kInstance), "Supported: gruu",
              "c1");
  Call("sip:bob@d.test;gr=urn:uuid:1");
  const auto invite = edge_.TakeToUdp(kPhone);
  ASSERT_TRUE(invite);
  edge_.Answer(*invite, 200, "b1", TestSdp("192.0.2.77", 6000, false),
               "<sip:bob@d.test;gr=urn:uuid:1>");
  const auto ack = edge_.TakeToUdp(kPhone);
  ASSERT_TRUE(ack && ack->message.method() == SipMethod::kAck);
  EXPECT_EQ(ack->message.request_uri(), "sip:bob@10.1.1.1");
  edge_.Perform(edge_.core().OnEndAllCalls("X", edge_.now()));
  const auto bye = edge_.TakeToUdp(kPhone);
  ASSERT_TRUE(bye && bye->message.method() == SipMethod::kBye);
  EXPECT_EQ(bye->message.request_uri(), "sip:bob@10.1.1.1");
}

// A phone that its LSC alone has proven; when its profile wants digest as well,
// it is no longer where it was, and must show it.
TEST_F(EdgeRegistrationsTest, APhoneRegistersByItsLscAlone) {
  const auto plan = [](int64_t version, bool digest) {
    std::shared_ptr<PlanSnapshot> out = TestPlan();
    out->version = version;
    PhoneSecurityProfileEntry profile;
    profile.name = "tenants/t/phoneSecurityProfiles/encrypted";
    profile.device_security_mode = DeviceSecurityMode::kEncrypted;
    profile.digest = digest;
    out->phones[0].phone_security_profile = profile.name;
    out->phone_security_profiles = {profile};
    ResolveDefaults(*out);
    return out;
  };
  edge_.Load(plan(2, false));
  const ConnectionId phone = edge_.ConnectTls("", "SEP1");
  const auto attempt = [&](std::string_view user, int cseq) {
    edge_.Receive(phone,
                  Text(user, "<sip:alice@203.0.113.5:40000>", "", cseq, "lsc"));
    const auto answer = edge_.TakeTo(phone);
    return answer.has_value() ? answer->message.status_code() : 0;
  };
  EXPECT_EQ(attempt("alice", 1), 200);
  std::vector<const Binding*> held = edge_.core().registrar().All();
  ASSERT_EQ(held.size(), 1u);
  EXPECT_EQ(held[0]->authentication, "LSC");
  EXPECT_EQ(held[0]->phone, "tenants/t/phones/SEP1");
  EXPECT_EQ(attempt("carol", 2), 403);
  EXPECT_EQ(attempt("nobody", 3), 403);
  PbxCalls("1001");
  const auto invite = edge_.TakeTo(phone);
  ASSERT_TRUE(invite);
  EXPECT_EQ(invite->message.method(), SipMethod::kInvite);

  edge_.Load(plan(3, false));
  EXPECT_EQ(edge_.core().registrar().All().size(), 1u);
  edge_.Load(plan(4, true));
  EXPECT_TRUE(edge_.core().registrar().All().empty());
  EXPECT_EQ(attempt("alice", 4), 401);
}

TEST_F(EdgeRegistrationsTest, APbxTakesTheCallsOfItsNumbers) {  // RFC 6140
  auto plan = TestPlan();
  UserEntry& bob = plan->users[1];
  bob.bulk_registration = true;
  bob.phone_numbers = {"2001"};
  LineEntry line;
  line.name = "tenants/t/lines/2002";
  line.directory_number = "2002";
  line.users = {bob.name};
  plan->lines = {line};
  ResolveDefaults(*plan);
  edge_.Load(plan);
  const Sent ok = RegisterUdp(
      "192.0.2.77:5060", Cat("<sip:192.0.2.77:5060;bnc>", kInstance),
      "Require: gin\nProxy-Require: gin\nSupported: path, gruu", "c1");
  EXPECT_EQ(ok.message.status_code(), 200);
  EXPECT_TRUE(Has(ok.message.Value(HeaderId::kContact),
                  ";pub-gruu=\"sip:d.test;bg=urn:uuid:1\""));
  for (const char* number : {"2001", "2002", "2001;bg=urn:uuid:1;sg=7a"}) {
    edge_.ReceiveUdp(
        kPbx, Cat("INVITE sip:", std::string_view(number).substr(0, 4),
                  "@d.test", std::string_view(number).substr(4),
                  " SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKg",
                  std::string_view(number).size(),
                  std::string_view(number).substr(3, 1),
                  "\nMax-Forwards: 70\n"
                  "From: <sip:5551000@192.0.2.10>;tag=p1\n"
                  "To: <sip:x@d.test>\nCall-ID: gin",
                  std::string_view(number).substr(3, 1),
                  std::string_view(number).size(),
                  "\nCSeq: 1 INVITE\nContact: <sip:5551000@192.0.2.10>"
                  "\nContent-Type: application/sdp\n\n",
                  TestSdp("192.0.2.10", 4000, false)));
    const auto trying = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(trying && trying->message.status_code() == 100);
    const auto invite = edge_.TakeToUdp("192.0.2.77:5060");
    ASSERT_TRUE(invite) << number;
    EXPECT_EQ(
        invite->message.request_uri(),
        Cat("sip:", std::string_view(number).substr(0, 4), "@192.0.2.77:5060",
            std::string_view(number).size() > 4 ? ";sg=7a" : ""));
    edge_.Answer(*invite, 486, "x");
    edge_.Forget();
  }
  // The address of record itself is not registered so (section 5.3), nor is
  // any other device meant.
  edge_.ReceiveUdp(
      kPbx, PbxInvite("bob", TestSdp("192.0.2.10", 4000, false), "aor", "aor"));
  edge_.TakeToUdp(kPbx);
  const auto none = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(none);
  EXPECT_EQ(none->message.status_code(), 480);
}

}  // namespace
}  // namespace sallyport::signaling_edge
