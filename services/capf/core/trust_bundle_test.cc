#include "services/capf/core/trust_bundle.h"

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
  // A revocation that expired away is no change.
  to.revoked.erase("1");
  from = to;
  from.revoked.emplace("1", old);
  EXPECT_TRUE(Diff(from, to).empty());
}

}  // namespace
}  // namespace sallyport::capf
