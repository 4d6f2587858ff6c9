// RFC 4475, message by message: what becomes of each, and at which layer. The
// messages are the octets of the RFC's own archive (tests/vectors/sip_torture).

#include <fstream>
#include <sstream>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_parser.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/sip_writer.h"

namespace sallyport::signaling_edge {
namespace {

struct Case {
  const char* file;
  const char* section;  // of RFC 4475
  // "" when ParseSipMessage takes it; else the reason that it gives.
  const char* reason;
  // What the layer above answers to a message that parses (0: nothing is
  // wrong with it), or SipStatusOf gives to one that does not.
  int code;
  // Whether an answer to the refused is possible at all.
  bool answerable;
};

std::string ReadVector(const std::string& file) {
  std::ifstream in("tests/vectors/sip_torture/" + file + ".dat",
                   std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

class Rfc4475Test : public testing::TestWithParam<Case> {};

TEST_P(Rfc4475Test, IsTakenOrRefusedAtItsLayer) {
  const std::string text = ReadVector(GetParam().file);
  ASSERT_FALSE(text.empty());
  const auto message = ParseSipMessage(text, {});
  const std::string reason = GetParam().reason;
  if (!reason.empty()) {
    ASSERT_FALSE(message.ok());
    EXPECT_EQ(ReasonOf(message.status()), reason) << message.status();
    EXPECT_EQ(SipStatusOf(message.status()).code, GetParam().code);
    EXPECT_EQ(SalvageRequest(text, {}).ok(), GetParam().answerable);
    return;
  }
  ASSERT_TRUE(message.ok()) << message.status();
  const std::string wire = WriteSipMessage(*message);
  const auto again = ParseSipMessage(wire, {});
  ASSERT_TRUE(again.ok()) << again.status() << wire;
  EXPECT_EQ(WriteSipMessage(*again), wire);
}

INSTANTIATE_TEST_SUITE_P(
    Messages, Rfc4475Test,
    testing::Values(
        // 3.1.1: valid.
        Case{"wsinv", "3.1.1.1", "", 0, true},
        // Valid by the grammar; refused here for its escaped NUL. See
        // IntmethIsTakenByPolicy.
        Case{"intmeth", "3.1.1.2", "SIP_HEADER_MALFORMED", 400, false},
        Case{"esc01", "3.1.1.3", "", 0, true},
        Case{"escnull", "3.1.1.4", "", 0, true},
        Case{"esc02", "3.1.1.5", "", 0, true},
        Case{"lwsdisp", "3.1.1.6", "", 0, true},
        Case{"longreq", "3.1.1.7", "", 0, true},
        Case{"dblreq", "3.1.1.8", "", 0, true},
        Case{"semiuri", "3.1.1.9", "", 0, true},
        Case{"transports", "3.1.1.10", "", 0, true},
        Case{"mpart01", "3.1.1.11", "", 0, true},
        Case{"unreason", "3.1.1.12", "", 0, true},
        Case{"noreason", "3.1.1.13", "", 0, true},
        // 3.1.2: invalid.
        Case{"badinv01", "3.1.2.1", "SIP_HEADER_MALFORMED", 400, false},
        Case{"clerr", "3.1.2.2", "SIP_CONTENT_LENGTH_INVALID", 400, true},
        Case{"ncl", "3.1.2.3", "SIP_CONTENT_LENGTH_INVALID", 400, true},
        Case{"scalar02", "3.1.2.4", "SIP_HEADER_MALFORMED", 400, false},
        Case{"scalarlg", "3.1.2.5", "SIP_HEADER_MALFORMED", 400, false},
        Case{"quotbal", "3.1.2.6", "SIP_HEADER_MALFORMED", 400, true},
        Case{"ltgtruri", "3.1.2.7", "SIP_URI_MALFORMED", 400, true},
        Case{"lwsruri", "3.1.2.8", "SIP_START_LINE_MALFORMED", 400, true},
        Case{"lwsstart", "3.1.2.9", "SIP_START_LINE_MALFORMED", 400, true},
        Case{"trws", "3.1.2.10", "SIP_START_LINE_MALFORMED", 400, true},
        Case{"escruri", "3.1.2.11", "SIP_URI_MALFORMED", 400, true},
        // Date is the business of whoever uses it; nobody here does.
        Case{"baddate", "3.1.2.12", "", 0, true},
        Case{"regbadct", "3.1.2.13", "SIP_HEADER_MALFORMED", 400, true},
        Case{"badaspec", "3.1.2.14", "SIP_HEADER_MALFORMED", 400, true},
        // The archive's copy also lacks the blank line.
        Case{"baddn", "3.1.2.15", "SIP_HEADER_MALFORMED", 400, false},
        Case{"badvers", "3.1.2.16", "SIP_VERSION_UNSUPPORTED", 505, true},
        Case{"mismatch01", "3.1.2.17", "SIP_HEADER_MALFORMED", 400, true},
        Case{"mismatch02", "3.1.2.18", "SIP_HEADER_MALFORMED", 400, true},
        Case{"bigcode", "3.1.2.19", "SIP_START_LINE_MALFORMED", 400, false},
        // 3.2: transaction layer. A branch of the cookie alone is no branch.
        Case{"badbranch", "3.2.1", "", 0, true},
        // 3.3: application layer.
        Case{"insuf", "3.3.1", "SIP_HEADER_MISSING", 400, false},
        Case{"unkscm", "3.3.2", "", 416, true},
        Case{"novelsc", "3.3.3", "", 416, true},
        Case{"unksm2", "3.3.4", "", 0, true},
        Case{"bext01", "3.3.5", "", 420, true},
        Case{"invut", "3.3.6", "", 415, true},
        Case{"regaut01", "3.3.7", "", 401, true},
        Case{"multi01", "3.3.8", "SIP_HEADER_DUPLICATE", 400, false},
        Case{"mcl01", "3.3.9", "SIP_HEADER_DUPLICATE", 400, true},
        // A stray response: dropped for want of a transaction.
        Case{"bcast", "3.3.10", "", 0, true},
        Case{"zeromf", "3.3.11", "", 483, true},
        Case{"cparam01", "3.3.12", "", 0, true},
        Case{"cparam02", "3.3.13", "", 0, true},
        Case{"regescrt", "3.3.14", "", 0, true},
        Case{"sdp01", "3.3.15", "", 406, true},
        // 3.4: RFC 2543 compatibility.
        Case{"inv2543", "3.4.1", "", 0, true},
        // In the archive, but not in the RFC.
        Case{"test", "-", "SIP_START_LINE_MALFORMED", 400, false}),
    [](const auto& info) { return std::string(info.param.file); });

SipMessage Parsed(const std::string& file, const ParsePolicy& policy = {}) {
  auto message = ParseSipMessage(ReadVector(file), policy);
  EXPECT_TRUE(message.ok()) << file << message.status();
  return message.ok() ? *std::move(message) : SipMessage();
}

TEST(Rfc4475DetailTest, WsinvIsReadThroughItsSpaces) {
  const SipMessage message = Parsed("wsinv");
  EXPECT_EQ(message.method(), SipMethod::kInvite);
  const auto to = ParseNameAddr(message.Value(HeaderId::kTo));
  ASSERT_TRUE(to.ok());
  EXPECT_EQ(to->uri, "sip:vivekg@chair-dnrc.example.com");
  EXPECT_EQ(to->tag(), "1918181833n");
  const auto from = ParseNameAddr(message.Value(HeaderId::kFrom));
  ASSERT_TRUE(from.ok());
  EXPECT_EQ(from->DisplayName(), "J Rosenberg \\\"");
  EXPECT_EQ(from->tag(), "98asjd8");
  EXPECT_EQ(ParseMaxForwards(message.Value(HeaderId::kMaxForwards)), 68);
  EXPECT_EQ(ParseCseq(message.Value(HeaderId::kCseq))->number, 9u);
  EXPECT_EQ(message.First(HeaderId::kSubject), "");
  EXPECT_EQ(message.FirstNamed("UnknownHeaderWithUnusualValue"), ";;,,;;,;");
  const auto vias = message.Items(HeaderId::kVia);
  ASSERT_EQ(vias.size(), 3u);
  EXPECT_EQ(ParseVia(vias[1])->branch(), "z9hG4bK9ikj8");
  EXPECT_EQ(ParseVia(vias[2])->transport, SipTransport::kUdp);
  EXPECT_EQ(message.Items(HeaderId::kRoute).size(), 1u);
  EXPECT_EQ(message.body().size(), 150u);
}

TEST(Rfc4475DetailTest, IntmethIsTakenByPolicy) {
  ParsePolicy policy;
  policy.accept_escaped_controls = true;
  const SipMessage message = Parsed("intmeth", policy);
  EXPECT_EQ(message.method(), SipMethod::kOther);
  EXPECT_EQ(message.method_text(),
            "!interesting-Method0123456789_*+`.%indeed'~");
  EXPECT_EQ(ParseNameAddr(message.Value(HeaderId::kTo))->DisplayName(),
            std::string("BEL:\x07 NUL:\0 DEL:\x7f", 17));
  const auto uri = ParseSipUri(message.request_uri());
  ASSERT_TRUE(uri.ok());
  EXPECT_EQ(uri->password, "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)");
}

TEST(Rfc4475DetailTest, EscapesAreNotUndoneBeforeTheyAreCompared) {
  const SipMessage message = Parsed("esc01");
  const auto uri = ParseSipUri(message.request_uri());
  ASSERT_TRUE(uri.ok());
  EXPECT_EQ(uri->user, "sips%3Auser%40example.com");
  EXPECT_EQ(uri->DecodedUser(), "sips:user@example.com");
  EXPECT_EQ(uri->host, "example.net");
  // In esc02 the method RE%47IST%45R is not REGISTER.
  EXPECT_EQ(Parsed("esc02").method(), SipMethod::kOther);
}

TEST(Rfc4475DetailTest, EscnullUsersDiffer) {
  const auto contacts = Parsed("escnull").Items(HeaderId::kContact);
  const SipMessage message = Parsed("escnull");
  const auto items = message.Items(HeaderId::kContact);
  ASSERT_EQ(items.size(), 2u);
  const auto one = ParseSipUri(ParseNameAddr(items[0])->uri);
  const auto two = ParseSipUri(ParseNameAddr(items[1])->uri);
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_FALSE(Equivalent(*one, *two));
  EXPECT_EQ(one->DecodedUser(), std::string(1, '\0'));
}

TEST(Rfc4475DetailTest, DblreqIsTheFirstRequestOnly) {
  const SipMessage message = Parsed("dblreq");
  EXPECT_EQ(message.method(), SipMethod::kRegister);
  EXPECT_TRUE(message.body().empty());
}

TEST(Rfc4475DetailTest, SemiuriUserHoldsTheSemicolon) {
  const SipMessage message = Parsed("semiuri");
  EXPECT_EQ(ParseSipUri(message.request_uri())->user,
            "user;par=u%40example.net");
}

TEST(Rfc4475DetailTest, TransportsAreAllRead) {
  const SipMessage message = Parsed("transports");
  EXPECT_EQ(message.Items(HeaderId::kVia).size(), 5u);
}

TEST(Rfc4475DetailTest, ContactParametersBelongWhereTheySay) {
  const SipMessage one = Parsed("cparam01");
  EXPECT_EQ(ParseNameAddr(one.Value(HeaderId::kContact))->uri,
            "sip:+19725552222@gw1.example.net");
  const SipMessage two = Parsed("cparam02");
  EXPECT_EQ(ParseNameAddr(two.Value(HeaderId::kContact))->uri,
            "sip:+19725552222@gw1.example.net;unknownparam");
}

TEST(Rfc4475DetailTest, WhatTheLayersAboveWillRefuseIsVisible) {
  EXPECT_FALSE(ParseSipUri(Parsed("unkscm").request_uri()).ok());
  EXPECT_FALSE(ParseSipUri(Parsed("novelsc").request_uri()).ok());
  EXPECT_EQ(ParseMaxForwards(Parsed("zeromf").Value(HeaderId::kMaxForwards)),
            0);
  EXPECT_EQ(Parsed("bext01").Value(HeaderId::kRequire),
            "nothingSupportsThis, nothingSupportsThisEither");
  const SipMessage badbranch = Parsed("badbranch");
  EXPECT_EQ(ParseVia(badbranch.Value(HeaderId::kVia))->branch(), kBranchCookie);
}

}  // namespace
}  // namespace sallyport::signaling_edge
