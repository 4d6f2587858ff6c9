#include "services/common/crypto/x509_name_text.h"

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_certs.h"

namespace sallyport {
namespace {

// What is told of a certificate does not depend on who reads it.
TEST(X509NameTextTest, ALabelSaysWhatTheWholeCertificateSays) {
  TestCa ca("Gate CA, \"east\" + west");
  for (const char* const name : {"SEP001122334455", "a, b=c", "#x", " y "}) {
    const TestCertificate cert = ca.Issue({.common_name = name});
    SP_ASSERT_OK_AND_ASSIGN(const CertificateInfo info,
                            ParseCertificate(AsBytes(cert.der)));
    const auto label = ReadLabel(AsBytes(cert.der));
    ASSERT_TRUE(label.has_value());
    EXPECT_EQ(label->subject, info.subject);
    EXPECT_EQ(label->issuer, info.issuer);
    EXPECT_EQ(label->serial_hex, info.serial_hex);
  }
}

TEST(X509NameTextTest, WhatIsNoCertificateHasNoLabel) {
  TestCa ca;
  const std::string der = ca.Issue({.common_name = "a"}).der;
  for (size_t size = 0; size < der.size(); ++size) {
    EXPECT_FALSE(ReadLabel(AsBytes(der.substr(0, size))).has_value());
  }
  EXPECT_FALSE(ReadLabel(AsBytes(der + "x")).has_value());
  std::string negative = der;
  // [0] version 3, INTEGER: then its length, and the serial number.
  const std::string_view before("\xa0\x03\x02\x01\x02\x02", 6);
  const size_t at = der.find(before);
  ASSERT_NE(at, std::string::npos);
  negative[at + before.size() + 1] = static_cast<char>(0x90);
  EXPECT_FALSE(ReadLabel(AsBytes(negative)).has_value());
}

}  // namespace
}  // namespace sallyport
