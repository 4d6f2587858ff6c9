#include "services/capf/core/phone_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "services/common/bytes/byte_span.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

PhoneConfig Sample() {
  PhoneConfig config;
  config.call_managers = {{.name = "cm1.example.test"},
                          {.name = "192.0.2.9", .secured_sip_port = 5062}};
  config.capf = {{.name = "capf.example.test", .port = 3804}};
  config.capf_auth_mode = CapfAuthMode::kNullString;
  config.certificate_hash = std::string(40, 'a');
  config.security_mode = DeviceSecurityMode::kEncrypted;
  config.transport = PhoneTransport::kTls;
  config.lines = {
      {.number = "1001", .display_name = "Ann & <Bob>", .auth_name = "ann"}};
  config.version_stamp = "7";
  return config;
}

std::string ReasonFor(const PhoneConfig& config) {
  const auto out = WritePhoneConfig(config);
  return out.ok() ? "" : ReasonOf(out.status());
}

// research/pki.md section 4.
TEST(PhoneConfigTest, HoldsTheFieldsThatDriveCapf) {
  const auto xml = WritePhoneConfig(Sample());
  ASSERT_TRUE(xml.ok()) << xml.status();
  EXPECT_THAT(*xml, HasSubstr("<capfAuthMode>2</capfAuthMode>"));
  EXPECT_THAT(*xml, HasSubstr("<phonePort>3804</phonePort>"));
  EXPECT_THAT(*xml, HasSubstr("<processNodeName>capf.example.test<"));
  EXPECT_THAT(*xml, HasSubstr("<certHash>" + std::string(40, 'a') + "<"));
  EXPECT_THAT(*xml, HasSubstr("<encrConfig>false</encrConfig>"));
  EXPECT_THAT(*xml, HasSubstr("<deviceSecurityMode>3</deviceSecurityMode>"));
  EXPECT_THAT(*xml,
              HasSubstr("<transportLayerProtocol>3</transportLayerProtocol>"));
  EXPECT_THAT(*xml, HasSubstr("<member priority=\"1\">"));
  EXPECT_THAT(*xml, HasSubstr("<securedSipPort>5062</securedSipPort>"));
}

TEST(PhoneConfigTest, TextIsEscaped) {
  const auto xml = WritePhoneConfig(Sample());
  ASSERT_TRUE(xml.ok());
  EXPECT_THAT(*xml, HasSubstr("Ann &amp; &lt;Bob&gt;"));
  EXPECT_THAT(*xml, Not(HasSubstr("<Bob>")));
}

TEST(PhoneConfigTest, RefusesWhatCannotBeMeant) {
  PhoneConfig config = Sample();
  config.transport = PhoneTransport::kTcp;
  EXPECT_EQ(ReasonFor(config), "PHONE_CONFIG_INVALID");
  config = Sample();
  config.security_mode = DeviceSecurityMode::kNonSecure;
  EXPECT_EQ(ReasonFor(config), "PHONE_CONFIG_INVALID");
  config = Sample();
  config.security_mode = DeviceSecurityMode::kAuthenticated;
  EXPECT_EQ(ReasonFor(config), "PHONE_CONFIG_INVALID");
  config = Sample();
  config.call_managers.clear();
  EXPECT_EQ(ReasonFor(config), "PHONE_CONFIG_INVALID");
  config = Sample();
  config.capf.resize(6, config.capf[0]);
  EXPECT_EQ(ReasonFor(config), "PHONE_CONFIG_INVALID");
  config = Sample();
  config.capf.clear();
  EXPECT_EQ(ReasonFor(config), "PHONE_CONFIG_INVALID");
  config = Sample();
  config.certificate_hash = "ABC";
  EXPECT_EQ(ReasonFor(config), "PHONE_CONFIG_INVALID");
  config = Sample();
  config.lines[0].display_name = "a\nb";
  EXPECT_EQ(ReasonFor(config), "PHONE_CONFIG_INVALID");
}

TEST(PhoneConfigTest, SignedFileIsHeaderThenPayload) {
  const SignedFileHeader header = {.version = {1, 2},
                                   .signer_version = FormatVersion{1, 1},
                                   .signer_name = "CN=tftp",
                                   .signer_serial = "\x11",
                                   .signer_issuer = "CN=tftp",
                                   .digest = SignedFileDigest::kSha512,
                                   .modulus_size = 256,
                                   .signature = std::string(256, 's'),
                                   .file_name = "SEP001122334455.cnf.xml",
                                   .timestamp = 7};
  const auto file = WriteSignedFile(header, "<device/>");
  ASSERT_TRUE(file.ok());
  const auto parsed = ParseSignedFileHeader(AsBytes(*file));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->header.version, (FormatVersion{1, 0}));
  EXPECT_EQ(parsed->header.signer_version, std::nullopt);
  EXPECT_EQ(file->substr(parsed->layout.header_size), "<device/>");
}

}  // namespace
}  // namespace sallyport::capf
