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

TEST(AuthorityGenerationTest, StatesHaveNames) {
  EXPECT_EQ(AuthorityStateName(AuthorityState::kPrepared), "PREPARED");
  EXPECT_EQ(AuthorityStateName(AuthorityState::kIssuing), "ISSUING");
  EXPECT_EQ(AuthorityStateName(AuthorityState::kRetiring), "RETIRING");
  EXPECT_EQ(AuthorityStateName(AuthorityState::kRetired), "RETIRED");
}

}  // namespace
}  // namespace sallyport::capf
