#include "services/capf/core/certificate_profile.h"

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

struct Case {
  const char* name;
  ProfileId profile;
  std::string common_name;
  SubjectAltNames names;
  const char* reason;
};

class CheckNamesTest : public testing::TestWithParam<Case> {};

TEST_P(CheckNamesTest, AcceptsOrRefuses) {
  const Case& c = GetParam();
  const absl::Status status = CheckNames(
      ProfileFor(c.profile), {.common_name = c.common_name}, c.names);
  EXPECT_EQ(ReasonOf(status), c.reason) << status;
  EXPECT_EQ(status.ok(), std::string(c.reason).empty());
}

INSTANTIATE_TEST_SUITE_P(
    All, CheckNamesTest,
    testing::Values(
        Case{"Lsc", ProfileId::kLsc, "SEP001122334455", {}, ""},
        // Whoever enrols a phone must not get a gateway's name.
        Case{"LscWithHostName",
             ProfileId::kLsc,
             "gw.example.test",
             {},
             "SUBJECT_INVALID"},
        Case{"LscWithSan",
             ProfileId::kLsc,
             "SEP1",
             {{"a.test"}, {}},
             "SAN_INVALID"},
        Case{"NoCommonName", ProfileId::kLsc, "", {}, "SUBJECT_INVALID"},
        Case{"Sip", ProfileId::kSipServer, "edge", {{"edge.test"}, {}}, ""},
        Case{"SipUri",
             ProfileId::kSipServer,
             "edge",
             {{}, {"sip:edge.test"}},
             ""},
        Case{
            "SipWithoutName", ProfileId::kSipServer, "edge", {}, "SAN_INVALID"},
        Case{"SipWildcard",
             ProfileId::kSipServer,
             "edge",
             {{"*.test"}, {}},
             "SAN_INVALID"},
        Case{"SipUser",
             ProfileId::kSipServer,
             "edge",
             {{}, {"sip:a@b.test"}},
             "SAN_INVALID"},
        Case{"SipSpiffe",
             ProfileId::kSipServer,
             "edge",
             {{"edge.test"}, {"spiffe://td/edge"}},
             "SAN_INVALID"},
        Case{"SipTooMany",
             ProfileId::kSipServer,
             "edge",
             {std::vector<std::string>(21, "edge.test"), {}},
             "SAN_INVALID"},
        Case{"Service",
             ProfileId::kService,
             "capf",
             {{"capf.svc"}, {"spiffe://td/capf"}},
             ""},
        Case{"ServiceTwoUris",
             ProfileId::kService,
             "capf",
             {{}, {"spiffe://td/capf", "spiffe://td/dialplan"}},
             "SAN_INVALID"},
        Case{"ServiceNoUri",
             ProfileId::kService,
             "capf",
             {{"capf.svc"}, {}},
             "SAN_INVALID"},
        Case{"Client", ProfileId::kClient, "ann", {}, ""},
        Case{"ClientSpiffe",
             ProfileId::kClient,
             "ann",
             {{}, {"spiffe://td/operator/ann"}},
             ""},
        Case{"ClientDns",
             ProfileId::kClient,
             "ann",
             {{"a.test"}, {}},
             "SAN_INVALID"},
        Case{"PhoneServer",
             ProfileId::kPhoneServer,
             "capf",
             {{"capf.test"}, {}, {"\x0a\x01\x02\x03"}},
             ""},
        Case{"PhoneServerNameless",
             ProfileId::kPhoneServer,
             "capf",
             {},
             "SAN_INVALID"},
        Case{"PhoneServerUri",
             ProfileId::kPhoneServer,
             "capf",
             {{"capf.test"}, {"sip:capf.test"}},
             "SAN_INVALID"},
        Case{"PhoneServerHalfAddress",
             ProfileId::kPhoneServer,
             "capf",
             {{}, {}, {"\x0a\x01\x02"}},
             "SAN_INVALID"},
        Case{"SipAddress",
             ProfileId::kSipServer,
             "edge",
             {{"edge.test"}, {}, {"\x0a\x01\x02\x03"}},
             "SAN_INVALID"},
        Case{"Authority", ProfileId::kAuthority, "CAPF-1", {}, ""},
        Case{"AuthoritySan",
             ProfileId::kAuthority,
             "CAPF-1",
             {{"a.test"}, {}},
             "SAN_INVALID"}),
    [](const testing::TestParamInfo<Case>& info) { return info.param.name; });

TEST(CertificateProfileTest, NamesFindTheirProfiles) {
  for (const ProfileId id :
       {ProfileId::kAuthority, ProfileId::kLsc, ProfileId::kSipServer,
        ProfileId::kService, ProfileId::kClient, ProfileId::kPhoneServer}) {
    EXPECT_EQ(ProfileFor(id).id, id);
    EXPECT_EQ(ProfileByName(ProfileFor(id).name), id);
    EXPECT_LE(ProfileFor(id).default_validity, ProfileFor(id).max_validity);
  }
  EXPECT_EQ(ProfileByName("nobody"), std::nullopt);
}

// RFC 5480 section 3; pki.md 2.8.
TEST(CertificateProfileTest, OnlyRsaKeysEncipher) {
  const CertificateProfile& lsc = ProfileFor(ProfileId::kLsc);
  EXPECT_EQ(lsc.KeyUsage(true), kDigitalSignature | kKeyEncipherment);
  EXPECT_EQ(lsc.KeyUsage(false), kDigitalSignature);
  EXPECT_EQ(ProfileFor(ProfileId::kAuthority).KeyUsage(false),
            kDigitalSignature | kKeyCertSign | kCrlSign);
}

}  // namespace
}  // namespace sallyport::capf
