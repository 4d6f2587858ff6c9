#include "services/signaling_edge/core/registration_desk.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/registrar.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

struct Outcome {
  SipMessage response;
  absl::Status refusal;
};

class RegistrationDeskTest : public testing::Test {
 protected:
  RegistrationDeskTest() {
    user_.resource = "tenants/t/users/alice";
    user_.authentication = Authentication::kDigestSha256;
  }

  Outcome Run(const std::vector<std::string>& contacts,
              std::string_view expires = "",
              const std::vector<std::pair<HeaderId, std::string>>& more = {}) {
    SipMessage request =
        SipMessage::Request(SipMethod::kRegister, "sip:d.test");
    request.Add(HeaderId::kVia, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1");
    request.Add(HeaderId::kFrom, "<sip:alice@d.test>;tag=1");
    request.Add(HeaderId::kTo, "<sip:alice@d.test>");
    request.Add(HeaderId::kCallId, "c");
    request.Add(HeaderId::kCseq, Cat(++cseq_, " REGISTER"));
    for (const std::string& contact : contacts) {
      request.Add(HeaderId::kContact, contact);
    }
    if (!expires.empty()) request.Add(HeaderId::kExpires, expires);
    for (const auto& [id, value] : more) request.Add(id, value);
    Outcome out;
    const auto registration = ReadRegister(request, user_, {}, policy_);
    out.refusal = registration.status();
    if (registration.ok()) {
      out.refusal = registrar_.OnRegister(registration->change, now_).status();
    }
    out.response = out.refusal.ok()
                       ? RegisterAnswer(request, *registration,
                                        registrar_.Of(user_.resource), policy_,
                                        "tag", now_)
                       : RegisterRefusal(request, out.refusal,
                                         registrar_.min_expires(), "tag");
    return out;
  }

  Party user_;
  RegisterPolicy policy_{.domain = "d.test", .flow_timer = absl::Seconds(90)};
  Registrar registrar_{{}};
  MonoTime now_ = MonoTime::FromOrigin(absl::Hours(1));
  uint32_t cseq_ = 0;
};

TEST_F(RegistrationDeskTest, TellsEveryContactWithItsTime) {
  Outcome outcome =
      Run({"<sip:a@192.0.2.1>;expires=120;+sip.instance=\"<urn:uuid:1>\"",
           "<sip:b@192.0.2.2>"},
          "600");
  EXPECT_TRUE(outcome.refusal.ok());
  EXPECT_EQ(outcome.response.status_code(), 200);
  now_ += absl::Seconds(20);
  const Outcome question = Run({});
  const auto contacts = question.response.Items(HeaderId::kContact);
  ASSERT_EQ(contacts.size(), 2u);
  EXPECT_EQ(contacts[0],
            "<sip:a@192.0.2.1>;expires=100;+sip.instance=\"<urn:uuid:1>\"");
  EXPECT_EQ(contacts[1], "<sip:b@192.0.2.2>;expires=580");
}

TEST_F(RegistrationDeskTest, TellsWhereToSendRequests) {  // RFC 3608
  EXPECT_FALSE(
      Run({"<sip:a@192.0.2.1>"}).response.Has(HeaderId::kServiceRoute));
  policy_.service_route = "sip:edge.test;transport=tls;lr";
  EXPECT_EQ(Run({"<sip:a@192.0.2.1>"}).response.Value(HeaderId::kServiceRoute),
            "<sip:edge.test;transport=tls;lr>");
}

TEST_F(RegistrationDeskTest, StarRemovesAll) {  // RFC 3261 section 10.2.2
  Run({"<sip:a@192.0.2.1>"}, "600");
  EXPECT_EQ(Run({"*"}).response.status_code(), 400);
  EXPECT_EQ(Run({"*", "<sip:a@192.0.2.1>"}, "0").response.status_code(), 400);
  EXPECT_EQ(registrar_.size(), 1u);
  const Outcome outcome = Run({"*"}, "0");
  EXPECT_EQ(outcome.response.status_code(), 200);
  EXPECT_FALSE(outcome.response.Has(HeaderId::kContact));
}

TEST_F(RegistrationDeskTest, TooBriefIs423WithTheLeast) {
  const Outcome outcome = Run({"<sip:a@192.0.2.1>"}, "30");
  EXPECT_EQ(outcome.response.status_code(), 423);
  EXPECT_EQ(outcome.response.Value(HeaderId::kMinExpires), "60");
  EXPECT_EQ(ReasonOf(outcome.refusal), "EXPIRES_TOO_BRIEF");
}

TEST_F(RegistrationDeskTest, OnlySipContacts) {
  for (const char* contact : {"<tel:+15551234>", "<mailto:a@b.test>"}) {
    EXPECT_EQ(Run({contact}).response.status_code(), 400) << contact;
  }
  EXPECT_EQ(registrar_.size(), 0u);
}

constexpr char kInstance[] = "<urn:uuid:00000000-0000-1000-8000-000A95A0E128>";

std::string WithInstance(std::string_view uri, std::string_view more) {
  return Cat("<", uri, ">;+sip.instance=\"", kInstance, "\"", more);
}

TEST_F(RegistrationDeskTest, PathIsKeptAndTold) {  // RFC 3327 section 5.3
  const std::vector<std::pair<HeaderId, std::string>> path = {
      {HeaderId::kPath, "<sip:p2.d.test;lr>, <sip:p1.d.test;lr;ob>"}};
  // Who does not know of Path cannot see who stays in it.
  Outcome outcome = Run({"<sip:a@192.0.2.1>"}, "600", path);
  EXPECT_EQ(outcome.response.status_code(), 420);
  EXPECT_EQ(outcome.response.Value(HeaderId::kUnsupported), "path");
  auto supported = path;
  supported.emplace_back(HeaderId::kSupported, "path");
  outcome = Run({"<sip:a@192.0.2.1>"}, "600", supported);
  EXPECT_EQ(outcome.response.status_code(), 200);
  EXPECT_EQ(outcome.response.Items(HeaderId::kPath).size(), 2u);
  ASSERT_EQ(registrar_.All().size(), 1u);
  EXPECT_EQ(registrar_.All()[0]->path,
            (std::vector<std::string>{"<sip:p2.d.test;lr>",
                                      "<sip:p1.d.test;lr;ob>"}));
  supported[0].second = "<mailto:x>";
  EXPECT_EQ(Run({"<sip:a@192.0.2.1>"}, "600", supported).response.status_code(),
            400);
  supported[0].second = Cat("<sip:", std::string(3000, 'p'), ";lr>");
  EXPECT_EQ(Run({"<sip:a@192.0.2.1>"}, "600", supported).response.status_code(),
            400);
}

TEST_F(RegistrationDeskTest, FlowsByOutboundRules) {  // RFC 5626 section 6
  const std::vector<std::pair<HeaderId, std::string>> outbound = {
      {HeaderId::kSupported, "path, outbound"}};
  Outcome outcome =
      Run({WithInstance("sip:a@192.0.2.1", ";reg-id=1")}, "600", outbound);
  EXPECT_EQ(outcome.response.status_code(), 200);
  EXPECT_EQ(outcome.response.Value(HeaderId::kRequire), "outbound");
  EXPECT_EQ(outcome.response.Value(HeaderId::kFlowTimer), "90");
  // The URI says nothing: a second flow has one of its own.
  outcome =
      Run({WithInstance("sip:a@192.0.2.1", ";reg-id=2")}, "600", outbound);
  EXPECT_EQ(outcome.response.Items(HeaderId::kContact).size(), 2u);
  outcome =
      Run({WithInstance("sip:a@192.0.2.9", ";reg-id=2")}, "600", outbound);
  EXPECT_EQ(outcome.response.Items(HeaderId::kContact).size(), 2u);
  // One is removed by its number.
  outcome = Run({WithInstance("sip:a@192.0.2.9", ";reg-id=1")}, "0", outbound);
  const auto left = outcome.response.Items(HeaderId::kContact);
  ASSERT_EQ(left.size(), 1u);
  EXPECT_NE(left[0].find(";reg-id=2"), std::string::npos);
  EXPECT_FALSE(outcome.response.Has(HeaderId::kFlowTimer));
  // Without Supported: outbound, or without instance, it is no flow.
  outcome = Run({WithInstance("sip:b@192.0.2.1", ";reg-id=3")}, "600");
  EXPECT_FALSE(outcome.response.Has(HeaderId::kRequire));
  outcome = Run({"<sip:c@192.0.2.1>;reg-id=4"}, "600", outbound);
  EXPECT_FALSE(outcome.response.Has(HeaderId::kRequire));
  EXPECT_EQ(outcome.response.status_code(), 200);
  // Which of two would be at the other end?
  outcome =
      Run({WithInstance("sip:a@192.0.2.1", ";reg-id=1"), "<sip:d@192.0.2.1>"},
          "600", outbound);
  EXPECT_EQ(outcome.response.status_code(), 400);
  outcome =
      Run({WithInstance("sip:a@192.0.2.1", ";reg-id=0")}, "600", outbound);
  EXPECT_EQ(outcome.response.status_code(), 400);
}

TEST_F(RegistrationDeskTest, TheFirstHopMustKeepTheFlow) {  // section 6: 439
  std::vector<std::pair<HeaderId, std::string>> more = {
      {HeaderId::kSupported, "path, outbound"},
      {HeaderId::kPath, "<sip:p2.d.test;lr;ob>, <sip:p1.d.test;lr>"}};
  const std::string contact = WithInstance("sip:a@192.0.2.1", ";reg-id=1");
  EXPECT_EQ(Run({contact}, "600", more).response.status_code(), 439);
  more[1].second = "<sip:p2.d.test;lr>, <sip:p1.d.test;lr;ob>";
  EXPECT_EQ(Run({contact}, "600", more).response.status_code(), 200);
  // A proxy that adds no Path keeps none.
  more[1] = {HeaderId::kVia, "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK2"};
  EXPECT_EQ(Run({contact}, "600", more).response.status_code(), 439);
  EXPECT_EQ(registrar_.size(), 1u);
}

TEST_F(RegistrationDeskTest, BulkContactsOfAPbx) {  // RFC 6140
  std::vector<std::pair<HeaderId, std::string>> gin = {
      {HeaderId::kRequire, "gin"}, {HeaderId::kSupported, "path, gruu"}};
  const std::string contact = WithInstance("sip:198.51.100.3:5060;bnc", "");
  EXPECT_EQ(ReasonOf(Run({contact}, "600", gin).refusal), "BULK_NOT_ALLOWED");
  policy_.may_be_bulk = true;
  EXPECT_EQ(Run({contact}, "600").response.status_code(), 400);
  EXPECT_EQ(
      Run({"<sip:x@198.51.100.3;bnc>"}, "600", gin).response.status_code(),
      400);
  const Outcome outcome = Run({contact}, "600", gin);
  EXPECT_EQ(outcome.response.status_code(), 200);
  EXPECT_EQ(
      outcome.response.Value(HeaderId::kContact),
      Cat("<sip:198.51.100.3:5060;bnc>;expires=600;+sip.instance=\"", kInstance,
          "\";pub-gruu=\"sip:d.test;bg=urn:uuid:00000000-0000-1000-8000-"
          "000A95A0E128\""));
  ASSERT_EQ(registrar_.All().size(), 1u);
  EXPECT_TRUE(registrar_.All()[0]->bulk);
}

TEST_F(RegistrationDeskTest, GruusAreToldToWhoAsks) {  // RFC 5627 section 5.3
  policy_.username = "alice";
  const std::string contact = WithInstance("sip:a@192.0.2.1", "");
  EXPECT_FALSE(
      Has(Run({contact}, "600").response.Value(HeaderId::kContact), "gruu"));
  const std::vector<std::pair<HeaderId, std::string>> more = {
      {HeaderId::kSupported, "gruu"}};
  const Outcome outcome = Run({contact, "<sip:b@192.0.2.2>"}, "600", more);
  const auto contacts = outcome.response.Items(HeaderId::kContact);
  ASSERT_EQ(contacts.size(), 2u);
  EXPECT_TRUE(Has(contacts[0],
                  ";pub-gruu=\"sip:alice@d.test;gr=urn:uuid:00000000-0000-"
                  "1000-8000-000A95A0E128\""));
  EXPECT_FALSE(Has(contacts[1], "gruu")) << "it names no device";
}

TEST(BulkTargetTest, TheNumberTakesThePlaceOfBnc) {  // RFC 6140 section 5.3
  EXPECT_EQ(BulkTarget("sip:198.51.100.3:5060;bnc;transport=tcp", "+1201", ""),
            "sip:+1201@198.51.100.3:5060;transport=tcp");
  EXPECT_EQ(BulkTarget("sip:198.51.100.3;transport=tcp;bnc", "1", "00:05"),
            "sip:1@198.51.100.3;transport=tcp;sg=00:05");
  EXPECT_EQ(BulkTarget("sip:198.51.100.3;bncx=1", "1", ""),
            "sip:1@198.51.100.3;bncx=1");
}

TEST(AuthenticationNameTest, IsThatOfTheApi) {
  EXPECT_EQ(AuthenticationName(Authentication::kLscAndDigestMd5),
            "LSC_AND_DIGEST_MD5");
  EXPECT_EQ(AuthenticationName(Authentication::kPeerCertificate),
            "PEER_CERTIFICATE");
}

}  // namespace
}  // namespace sallyport::signaling_edge
