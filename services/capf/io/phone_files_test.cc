#include "services/capf/io/phone_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/capf/core/signed_file_header.h"
#include "services/capf/core/test_trust_list.h"
#include "services/capf/io/list_signers.h"
#include "services/capf/io/test_capf.h"
#include "services/capf/io/trust_list_publisher.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kDevice[] = "SEP001122334455";

TEST(PhoneConfigNameTest, NamesOfConfigurationFiles) {
  EXPECT_EQ(ParsePhoneConfigName("SEP001122334455.cnf.xml"),
            (PhoneConfigRequest{kDevice, false}));
  EXPECT_EQ(ParsePhoneConfigName("SEP001122334455.cnf.xml.sgn"),
            (PhoneConfigRequest{kDevice, true}));
  EXPECT_EQ(ParsePhoneConfigName("SEP001122334455.xml"), std::nullopt);
  EXPECT_EQ(ParsePhoneConfigName(".cnf.xml"), std::nullopt);
  EXPECT_EQ(ParsePhoneConfigName("../x.cnf.xml"), std::nullopt);
}

class PhoneFileMakerTest : public testing::Test {
 protected:
  void SetUp() override {
    ListSigners::Options signers;
    signers.wrapping = Secret::CopyOf(std::string(64, 'k'));
    signers_.emplace(std::move(signers), *capf_.authority, *capf_.ledger);
    TrustListOptions options;
    options.default_tenant = "b";
    options.host = "capf.example.test";
    options.capf_certificate =
        NewTestIdentity("capf.example.test", 14).certificate;
    publisher_.emplace(options, *signers_, *capf_.ledger);
    ASSERT_THAT(
        publisher_->Serve([this](const std::vector<PublishedList>& lists) {
          files_.Put(lists);
        }),
        IsOk());
    PhoneCluster cluster;
    cluster.mode = ClusterSecurityMode::kMixed;
    cluster.call_managers = {
        {.node = {.dns_name = "cm1.example.test",
                  .certificate_der =
                      NewTestIdentity("cm1.example.test", 13).certificate}}};
    for (const char* tenant : {"a", "b"}) {
      cluster.tenant = tenant;
      cluster.sha512_models = {"CP-8861"};
      ASSERT_THAT(
          publisher_->PublishCluster(cluster, {.actor = "ann"}, false).status(),
          IsOk());
    }
    maker_.emplace(PhoneFileMaker::Options{.max_kept = 2}, *capf_.ledger,
                   *publisher_, files_);
  }

  absl::StatusOr<std::string> Make(const std::string& tenant,
                                   const std::string& name) {
    SP_ASSIGN_OR_RETURN(const TrustListFiles::Content content,
                        maker_->Make(tenant, name));
    return *content;
  }
  // A list's tenant, by who signed it, and its digest.
  static std::string Describe(const absl::StatusOr<std::string>& file) {
    if (!file.ok()) return std::string(ReasonOf(file.status()));
    const auto parsed = ParseSignedFileHeader(AsBytes(*file));
    return absl::StrCat(
        parsed->header.signer_name.substr(0, 11), " ",
        std::string(SignedFileDigestName(parsed->header.digest)));
  }

  TestCapf capf_{NewTestFolder()};
  TrustListFiles files_;
  std::optional<ListSigners> signers_;
  std::optional<TrustListPublisher> publisher_;
  std::optional<PhoneFileMaker> maker_;
};

// A device's own name gives its tenant's list, in the form that it can read;
// the general name is the default tenant's.
TEST_F(PhoneFileMakerTest, EachPhoneGetsItsTenantsList) {
  capf_.AddEnrollment(kDevice);
  EXPECT_EQ(Describe(Make("", "CTLSEP001122334455.tlv")), "CN=SAST-1-a SHA-1");
  EXPECT_EQ(Describe(Make("", "ITLSEP001122334455.tlv")), "CN=SAST-1-a SHA-1");
  EXPECT_EQ(Describe(Make("", "CTLFile.tlv")), "CN=SAST-1-b SHA-1");
  EXPECT_EQ(Describe(Make("", "CTLSEP0000000000FF.tlv")), "CN=SAST-1-b SHA-1");
  EXPECT_EQ(Describe(Make("a", "CTLFile.tlv")), "CN=SAST-1-a SHA-1");
  EXPECT_EQ(Describe(Make("b", "CTLSEP001122334455.tlv")),
            "PHONE_FILE_NOT_FOUND");
  EXPECT_EQ(Describe(Make("c", "CTLFile.tlv")), "PHONE_FILE_NOT_FOUND");
  Enrollment enrollment = capf_.Get(kDevice);
  enrollment.model = "CP-8861";
  StoreChange change;
  change.update_enrollments = {enrollment};
  change.audit = {{.event = "TEST"}};
  ASSERT_THAT(capf_.ledger->Apply(change), IsOk());
  EXPECT_EQ(Describe(Make("", "CTLSEP001122334455.tlv")),
            "CN=SAST-1-a SHA-512");
  EXPECT_EQ(Describe(Make("", "SEP001122334455.cnf.xml.sgn")),
            "CN=FILES-1- SHA-512");
  EXPECT_THAT(files_.All(), SizeIs(4));
}

