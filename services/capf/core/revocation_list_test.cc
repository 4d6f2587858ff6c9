#include "services/capf/core/revocation_list.h"

#include <gtest/gtest.h>

#include <string>

#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/public_key.h"
#include "services/capf/core/test_keys.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1800000000);

RevocationListSpec Sample() {
  return {.number = 300,
          .this_update = kNow,
          .next_update = kNow + absl::Hours(24),
          .revoked = {{.serial = "\x01\x02",
                       .revoke_time = kNow - absl::Hours(1),
                       .reason = RevocationReason::kKeyCompromise},
                      {.serial = "\xff\x03",
                       .revoke_time = kNow - absl::Hours(2),
                       .reason = RevocationReason::kUnspecified}}};
}

std::string Signed(const RevocationListSpec& spec,
                   const TestAuthority& authority) {
  const auto tbs = BuildRevocationTbs(spec, authority.issuer);
  EXPECT_TRUE(tbs.ok()) << tbs.status();
  const auto der = AssembleCertificate(
      AsBytes(*tbs), SignatureAlgorithmFor(authority.issuer.key.kind()),
      AsBytes(TestSign(authority.key.get(), AsBytes(*tbs))));
  EXPECT_TRUE(der.ok());
  return *der;
}

std::string ReasonFor(const std::string& crl, const TestAuthority& authority) {
  const auto read = ReadRevocationList(
      AsBytes(crl), AsBytes(authority.issuer.certificate_der));
  return read.ok() ? "" : ReasonOf(read.status());
}

class RevocationListTest : public testing::TestWithParam<KeyKind> {};

TEST_P(RevocationListTest, IsReadAsItWasWritten) {
  const TestAuthority authority = NewTestAuthority(GetParam(), kNow);
  const std::string crl = Signed(Sample(), authority);
  const auto read = ReadRevocationList(
      AsBytes(crl), AsBytes(authority.issuer.certificate_der));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->this_update, kNow);
  EXPECT_EQ(read->next_update, kNow + absl::Hours(24));
  EXPECT_EQ(read->issuer_der, authority.issuer.subject_der);
  ASSERT_EQ(read->revoked.size(), 2u);
  EXPECT_EQ(read->revoked.at("\x01\x02"), RevocationReason::kKeyCompromise);
  EXPECT_EQ(read->revoked.at("\xff\x03"), RevocationReason::kUnspecified);
}

INSTANTIATE_TEST_SUITE_P(Keys, RevocationListTest,
                         testing::Values(KeyKind::kEcP256, KeyKind::kEcP384,
                                         KeyKind::kRsa));

TEST(RevocationListFormTest, EmptyListHasNoEntries) {
  const TestAuthority authority = NewTestAuthority(KeyKind::kEcP256, kNow);
  RevocationListSpec spec = Sample();
  spec.revoked.clear();
  const std::string crl = Signed(spec, authority);
  const auto read = ReadRevocationList(
      AsBytes(crl), AsBytes(authority.issuer.certificate_der));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(read->revoked.empty());
}

TEST(RevocationListFormTest, AnotherAuthoritysListIsRefused) {
  const TestAuthority ours = NewTestAuthority(KeyKind::kEcP256, kNow);
  const TestAuthority same_name = NewTestAuthority(KeyKind::kEcP256, kNow);
  EXPECT_EQ(ReasonFor(Signed(Sample(), same_name), ours),
            "CRL_SIGNATURE_WRONG");
  TestAuthority renamed = NewTestAuthority(KeyKind::kEcP256, kNow);
  renamed.issuer.subject_der = std::string("\x30\x00", 2);
  EXPECT_EQ(ReasonFor(Signed(Sample(), renamed), ours), "CRL_ISSUER_MISMATCH");
}

TEST(RevocationListFormTest, EveryCutAndChangedListIsRefused) {
  const TestAuthority authority = NewTestAuthority(KeyKind::kEcP256, kNow);
  const std::string crl = Signed(Sample(), authority);
  for (size_t i = 0; i < crl.size(); ++i) {
    EXPECT_NE(ReasonFor(crl.substr(0, i), authority), "") << i;
    std::string changed = crl;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    EXPECT_NE(ReasonFor(changed, authority), "") << i;
  }
  EXPECT_EQ(ReasonFor(crl + "x", authority), "CRL_MALFORMED");
}

}  // namespace
}  // namespace sallyport::capf
