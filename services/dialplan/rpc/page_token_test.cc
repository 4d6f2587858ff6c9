#include "services/dialplan/rpc/page_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "services/common/status/status_matchers.h"

namespace sallyport::dialplan {
namespace {

constexpr char kList[] = "tenants/t/peers/";

TEST(PageTokensTest, ReadsWhatItMade) {
  const PageTokens tokens("key");
  const std::string token = tokens.Make(kList, "tenants/t/peers/gw");
  EXPECT_THAT(tokens.Read(kList, token), IsOkAndHolds("tenants/t/peers/gw"));
  EXPECT_THAT(tokens.Read(kList, ""), IsOkAndHolds(""));
  // After a restart with the same store, and on another replica.
  EXPECT_THAT(PageTokens("key").Read(kList, token), IsOk());
}

TEST(PageTokensTest, RefusesEverythingElse) {
  const PageTokens tokens("key");
  const std::string token = tokens.Make(kList, "tenants/t/peers/gw");
  EXPECT_THAT(tokens.Read("tenants/u/peers/", token),
              HasReason("PAGE_TOKEN_INVALID"));
  EXPECT_THAT(PageTokens("other").Read(kList, token),
              HasReason("PAGE_TOKEN_INVALID"));
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_THAT(tokens.Read(kList, changed), HasReason("PAGE_TOKEN_INVALID"))
        << i;
  }
  for (const std::string& junk :
       {std::string("x"), std::string("!!!!"), std::string(5000, 'A'),
        std::string("AAAAAAAAAAAAAAAAAAAAAA")}) {
    EXPECT_THAT(tokens.Read(kList, junk), HasReason("PAGE_TOKEN_INVALID"));
  }
}

}  // namespace
}  // namespace sallyport::dialplan
