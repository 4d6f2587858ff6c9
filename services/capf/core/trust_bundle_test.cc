#include "services/capf/core/trust_bundle.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sallyport::capf {
namespace {

TEST(TrustBundleTest, OnlyWhatChangedIsInTheDelta) {
  const RevokedSerial old{"issuer", "1", absl::FromUnixSeconds(1)};
  const RevokedSerial fresh{"issuer", "2", absl::FromUnixSeconds(2)};
  TrustBundle from{
      .version = 1,
      .stores = {{"same", {"a"}}, {"grows", {"a"}}, {"goes", {"a"}}},
      .revoked = {{"1", old}}};
  TrustBundle to{
      .version = 2,
      .stores = {{"same", {"a"}}, {"grows", {"a", "b"}}, {"comes", {"c"}}},
      .revoked = {{"1", old}, {"2", fresh}}};
  const TrustBundleDelta delta = Diff(from, to);
  EXPECT_EQ(delta.stores,
            (std::map<std::string, std::vector<std::string>>{
                {"grows", {"a", "b"}}, {"comes", {"c"}}, {"goes", {}}}));
  EXPECT_EQ(delta.revoked, std::vector<RevokedSerial>{fresh});
  EXPECT_TRUE(Diff(to, to).empty());
  // A hold that ended.
  to.revoked.erase("1");
  from = to;
  from.revoked.emplace("1", old);
  EXPECT_EQ(Diff(from, to).restored, std::vector<RevokedSerial>{old});
  from = to;
  const absl::Time until = absl::FromUnixSeconds(9);
  to.coverage["issuer"] = {until, until};
  EXPECT_EQ(Diff(from, to).coverage, to.coverage);
  EXPECT_EQ(Diff(to, from).coverage, (std::map<std::string, RevocationCoverage>{
                                         {"issuer", RevocationCoverage()}}));
}

// A hundred thousand revocations do not fit one message.
TEST(TrustBundleTest, ManyRevocationsGoInSteps) {
  TrustBundle to{.version = 9, .stores = {{"s", {"a"}}}};
  for (int i = 0; i < 25; ++i) {
    const std::string serial(1, static_cast<char>('a' + i));
    to.revoked.emplace(
        serial, RevokedSerial{"issuer", serial, absl::FromUnixSeconds(i)});
  }
  // What is good again is many too; coverage comes when all is told.
  to.coverage["issuer"].leaf_until = absl::FromUnixSeconds(9);
  TrustBundle held{.version = 3};
  for (int i = 0; i < 25; ++i) {
    const std::string serial(1, static_cast<char>('A' + i));
    held.revoked.emplace(
        serial, RevokedSerial{"issuer", serial, absl::FromUnixSeconds(i)});
  }
  std::vector<RevokedSerial> received;
  int steps = 0;
  while (true) {
    const TrustBundleStep step = NextStep(held, to, 10);
    EXPECT_LE(step.delta.revoked.size(), 10u);
    EXPECT_LE(step.delta.restored.size(), 10u);
    EXPECT_EQ(step.delta.coverage.empty(), !step.complete);
    EXPECT_EQ(step.delta.stores.size(), steps == 0 ? 1u : 0u);
    received.insert(received.end(), step.delta.revoked.begin(),
                    step.delta.revoked.end());
    held = step.holds;
    ++steps;
    if (step.complete) break;
    EXPECT_EQ(held.version, 3);
  }
  EXPECT_EQ(steps, 3);
  EXPECT_EQ(held.version, 9);
  EXPECT_EQ(held.revoked, to.revoked);
  EXPECT_EQ(received.size(), 25u);
}

}  // namespace
}  // namespace sallyport::capf