TEST_F(PhoneFileMakerTest, APhoneWithoutLscIsToldToComeForOne) {
  capf_.AddEnrollment(kDevice);
  SP_ASSERT_OK_AND_ASSIGN(const std::string xml,
                          Make("", "SEP001122334455.cnf.xml"));
  EXPECT_THAT(xml, HasSubstr("<capfAuthMode>1</capfAuthMode>"));
  EXPECT_THAT(xml, HasSubstr("<certHash></certHash>"));
  EXPECT_THAT(xml, HasSubstr("<deviceSecurityMode>1</deviceSecurityMode>"));
  EXPECT_THAT(xml, HasSubstr("cm1.example.test"));
  EXPECT_THAT(xml, HasSubstr("capf.example.test"));
}

TEST_F(PhoneFileMakerTest, TheSignedFormHoldsThePlainOne) {
  capf_.AddEnrollment(kDevice);
  SP_ASSERT_OK_AND_ASSIGN(const std::string xml,
                          Make("", "SEP001122334455.cnf.xml"));
  SP_ASSERT_OK_AND_ASSIGN(const std::string file,
                          Make("", "SEP001122334455.cnf.xml.sgn"));
  SP_ASSERT_OK_AND_ASSIGN(const ParsedSignedFileHeader parsed,
                          ParseSignedFileHeader(AsBytes(file)));
  EXPECT_EQ(file.substr(parsed.layout.header_size), xml);
  EXPECT_EQ(parsed.header.file_name, "SEP001122334455.cnf.xml");
}

TEST_F(PhoneFileMakerTest, WhoAsksAgainCostsNoSignature) {
  capf_.AddEnrollment(kDevice);
  const std::string name = "SEP001122334455.cnf.xml.sgn";
  SP_ASSERT_OK_AND_ASSIGN(const std::string first, Make("", name));
  for (int i = 0; i < 100; ++i) {
    SP_ASSERT_OK_AND_ASSIGN(const std::string again, Make("", name));
    EXPECT_EQ(again, first);
  }
  EXPECT_EQ(maker_->signatures(), 1u);
  // What changed is signed again.
  Enrollment enrollment = capf_.Get(kDevice);
  enrollment.operation = Operation::kNone;
  SP_ASSERT_OK_AND_ASSIGN(
      const EnrollmentWithString updated,
      capf_.enrollments->Update(enrollment, false, Secret(), "test", false));
  SP_ASSERT_OK_AND_ASSIGN(const std::string changed, Make("", name));
  EXPECT_THAT(changed, HasSubstr("<capfAuthMode>0</capfAuthMode>"));
  EXPECT_EQ(maker_->signatures(), 2u);
  // There is room for two: the oldest goes.
  for (const char* const other : {"SEP000000000001", "SEP000000000002"}) {
    capf_.AddEnrollment(other);
    EXPECT_THAT(Make("", std::string(other) + ".cnf.xml.sgn").status(), IsOk());
  }
  EXPECT_EQ(maker_->signatures(), 4u);
  EXPECT_THAT(Make("", name).status(), IsOk());
  EXPECT_EQ(maker_->signatures(), 5u);
  EXPECT_THAT(Make("", "SEP000000000002.cnf.xml.sgn").status(), IsOk());
  EXPECT_EQ(maker_->signatures(), 5u);
}

TEST_F(PhoneFileMakerTest, StrangersGetNothing) {
  EXPECT_THAT(Make("", "SEP0000000000FF.cnf.xml"),
              HasReason("PHONE_FILE_NOT_FOUND"));
  capf_.AddEnrollment(kDevice);
  EXPECT_THAT(Make("b", "SEP001122334455.cnf.xml"),
              HasReason("PHONE_FILE_NOT_FOUND"));
  EXPECT_THAT(Make("a", "SEP001122334455.cnf.xml").status(), IsOk());
  EXPECT_THAT(Make("", "passwd"), HasReason("PHONE_FILE_NOT_FOUND"));
}

}  // namespace
}  // namespace sallyport::capf
