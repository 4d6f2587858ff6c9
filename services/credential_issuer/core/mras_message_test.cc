#include "services/credential_issuer/core/mras_message.h"

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/status_matchers.h"
#include "services/credential_issuer/core/issuer.h"
#include "services/credential_issuer/core/relay_directory.h"

namespace sallyport::credential_issuer {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kNs[] =
    "xmlns=\"http://schemas.microsoft.com/2006/09/sip/mrasp\"";

// A request with these attributes and content.
std::string Body(const std::string& attributes, const std::string& content) {
  return absl::StrCat("<request ", kNs, " ", attributes, ">", content,
                      "</request>");
}

std::string One(const std::string& children, const std::string& id = "cred-1") {
  return absl::StrCat("<credentialsRequest credentialsRequestID=\"", id, "\">",
                      children, "</credentialsRequest>");
}

constexpr char kGood[] = "requestID=\"7\" version=\"1.0\"";
constexpr char kAlice[] = "<identity>sip:alice@demo.test</identity>";

MrasReason ReasonOfBody(const std::string& body) {
  const auto parsed = ParseMrasRequest(body);
  EXPECT_THAT(parsed, IsOk()) << body;
  return parsed.ok() ? parsed->reason : MrasReason::kOtherFailure;
}

// As common clients send it.
TEST(ParseMrasTest, TheUsualRequest) {
  const auto parsed = ParseMrasRequest(
      "<request requestID=\"1804289383\" from=\"sip:alice@demo.test\""
      " version=\"1.0\" to=\"sip:MRASLoc.demo.test@demo.test;gruu\""
      " xmlns=\"http://schemas.microsoft.com/2006/09/sip/mrasp\""
      " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">"
      "<credentialsRequest credentialsRequestID=\"1804289383\">"
      "<identity>sip:alice@demo.test</identity>"
      "<location>internet</location>"
      "<duration>480</duration>"
      "</credentialsRequest>"
      "</request>");
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->reason, MrasReason::kOk);
  const MrasRequest& request = parsed->request;
  EXPECT_EQ(request.request_id, "1804289383");
  EXPECT_EQ(request.version, "1.0");
  EXPECT_EQ(request.from, "sip:alice@demo.test");
  EXPECT_EQ(request.to, "sip:MRASLoc.demo.test@demo.test;gruu");
  EXPECT_FALSE(request.direct_ip);
  ASSERT_EQ(request.credentials.size(), 1u);
  EXPECT_EQ(request.credentials[0].id, "1804289383");
  EXPECT_EQ(request.credentials[0].identity, "sip:alice@demo.test");
  EXPECT_EQ(request.credentials[0].location, ClientNetwork::kInternet);
  EXPECT_EQ(request.credentials[0].duration, absl::Minutes(480));
}

TEST(ParseMrasTest, WhatIsOptionalMayBeLeftOut) {
  const auto parsed = ParseMrasRequest(absl::StrCat(
      "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n",
      Body("requestID=\"7\" version=\"2.0\" route=\"directip\"",
           One(absl::StrCat(kAlice, "<x xmlns=\"urn:other\">y</x>")) +
               One("<identity> sip:b@c </identity>", "2"))));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->reason, MrasReason::kOk);
  EXPECT_TRUE(parsed->request.direct_ip);
  ASSERT_EQ(parsed->request.credentials.size(), 2u);
  EXPECT_FALSE(parsed->request.credentials[0].location.has_value());
  EXPECT_FALSE(parsed->request.credentials[0].duration.has_value());
  EXPECT_EQ(parsed->request.credentials[1].identity, "sip:b@c");
}

TEST(ParseMrasTest, WhatIsNoRequestIsAnError) {
  for (const std::string& body :
       {std::string(), std::string("hello"), std::string("<request/>"),
        std::string("<request xmlns=\"urn:x\"/>"),
        Body(kGood, One(kAlice)).substr(0, 100),
        Body(kGood, One(kAlice)) + "<more/>", Body(kGood, "&undefined;"),
        Body(kGood, std::string("\0", 1)), std::string("\xff\xfe<\0r\0", 6),
        Body(kGood, One("<identity>\xc3\x28</identity>"))}) {
    EXPECT_THAT(ParseMrasRequest(body), HasReason("MRAS_BODY_INVALID")) << body;
  }
}

// No entity of the sender's own, no file, no billion laughs.
TEST(ParseMrasTest, DocumentTypesAreRefused) {
  for (const std::string& doctype :
       {std::string("<!DOCTYPE request SYSTEM \"http://evil.test/x.dtd\">"),
        std::string("<!DOCTYPE request [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b "
                    "\"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">]>"),
        std::string("<!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>"),
        std::string("<!DOCTYPE request>")}) {
    EXPECT_THAT(ParseMrasRequest(doctype + Body(kGood, One(kAlice))),
                HasReason("MRAS_BODY_INVALID"));
  }
}

TEST(ParseMrasTest, NestingIsBounded) {
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "<x xmlns=\"urn:o\">";
  EXPECT_THAT(ParseMrasRequest(Body(kGood, deep)),
              HasReason("MRAS_BODY_INVALID"));
}

