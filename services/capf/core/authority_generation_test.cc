#include "services/capf/core/authority_generation.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sallyport::capf {
namespace {

TEST(AuthorityGenerationTest, NamesOfGenerationsDifferAndFit) {
  EXPECT_EQ(NameOfGeneration("Sallyport CAPF", 2), "Sallyport CAPF G2");
  EXPECT_EQ(NameOfGeneration("Sallyport CAPF G2", 3), "Sallyport CAPF G3");
  EXPECT_EQ(NameOfGeneration("CAPF-G2", 3), "CAPF-G2 G3");
  EXPECT_EQ(NameOfGeneration("G2", 3), "G2 G3");
  EXPECT_EQ(NameOfGeneration("42", 2), "42 G2");
  // RFC 5280: 64 octets at most.
  const std::string longest(64, 'x');
  EXPECT_EQ(NameOfGeneration(longest, 12), std::string(60, 'x') + " G12");
}

TEST(AuthorityGenerationTest, TheNewestInAStateIsFound) {
  std::vector<AuthorityGeneration> all(3);
  all[0].authority = all[1].authority = all[2].authority = "default";
  all[0].state = all[1].state = AuthorityState::kRetiring;
  all[1].generation = 2;
  all[2].generation = 3;
  const AuthorityGeneration* const found =
      FindGeneration(all, "default", AuthorityState::kRetiring);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->Name(), "default/2");
  EXPECT_EQ(FindGeneration(all, "other", AuthorityState::kIssuing), nullptr);
  EXPECT_FALSE(all[2].trusted());  // not certified
  all[2].chain_pem = "x";
  EXPECT_TRUE(all[2].trusted());
  all[2].state = AuthorityState::kRetired;
  EXPECT_FALSE(all[2].trusted());
}

AuthorityGeneration Issuing(const std::string& id, const std::string& tenant,
                            int rsa_bits = 0,
                            const std::vector<std::string>& models = {}) {
  AuthorityGeneration out;
  out.authority = id;
  out.tenant = tenant;
  out.rsa_bits = rsa_bits;
  out.models = models;
  return out;
}

// Capability 1: P-256 by default, RSA for phones that need it, and a tenant's
// own before everybody's.
TEST(AuthorityGenerationTest, TheAuthorityIsChosenByTenantModelAndKey) {
  std::vector<AuthorityGeneration> all = {
      Issuing("default", ""), Issuing("old", "", 2048, {"CP-7940"}),
      Issuing("rsa", "", 3072), Issuing("of-a", "a"),
      Issuing("of-a-rsa", "a", 2048, {"CP-7940"})};
  const auto choose = [&all](const AuthorityChoice& choice) {
    return ChooseAuthority(all, choice, "default");
  };
  EXPECT_EQ(choose({.tenant = "b"}), "default");
  EXPECT_EQ(choose({.tenant = "b", .model = "CP-8861"}), "default");
  EXPECT_EQ(choose({.tenant = "b", .model = "CP-7940"}), "old");
  EXPECT_EQ(choose({.tenant = "b", .rsa_only = true}), "rsa");
  EXPECT_EQ(choose({.tenant = "a"}), "of-a");
  EXPECT_EQ(choose({.tenant = "a", .model = "CP-7940"}), "of-a-rsa");
  // Its own one that can serve all is RSA or nothing: others are not asked.
  EXPECT_EQ(choose({.tenant = "a", .rsa_only = true}), "of-a");
  for (AuthorityGeneration& one : all) {
    if (one.tenant.empty()) one.state = AuthorityState::kRetiring;
  }
  EXPECT_EQ(choose({.tenant = "b"}), "");
  EXPECT_EQ(choose({.tenant = "a"}), "of-a");
}

TEST(AuthorityGenerationTest, StatesHaveNames) {
  EXPECT_EQ(AuthorityStateName(AuthorityState::kPrepared), "PREPARED");
  EXPECT_EQ(AuthorityStateName(AuthorityState::kIssuing), "ISSUING");
  EXPECT_EQ(AuthorityStateName(AuthorityState::kRetiring), "RETIRING");
  EXPECT_EQ(AuthorityStateName(AuthorityState::kRetired), "RETIRED");
}

}  // namespace
}  // namespace sallyport::capf
