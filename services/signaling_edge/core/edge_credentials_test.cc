// A/V credentials by SIP SERVICE (AVE-08, AVE-09; MS-AVEDGEA), through a whole
// EdgeCore.
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kBody[] = "<request requestID=\"1\"/>";

class EdgeCredentialsTest : public EdgeCoreTest {
 protected:
  static std::string Service(std::string_view transport, std::string_view user,
                             std::string_view type, int cseq = 1,
                             std::string_view authorization = "") {
    std::string out =
        Cat("SERVICE sip:MRASLoc.edge@d.test SIP/2.0\nVia: SIP/2.0/", transport,
            " 203.0.113.5:5061;branch=z9hG4bKservice", cseq,
            "\nMax-Forwards: 70\nFrom: <sip:", user,
            "@d.test>;tag=a\nTo: <sip:MRASLoc.edge@d.test>\nCall-ID: mras\n"
            "CSeq: ",
            cseq, " SERVICE");
    if (!authorization.empty()) {
      CatTo(out, "\nProxy-Authorization: ", authorization);
    }
    if (!type.empty()) CatTo(out, "\nContent-Type: ", type, "\n\n", kBody);
    return out;
  }

  // Alice's phone asks, with her password; the edge asks the issuer.
  ConnectionId Ask(std::string_view type) {
    const ConnectionId phone = edge_.ConnectTls("", "SEP1");
    edge_.Receive(phone, Service("TLS", "alice", type));
    const auto challenge = edge_.TakeTo(phone);
    EXPECT_TRUE(challenge && challenge->message.status_code() == 407);
    EXPECT_TRUE(edge_.credentials.empty());
    if (!challenge) return phone;
    const auto value =
        ParseAuthValue(challenge->message.Value(HeaderId::kProxyAuthenticate));
    const std::string nonce = value->Get("nonce").value_or("");
    const auto md5 = [](std::string_view text) {
      return HexEncode(Md5(AsBytes(text)));
    };
    const std::string response =
        md5(Cat(md5("alice:d.test:pw"), ":", nonce,
                ":00000001:c:auth:", md5("SERVICE:sip:x")));
    edge_.Receive(phone,
                  Service("TLS", "alice", type, 2,
                          Cat("Digest username=\"alice\", realm=\"d.test\", "
                              "nonce=\"",
                              nonce, "\", uri=\"sip:x\", response=\"", response,
                              "\", cnonce=\"c\", nc=00000001, qop=auth, "
                              "algorithm=MD5")));
    return phone;
  }
};

constexpr char kType[] = "application/msrtc-media-relay-auth+xml";

// AVE-39: within the session that the user signed in to.
TEST_F(EdgeCredentialsTest, AUserGetsWhatTheIssuerSays) {
  const ConnectionId phone = Ask(kType);
  ASSERT_EQ(edge_.credentials.size(), 1u);
  const IssueCredentials asked = edge_.credentials[0];
  EXPECT_EQ(asked.tenant, "tenants/t");
  EXPECT_EQ(asked.subject, "alice@d.test");
  EXPECT_EQ(asked.body, kBody);
  edge_.Perform(
      edge_.core().OnCredentials(asked.request, "<response/>", edge_.now()));
  const auto ok = edge_.TakeTo(phone);
  ASSERT_TRUE(ok);
  EXPECT_EQ(ok->message.status_code(), 200);
  EXPECT_EQ(ok->message.Value(HeaderId::kContentType), kType);
  EXPECT_EQ(ok->message.body(), "<response/>");
  // An answer that comes twice, or to nothing, does nothing.
  edge_.Perform(
      edge_.core().OnCredentials(asked.request, "<again/>", edge_.now()));
  EXPECT_TRUE(edge_.Idle());
}

TEST_F(EdgeCredentialsTest, WhatTheIssuerRefusesIsRefusedBySip) {
  ConnectionId phone = Ask(kType);
  ASSERT_EQ(edge_.credentials.size(), 1u);
  edge_.Perform(edge_.core().OnCredentials(
      edge_.credentials[0].request,
      MakeError(absl::StatusCode::kInvalidArgument, "MRAS_BODY_INVALID", ""),
      edge_.now()));
  auto answer = edge_.TakeTo(phone);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.status_code(), 400);
  EXPECT_TRUE(Has(edge_.Refusals(), "MRAS_BODY_INVALID"));
}

TEST_F(EdgeCredentialsTest, AnIssuerThatIsGoneIs503) {
  const ConnectionId phone = Ask(kType);
  ASSERT_EQ(edge_.credentials.size(), 1u);
  edge_.Perform(edge_.core().OnCredentials(
      edge_.credentials[0].request,
      MakeError(absl::StatusCode::kUnavailable, "CREDENTIALS_UNAVAILABLE", ""),
      edge_.now()));
  const auto answer = edge_.TakeTo(phone);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.status_code(), 503);
}

// AVE-09: before a challenge, so that no password is spent in clear.
TEST_F(EdgeCredentialsTest, NothingIsGivenInClear) {
  edge_.ReceiveUdp("203.0.113.5:5061", Service("UDP", "bob", kType));
  auto answer = edge_.TakeToUdp("203.0.113.5:5061");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.status_code(), 403);
  const ConnectionId tcp = edge_.ConnectTcp("203.0.113.5");
  edge_.Receive(tcp, Service("TCP", "bob", kType));
  answer = edge_.TakeTo(tcp);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.status_code(), 403);
  EXPECT_EQ(edge_.Refusals(),
            "SECURITY_MODE_TLS_REQUIRED SECURITY_MODE_TLS_REQUIRED");
  EXPECT_TRUE(edge_.credentials.empty());
}

TEST_F(EdgeCredentialsTest, APeerIsNoUser) {
  const ConnectionId gateway = edge_.ConnectTls("gw.d.test", "");
  edge_.Receive(gateway, Service("TLS", "alice", kType));
  const auto answer = edge_.TakeTo(gateway);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.status_code(), 403);
  EXPECT_TRUE(edge_.credentials.empty());
}

TEST_F(EdgeCredentialsTest, AnotherBodyIs415) {
  const ConnectionId phone = Ask("application/xml");
  const auto answer = edge_.TakeTo(phone);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.status_code(), 415);
  EXPECT_EQ(answer->message.Value(HeaderId::kAccept), kType);
  EXPECT_TRUE(edge_.credentials.empty());
}

}  // namespace
}  // namespace sallyport::signaling_edge