TEST(ParseMrasTest, WhatIsMalformedIsAReason) {
  for (const std::string& body : {
           Body("version=\"1.0\"", One(kAlice)),
           Body("requestID=\"7\"", One(kAlice)),
           Body(absl::StrCat("version=\"1.0\" requestID=\"",
                             std::string(65, 'x'), "\""),
                One(kAlice)),
           Body("requestID=\"7\" version=\"1.0\" route=\"scenic\"",
                One(kAlice)),
           Body(kGood, ""),
           Body(kGood, One("")),
           Body(kGood, One("<identity/>")),
           Body(kGood, One(kAlice, "")),
           Body(kGood, One(kAlice, std::string(65, 'x'))),
           Body(kGood, One(absl::StrCat(kAlice, kAlice))),
           Body(kGood, One(absl::StrCat(kAlice, "<location>Mars</location>"))),
           Body(kGood, One(absl::StrCat(kAlice,
                                        "<location>intranet</location>"
                                        "<location>internet</location>"))),
           Body(kGood, One(absl::StrCat(kAlice, "<duration>0</duration>"))),
           Body(kGood, One(absl::StrCat(kAlice, "<duration>-5</duration>"))),
           Body(kGood, One(absl::StrCat(kAlice, "<duration>8h</duration>"))),
           Body(kGood, One(absl::StrCat(kAlice, "<duration/>"))),
           Body(kGood, One(absl::StrCat(kAlice, "<unknown/>"))),
           Body(kGood, absl::StrCat(kAlice, One(kAlice))),
           Body(kGood, One(absl::StrCat("<identity>", std::string(3000, 'x'),
                                        "</identity>"))),
       }) {
    EXPECT_EQ(ReasonOfBody(body), MrasReason::kRequestMalformed) << body;
  }
}

TEST(ParseMrasTest, AnotherVersionIsSaidAndMirrored) {
  const auto parsed =
      ParseMrasRequest(Body("requestID=\"7\" version=\"3.0\"", One(kAlice)));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->reason, MrasReason::kVersionMismatch);
  EXPECT_EQ(parsed->request.request_id, "7");
}

TEST(ParseMrasTest, TooMuchIsTooLarge) {
  std::string many;
  for (int i = 0; i < 100; ++i) many += One(kAlice, absl::StrCat(i));
  EXPECT_EQ(ReasonOfBody(Body(kGood, many)), MrasReason::kOk);
  EXPECT_EQ(ReasonOfBody(Body(kGood, many + One(kAlice))),
            MrasReason::kRequestTooLarge);
  EXPECT_EQ(ReasonOfBody(std::string(kMaxMrasBody + 1, ' ')),
            MrasReason::kRequestTooLarge);
}

// AVE-18: whatever is asked, eight hours is for the policy to clamp.
TEST(ParseMrasTest, HugeDurationsAreReadNotWrapped) {
  const auto parsed = ParseMrasRequest(Body(
      kGood, One(absl::StrCat(kAlice, "<duration>99999999999</duration>"))));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->reason, MrasReason::kOk);
  EXPECT_GT(*parsed->request.credentials[0].duration, absl::Hours(8));
}

TEST(SameSipUserTest, UserPartsEqualHostsButForCase) {
  EXPECT_TRUE(IsSameSipUser("sip:alice@demo.test", "alice@demo.test"));
  EXPECT_TRUE(IsSameSipUser("SIPS:alice@Demo.Test;x=y", "sip:alice@demo.test"));
  for (const char* other :
       {"sip:Alice@demo.test", "sip:alice@other.test", "sip:demo.test", "alice",
        "sip:@demo.test", "sip:alice@", "sip:alice@demo.test@evil.test", ""}) {
    EXPECT_FALSE(IsSameSipUser(other, "alice@demo.test")) << other;
  }
  EXPECT_FALSE(IsSameSipUser("alice", "alice"));
}

RelayAddress Address(const std::string& relay, const std::string& uri,
                     ClientNetwork network) {
  auto parsed = ParseTurnUri(uri);
  EXPECT_THAT(parsed, IsOk());
  return {relay, network, *std::move(parsed)};
}

