#include "services/capf/core/tenant_names.h"

#include "gtest/gtest.h"

namespace sallyport::capf {
namespace {

class TenantNamesTest : public testing::Test {
 protected:
  void SetUp() override {
    names.Add("a", "a.example.test");
    names.Add("a", "Other.test");
    names.Add("b", "example.test");
  }
  bool Covers(const std::string& tenant, const std::string& common_name,
              const SubjectAltNames& alternative = {}) const {
    return names.Cover(tenant, {.common_name = common_name}, alternative);
  }
  TenantNames names;
};

TEST_F(TenantNamesTest, ADomainAndAllBelowIt) {
  EXPECT_TRUE(Covers("a", "a.example.test"));
  EXPECT_TRUE(Covers("a", "GW.a.Example.test"));
  EXPECT_TRUE(Covers("a", "x.y.other.test"));
  EXPECT_TRUE(Covers("b", "gw.a.example.test"));
  EXPECT_FALSE(Covers("a", "example.test"));
  EXPECT_FALSE(Covers("a", "b.example.test"));
  EXPECT_FALSE(Covers("a", "evila.example.test"));
  EXPECT_FALSE(Covers("a", ".a.example.test"));
  EXPECT_FALSE(Covers("a", "a.example.test."));
  EXPECT_FALSE(Covers("c", "a.example.test"));
  EXPECT_FALSE(Covers("", "a.example.test"));
  // A device's name would be taken for a phone's.
  EXPECT_FALSE(Covers("a", "SEP001122334455"));
  EXPECT_FALSE(Covers("a", ""));
}

TEST_F(TenantNamesTest, EveryNameCounts) {
  const std::string cn = "gw.a.example.test";
  EXPECT_TRUE(Covers("a", cn, {.dns_names = {cn, "other.test"}}));
  EXPECT_FALSE(Covers("a", cn, {.dns_names = {cn, "gw.b.test"}}));
  EXPECT_TRUE(Covers("a", cn, {.uris = {"sip:a.example.test"}}));
  EXPECT_FALSE(Covers("a", cn, {.uris = {"sip:b.example.test"}}));
  EXPECT_FALSE(Covers("a", cn, {.uris = {"spiffe://a.example.test/capf"}}));
  EXPECT_FALSE(Covers("a", cn, {.ip_addresses = {std::string(4, '\x01')}}));
  EXPECT_FALSE(Covers("a", "root", {.dns_names = {cn}}));
}

}  // namespace
}  // namespace sallyport::capf
