#include "services/common/rpc/own_certificate.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/testing/mtls_pki.h"

namespace sallyport {
namespace {

TEST(OwnCertificateTest, SaysWhatTheFileHolds) {
  MtlsPki pki("own_certificate");
  const PemFiles files = pki.IssueSpiffe("t.test", "dialplan");
  const auto summary = SummaryOfCertificateFile(files.certificate_file);
  EXPECT_THAT(summary.subject_alt_names(),
              testing::Contains("URI:spiffe://t.test/dialplan"));
  EXPECT_EQ(summary.sha256_thumbprint().size(), 64u);
  EXPECT_FALSE(summary.self_signed());
  EXPECT_GT(summary.not_after_time().seconds(),
            summary.not_before_time().seconds());
}

TEST(OwnCertificateTest, IsEmptyForWhatIsNoCertificate) {
  EXPECT_EQ(SummaryOfCertificateFile("/nowhere").ByteSizeLong(), 0u);
  EXPECT_EQ(SummaryOfCertificateFile("/etc/passwd").ByteSizeLong(), 0u);
}

}  // namespace
}  // namespace sallyport