TEST(MrasRelaysTest, OneForEachHostWithItsPorts) {
  const std::vector<RelayAddress> addresses = {
      Address("r1", "turn:192.0.2.1:3478", ClientNetwork::kInternet),
      Address("r1", "turn:192.0.2.1:3478?transport=tcp",
              ClientNetwork::kInternet),
      Address("r1", "turns:192.0.2.1:443?transport=tcp",
              ClientNetwork::kInternet),
      Address("r1", "turn:10.0.0.1", ClientNetwork::kIntranet),
      Address("r1", "turns:192.0.2.1:3478?transport=udp",
              ClientNetwork::kInternet),
      Address("r3", "turns:192.0.2.3:3478?transport=udp",
              ClientNetwork::kInternet),
      Address("r2", "turn:relay.test?transport=tcp", ClientNetwork::kUnknown)};
  const auto relays = MrasRelaysOf(addresses, ClientNetwork::kIntranet, false);
  ASSERT_EQ(relays.size(), 3u);
  EXPECT_EQ(relays[0].host, "192.0.2.1");
  EXPECT_EQ(relays[0].udp_port, 3478);
  EXPECT_EQ(relays[0].tcp_port, 443);
  EXPECT_FALSE(relays[0].direct_ip);
  EXPECT_EQ(relays[1].location, ClientNetwork::kIntranet);
  EXPECT_EQ(relays[1].tcp_port, 0);
  EXPECT_EQ(relays[2].location, ClientNetwork::kIntranet);
  EXPECT_EQ(relays[2].tcp_port, 3478);
  EXPECT_EQ(relays[2].udp_port, 0);
  // Literal addresses alone, where there are some.
  const auto direct = MrasRelaysOf(addresses, std::nullopt, true);
  ASSERT_EQ(direct.size(), 2u);
  EXPECT_TRUE(direct[0].direct_ip);
  const auto none = MrasRelaysOf({addresses[6]}, std::nullopt, true);
  ASSERT_EQ(none.size(), 1u);
  EXPECT_FALSE(none[0].direct_ip);
  EXPECT_EQ(none[0].location, ClientNetwork::kInternet);
}

TEST(WriteMrasTest, TheAnswerInWhole) {
  IssuedCredential credential;
  credential.username = "-_8";  // of 0xfb 0xff
  credential.password = Secret::CopyOf("AAEC");
  credential.lifetime = absl::Minutes(480) - absl::Milliseconds(900);
  MrasRequest request;
  request.request_id = "<7>\"";
  request.version = "1.0";
  request.to = "sip:mras&x@demo.test";
  request.from = "sip:alice@demo.test";
  MrasCredentials one;
  one.id = "cred-1";
  one.credential = &credential;
  one.relays = {{ClientNetwork::kIntranet, "relay.test", false, 3478, 443},
                {ClientNetwork::kInternet, "192.0.2.1", true, 3478, 0}};
  EXPECT_EQ(
      WriteMrasResponse(request, MrasReason::kOk, "sallyport", {one}),
      "<?xml version=\"1.0\"?><response requestID=\"&lt;7&gt;&quot;\""
      " version=\"1.0\" serverVersion=\"2.0\" to=\"sip:mras&amp;x@demo.test\""
      " from=\"sip:alice@demo.test\" reasonPhrase=\"OK\""
      " xmlns=\"http://schemas.microsoft.com/2006/09/sip/mrasp\">"
      "<credentialsResponse credentialsRequestID=\"cred-1\"><credentials>"
      "<username>+/8=</username><password>AAEC</password>"
      "<duration>480</duration><realm>sallyport</realm></credentials>"
      "<mediaRelayList><mediaRelay><location>intranet</location>"
      "<hostName>relay.test</hostName><udpPort>3478</udpPort>"
      "<tcpPort>443</tcpPort></mediaRelay><mediaRelay>"
      "<location>internet</location><directIPAddress>192.0.2.1"
      "</directIPAddress><udpPort>3478</udpPort></mediaRelay>"
      "</mediaRelayList></credentialsResponse></response>");
}

TEST(WriteMrasTest, EveryReasonHasItsPhrase) {
  const char* const phrases[] = {"OK",
                                 "Request Malformed",
                                 "Request Too Large",
                                 "Not Supported",
                                 "Server Busy",
                                 "Time Out",
                                 "Forbidden",
                                 "Internal Server Error",
                                 "Other Failure",
                                 "Version Mismatch"};
  for (size_t i = 0; i < kMrasReasonCount; ++i) {
    const auto reason = static_cast<MrasReason>(i);
    EXPECT_EQ(MrasReasonPhrase(reason), phrases[i]);
    const std::string body = WriteMrasResponse({}, reason, "", {});
    EXPECT_THAT(body, HasSubstr(absl::StrCat("reasonPhrase=\"", phrases[i])));
    EXPECT_THAT(body, Not(HasSubstr("credentialsResponse")));
  }
}

// MS-AVEDGEA clients take quotes and zeros off the ends of what they decode.
TEST(WriteMrasTest, OctetsThatClientsTrimAreKnown) {
  const auto survives = [](const std::string& username,
                           const std::string& password) {
    IssuedCredential credential;
    credential.username = absl::WebSafeBase64Escape(username);
    credential.password =
        Secret::CopyOf(std::string_view(absl::WebSafeBase64Escape(password)));
    return SurvivesTrimming(credential);
  };
  const std::string zero(1, '\0');
  EXPECT_TRUE(survives("user", "pass"));
  EXPECT_TRUE(survives("us\"er", "pa" + zero + "ss"));
  for (const std::string& end : {std::string("\""), zero}) {
    EXPECT_FALSE(survives("user" + end, "pass"));
    EXPECT_FALSE(survives(end + "user", "pass"));
    EXPECT_FALSE(survives("user", "pass" + end));
    EXPECT_FALSE(survives("user", end + "pass"));
  }
}

}  // namespace
}  // namespace sallyport::credential_issuer
