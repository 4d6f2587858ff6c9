#include "services/capf/core/certificate_kind.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_certs.h"

namespace sallyport::capf {
namespace {

// UM-28: exactly three kinds, and nothing in between.
TEST(CertificateKindTest, Um28ThreeKinds) {
  TestCa well_known("Well Known Root");
  TestCa middle = well_known.IssueCa("Well Known Sub");
  TestCa own("Our Organisation");
  SP_ASSERT_OK_AND_ASSIGN(
      const auto commercial,
      PathVerifier::Create({{well_known.certificate().der}}));
  const auto kind = [&](const TestCertificate& leaf,
                        std::vector<std::string> others = {}) {
    return CertificateKindName(
        ClassifyCertificate(leaf.der, others, commercial.get()));
  };
  EXPECT_EQ(kind(well_known.IssueDns("a.test")), "commercial");
  EXPECT_EQ(kind(middle.IssueDns("a.test"), {middle.certificate().der}),
            "commercial");
  // Without what is between them nobody can tell.
  EXPECT_EQ(kind(middle.IssueDns("a.test")), "PKI");
  EXPECT_EQ(kind(own.IssueDns("a.test")), "PKI");
  EXPECT_EQ(kind(own.certificate()), "self-signed");
  // UM-30: a namesake of its issuer is not self-signed.
  EXPECT_EQ(kind(own.Issue({.common_name = "Our Organisation"})), "PKI");
  EXPECT_EQ(CertificateKindName(ClassifyCertificate(
                well_known.IssueDns("a.test").der, {}, nullptr)),
            "PKI");
  EXPECT_EQ(CertificateKindName(ClassifyCertificate("junk", {}, nullptr)),
            "PKI");
}

}  // namespace
}  // namespace sallyport::capf
