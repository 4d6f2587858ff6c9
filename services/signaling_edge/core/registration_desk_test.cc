#include "services/signaling_edge/core/registration_desk.h"

#include <string>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

class RegistrationDeskTest : public testing::Test {
 protected:
  RegistrationDeskTest() {
    user_.resource = "tenants/t/users/alice";
    user_.authentication = Authentication::kDigestSha256;
  }

  RegisterOutcome Run(const std::vector<std::string>& contacts,
                      std::string_view expires = "") {
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
    return Register(request, user_, {}, 0, "tag", registrar_, now_);
  }

  Party user_;
  Registrar registrar_{{}};
  MonoTime now_ = MonoTime::FromOrigin(absl::Hours(1));
  uint32_t cseq_ = 0;
};

TEST_F(RegistrationDeskTest, TellsEveryContactWithItsTime) {
  RegisterOutcome outcome =
      Run({"<sip:a@192.0.2.1>;expires=120;+sip.instance=\"<urn:uuid:1>\"",
           "<sip:b@192.0.2.2>"},
          "600");
  EXPECT_TRUE(outcome.refusal.ok());
  EXPECT_EQ(outcome.response.status_code(), 200);
  EXPECT_EQ(outcome.changes.size(), 2u);
  now_ += absl::Seconds(20);
  const RegisterOutcome question = Run({});
  EXPECT_TRUE(question.changes.empty());
  const auto contacts = question.response.Items(HeaderId::kContact);
  ASSERT_EQ(contacts.size(), 2u);
  EXPECT_EQ(contacts[0],
            "<sip:a@192.0.2.1>;expires=100;+sip.instance=\"<urn:uuid:1>\"");
  EXPECT_EQ(contacts[1], "<sip:b@192.0.2.2>;expires=580");
}

TEST_F(RegistrationDeskTest, StarRemovesAll) {  // RFC 3261 section 10.2.2
  Run({"<sip:a@192.0.2.1>"}, "600");
  EXPECT_EQ(Run({"*"}).response.status_code(), 400);
  EXPECT_EQ(Run({"*", "<sip:a@192.0.2.1>"}, "0").response.status_code(), 400);
  EXPECT_EQ(registrar_.size(), 1u);
  const RegisterOutcome outcome = Run({"*"}, "0");
  EXPECT_EQ(outcome.response.status_code(), 200);
  EXPECT_EQ(outcome.changes.size(), 1u);
  EXPECT_FALSE(outcome.response.Has(HeaderId::kContact));
}

TEST_F(RegistrationDeskTest, TooBriefIs423WithTheLeast) {
  const RegisterOutcome outcome = Run({"<sip:a@192.0.2.1>"}, "30");
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

TEST(AuthenticationNameTest, IsThatOfTheApi) {
  EXPECT_EQ(AuthenticationName(Authentication::kLscAndDigestMd5),
            "LSC_AND_DIGEST_MD5");
  EXPECT_EQ(AuthenticationName(Authentication::kPeerCertificate),
            "PEER_CERTIFICATE");
}

}  // namespace
}  // namespace sallyport::signaling_edge
