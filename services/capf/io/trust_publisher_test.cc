#include "services/capf/io/trust_publisher.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/core/test_keys.h"
#include "services/capf/io/test_capf.h"
#include "services/common/bytes/hex.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class Recorder final : public TrustWatcher {
 public:
  void Notify(std::shared_ptr<const TrustBundle> bundle) override {
    versions.push_back(bundle == nullptr ? -1 : bundle->version);
  }
  std::vector<int64_t> versions;
};

TEST(TrustPublisherTest, EveryWatcherHearsOfEachBundle) {
  TrustPublisher publisher;
  publisher.Publish({.version = 4});
  auto recorder = std::make_shared<Recorder>();
  const auto id = publisher.Watch("edge-0", "spiffe://td/edge", recorder);
  publisher.Publish({.version = 5});
  publisher.Beat();
  EXPECT_THAT(recorder->versions, ElementsAre(4, 5, 5));
  EXPECT_THAT(publisher.consumers(),
              ElementsAre(testing::Field(&TrustConsumer::streams, 1)));
  publisher.Unwatch(id);
  publisher.Publish({.version = 6});
  EXPECT_THAT(recorder->versions, SizeIs(3));
  publisher.Unwatch(id);
  EXPECT_EQ(publisher.consumers()[0].streams, 0);
}

TEST(TrustPublisherTest, TheEndIsToldToLateComersToo) {
  TrustPublisher publisher;
  auto early = std::make_shared<Recorder>();
  publisher.Watch("a", "i", early);
  publisher.End();
  auto late = std::make_shared<Recorder>();
  publisher.Watch("b", "i", late);
  EXPECT_THAT(early->versions, ElementsAre(0, -1));
  EXPECT_THAT(late->versions, ElementsAre(-1));
}

// IMP-30, IMP-34: no restart; who has it in force is told.
TEST(TrustPublisherTest, ReportsAreKept) {
  TrustPublisher publisher;
  const absl::Time now = absl::FromUnixSeconds(100);
  publisher.Report("edge-0", "spiffe://td/edge", 7, now, now);
  ASSERT_THAT(publisher.consumers(), SizeIs(1));
  EXPECT_EQ(publisher.consumers()[0].active_version, 7);
  EXPECT_EQ(publisher.consumers()[0].identity, "spiffe://td/edge");
}

TEST(TrustPublisherTest, TheBundleHoldsStoresAndRevocations) {
  TestCapf capf(NewTestFolder());
  ASSERT_THAT(capf.trust->EnsureOwn("a", "test"), IsOk());
  const std::string& issuer = capf.authority->issuer().subject_der;
  SP_ASSERT_OK_AND_ASSIGN(TrustBundle bundle,
                          ReadBundle(*capf.store, capf.clock.Now()));
  EXPECT_THAT(bundle.stores, SizeIs(2));
  EXPECT_THAT(bundle.stores["tenants/a/trustStores/CAPF-trust"],
              ElementsAre(capf.authority->issuer().certificate_der));
  EXPECT_THAT(bundle.revoked, IsEmpty());

  capf.AddEnrollment("SEP1");
  SP_ASSERT_OK_AND_ASSIGN(const IssuedLsc lsc,
                          capf.registration->IssueLsc(
                              "tenants/a/enrollments/sep1", 3,
                              TestSpki(NewTestKey(KeyKind::kEcP256).get())));
  ASSERT_THAT(
      capf.enrollments->Revoke("a", lsc.serial, RevocationReason::kUnspecified,
                               "ann", false),
      IsOk());
  SP_ASSERT_OK_AND_ASSIGN(bundle, ReadBundle(*capf.store, capf.clock.Now()));
  ASSERT_THAT(bundle.revoked, SizeIs(1));
  const RevokedSerial& revoked = bundle.revoked.begin()->second;
  EXPECT_EQ(revoked.issuer_der, issuer);
  // Octets without leading zeros, whatever the number of digits.
  EXPECT_EQ(revoked.serial.size(), 17u);
  EXPECT_NE(HexEncode(AsBytes(revoked.serial)).find(lsc.serial),
            std::string::npos);
  // Expired ones need no revocation.
  SP_ASSERT_OK_AND_ASSIGN(
      bundle,
      ReadBundle(*capf.store, capf.clock.Now() + absl::Hours(24 * 400)));
  EXPECT_THAT(bundle.revoked, IsEmpty());
}

}  // namespace
}  // namespace sallyport::capf
