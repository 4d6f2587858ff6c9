#include "services/capf/io/trust_admin.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/core/test_keys.h"
#include "services/capf/io/test_capf.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using testing::SizeIs;

TEST(TrustAdminTest, AddingAndRemoving) {
  TestCapf capf(NewTestFolder());
  const std::string store = TrustStoreName("a", "CallManager-trust");
  EXPECT_EQ(store, "tenants/a/trustStores/CallManager-trust");
  const std::string der = NewTestAuthority(KeyKind::kEcP256, capf.clock.Now())
                              .issuer.certificate_der;
  TrustedCertificate like;
  like.origin = "import";
  SP_ASSERT_OK_AND_ASSIGN(
      auto added, capf.trust->Add(store, {der, der}, like, "ann", true));
  EXPECT_THAT(*capf.store->ListTrusted(), SizeIs(0));
  SP_ASSERT_OK_AND_ASSIGN(
      added, capf.trust->Add(store, {der, der}, like, "ann", false));
  EXPECT_THAT(*capf.store->ListTrusted(), SizeIs(1));
  // Idempotent: nothing changes, not even the version.
  EXPECT_EQ(capf.store->TrustVersion().value(), 1);
  EXPECT_THAT(capf.trust->Add(store, {der}, like, "ann", false), IsOk());
  EXPECT_EQ(capf.store->TrustVersion().value(), 1);

  EXPECT_THAT(capf.trust->Remove(store, "00", "ann", false, false),
              HasReason("TRUSTED_NOT_FOUND"));
  EXPECT_THAT(capf.trust->Remove(store, added[0].sha256, "ann", false, true),
              IsOk());
  EXPECT_THAT(*capf.store->ListTrusted(), SizeIs(1));
  EXPECT_THAT(capf.trust->Remove(store, added[0].sha256, "ann", false, false),
              IsOk());
  EXPECT_THAT(*capf.store->ListTrusted(), SizeIs(0));
}

TEST(TrustAdminTest, OurOwnAuthorityIsNotRemovedByMistake) {
  TestCapf capf(NewTestFolder());
  ASSERT_THAT(capf.trust->EnsureOwn("a", "test"), IsOk());
  ASSERT_THAT(capf.trust->EnsureOwn("a", "test"), IsOk());
  SP_ASSERT_OK_AND_ASSIGN(const auto all, capf.store->ListTrusted());
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_THAT(
      capf.trust->Remove(all[0].store, all[0].sha256, "ann", false, false),
      HasReason("OWN_AUTHORITY"));
  EXPECT_THAT(
      capf.trust->Remove(all[0].store, all[0].sha256, "ann", true, false),
      IsOk());
}

}  // namespace
}  // namespace sallyport::capf
