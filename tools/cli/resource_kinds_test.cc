#include "tools/cli/resource_kinds.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sallyport::cli {
namespace {

TEST(ResourceKindsTest, FindsTheStandardMethods) {
  const ResourceKind* const kind = FindKind("route-patterns");
  ASSERT_NE(kind, nullptr);
  EXPECT_EQ(kind->name, "RoutePattern");
  EXPECT_EQ(kind->plural, "RoutePatterns");
  EXPECT_EQ(kind->collection, "routePatterns");
  EXPECT_EQ(kind->service, "dialplan");
  ASSERT_NE(kind->get, nullptr);
  EXPECT_EQ(kind->get->name(), "GetRoutePattern");
  ASSERT_NE(kind->list, nullptr);
  EXPECT_EQ(kind->list->name(), "ListRoutePatterns");
  ASSERT_NE(kind->create, nullptr);
  ASSERT_NE(kind->update, nullptr);
  ASSERT_NE(kind->remove, nullptr);
}

TEST(ResourceKindsTest, FindsByAnySpelling) {
  for (const char* const text :
       {"css", "CallingSearchSpace", "calling_search_spaces",
        "calling-search-space"}) {
    const ResourceKind* const kind = FindKind(text);
    ASSERT_NE(kind, nullptr) << text;
    EXPECT_EQ(kind->name, "CallingSearchSpace");
  }
  EXPECT_EQ(FindKind("teapot"), nullptr);
}

TEST(ResourceKindsTest, KnowsEveryServiceAndIrregularPlurals) {
  std::set<std::string> services;
  for (const ResourceKind& kind : ResourceKinds())
    services.insert(kind.service);
  EXPECT_THAT(services,
              ::testing::ElementsAre("capf", "credential_issuer", "dialplan",
                                     "media_relay", "signaling_edge"));
  EXPECT_EQ(FindKind("certificate-authorities")->collection,
            "certificateAuthorities");
  EXPECT_EQ(FindKind("calls")->service, "signaling_edge");
  EXPECT_EQ(FindKind("refusals")->get, nullptr);
}

TEST(ResourceKindsTest, Names) {
  EXPECT_EQ(FullName(*FindKind("peer"), "default", "gw"),
            "tenants/default/peers/gw");
  EXPECT_EQ(FullName(*FindKind("peer"), "default", "tenants/a/peers/gw"),
            "tenants/a/peers/gw");
  EXPECT_EQ(FullName(*FindKind("tenant"), "default", "a"), "tenants/a");
  EXPECT_EQ(FullName(*FindKind("key"), "default", "7"), "keys/7");
  EXPECT_EQ(ShortName("tenants/default/peers/gw"), "gw");
  EXPECT_EQ(SnakeCase("RoutePattern"), "route_pattern");
}

}  // namespace
}  // namespace sallyport::cli
