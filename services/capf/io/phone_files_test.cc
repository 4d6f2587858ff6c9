#include "services/capf/io/phone_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "services/capf/core/signed_file_header.h"
#include "services/capf/io/test_capf.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kDevice[] = "SEP001122334455";

TEST(TrustListFilesTest, TheDevicesOwnNameGivesTheGeneralFile) {
  TrustListFiles files;
  EXPECT_EQ(files.Find("CTLFile.tlv"), nullptr);
  files.Put({.tenant = "a", .kind = TrustListKind::kCtl, .content = "ctl"});
  files.Put({.tenant = "a", .kind = TrustListKind::kCtl, .content = "new"});
  ASSERT_NE(files.Find("CTLFile.tlv"), nullptr);
  EXPECT_EQ(*files.Find("CTLFile.tlv"), "new");
  EXPECT_EQ(*files.Find("CTLSEP001122334455.tlv"), "new");
  EXPECT_EQ(files.Find("ITLFile.tlv"), nullptr);
  EXPECT_EQ(files.Find("passwd"), nullptr);
  EXPECT_THAT(files.All(), SizeIs(1));
}

TEST(PhoneConfigNameTest, NamesOfConfigurationFiles) {
  EXPECT_EQ(ParsePhoneConfigName("SEP001122334455.cnf.xml"),
            (PhoneConfigRequest{kDevice, false}));
  EXPECT_EQ(ParsePhoneConfigName("SEP001122334455.cnf.xml.sgn"),
            (PhoneConfigRequest{kDevice, true}));
  EXPECT_EQ(ParsePhoneConfigName("SEP001122334455.xml"), std::nullopt);
  EXPECT_EQ(ParsePhoneConfigName(".cnf.xml"), std::nullopt);
  EXPECT_EQ(ParsePhoneConfigName("../x.cnf.xml"), std::nullopt);
}

class PhoneConfigMakerTest : public testing::Test {
 protected:
  void SetUp() override {
    TrustListOptions options;
    options.folder = capf_.folder;
    options.tenant = "a";
    SP_ASSERT_OK_AND_ASSIGN(
        publisher_, TrustListPublisher::Open(options, Secret(),
                                             *capf_.authority, *capf_.ledger));
    maker_.emplace(
        PhoneConfigMaker::Options{
            .call_managers = {{.name = "cm1.example.test"}},
            .capf = {{.name = "capf.example.test"}},
            .mixed_mode = true,
            .max_kept = 2},
        *capf_.ledger, *publisher_);
  }

  TestCapf capf_{NewTestFolder()};
  std::unique_ptr<TrustListPublisher> publisher_;
  std::optional<PhoneConfigMaker> maker_;
};

TEST_F(PhoneConfigMakerTest, APhoneWithoutLscIsToldToComeForOne) {
  capf_.AddEnrollment(kDevice);
  SP_ASSERT_OK_AND_ASSIGN(const std::string xml,
                          maker_->Make("", "SEP001122334455.cnf.xml"));
  EXPECT_THAT(xml, HasSubstr("<capfAuthMode>1</capfAuthMode>"));
  EXPECT_THAT(xml, HasSubstr("<certHash></certHash>"));
  EXPECT_THAT(xml, HasSubstr("<deviceSecurityMode>1</deviceSecurityMode>"));
  EXPECT_THAT(xml, HasSubstr("cm1.example.test"));
  EXPECT_THAT(xml, HasSubstr("capf.example.test"));
}

TEST_F(PhoneConfigMakerTest, TheSignedFormHoldsThePlainOne) {
  capf_.AddEnrollment(kDevice);
  SP_ASSERT_OK_AND_ASSIGN(const std::string xml,
                          maker_->Make("", "SEP001122334455.cnf.xml"));
  SP_ASSERT_OK_AND_ASSIGN(const std::string file,
                          maker_->Make("", "SEP001122334455.cnf.xml.sgn"));
  SP_ASSERT_OK_AND_ASSIGN(const ParsedSignedFileHeader parsed,
                          ParseSignedFileHeader(AsBytes(file)));
  EXPECT_EQ(file.substr(parsed.layout.header_size), xml);
  EXPECT_EQ(parsed.header.file_name, "SEP001122334455.cnf.xml");
}

TEST_F(PhoneConfigMakerTest, WhoAsksAgainCostsNoSignature) {
  capf_.AddEnrollment(kDevice);
  const std::string name = "SEP001122334455.cnf.xml.sgn";
  SP_ASSERT_OK_AND_ASSIGN(const std::string first, maker_->Make("", name));
  for (int i = 0; i < 100; ++i) {
    SP_ASSERT_OK_AND_ASSIGN(const std::string again, maker_->Make("", name));
    EXPECT_EQ(again, first);
  }
  EXPECT_EQ(maker_->signatures(), 1u);
  // What changed is signed again.
  Enrollment enrollment = capf_.Get(kDevice);
  enrollment.operation = Operation::kNone;
  SP_ASSERT_OK_AND_ASSIGN(
      const EnrollmentWithString updated,
      capf_.enrollments->Update(enrollment, false, Secret(), "test", false));
  SP_ASSERT_OK_AND_ASSIGN(const std::string changed, maker_->Make("", name));
  EXPECT_THAT(changed, HasSubstr("<capfAuthMode>0</capfAuthMode>"));
  EXPECT_EQ(maker_->signatures(), 2u);
  // There is room for two: the oldest goes.
  for (const char* const other : {"SEP000000000001", "SEP000000000002"}) {
    capf_.AddEnrollment(other);
    EXPECT_THAT(maker_->Make("", std::string(other) + ".cnf.xml.sgn"), IsOk());
  }
  EXPECT_EQ(maker_->signatures(), 4u);
  EXPECT_THAT(maker_->Make("", name), IsOk());
  EXPECT_EQ(maker_->signatures(), 5u);
  EXPECT_THAT(maker_->Make("", "SEP000000000002.cnf.xml.sgn"), IsOk());
  EXPECT_EQ(maker_->signatures(), 5u);
}

TEST_F(PhoneConfigMakerTest, StrangersGetNothing) {
  EXPECT_THAT(maker_->Make("", "SEP0000000000FF.cnf.xml"),
              HasReason("PHONE_FILE_NOT_FOUND"));
  capf_.AddEnrollment(kDevice);
  EXPECT_THAT(maker_->Make("b", "SEP001122334455.cnf.xml"),
              HasReason("PHONE_FILE_NOT_FOUND"));
  EXPECT_THAT(maker_->Make("a", "SEP001122334455.cnf.xml").status(), IsOk());
  EXPECT_THAT(maker_->Make("", "passwd"), HasReason("PHONE_FILE_NOT_FOUND"));
}

}  // namespace
}  // namespace sallyport::capf
