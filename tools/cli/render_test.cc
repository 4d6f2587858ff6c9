#include "tools/cli/render.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sallyport/dialplan/v1/peer.pb.h"
#include "sallyport/dialplan/v1/route_pattern.pb.h"

namespace sallyport::cli {
namespace {

using ::testing::HasSubstr;

dialplan::v1::Peer Gateway() {
  dialplan::v1::Peer peer;
  peer.set_name("tenants/default/peers/gw");
  peer.set_kind(dialplan::v1::PEER_KIND_IP_GATEWAY);
  peer.set_fqdn("gw.demo.sallyport.test");
  peer.set_port(5061);
  return peer;
}

TEST(RenderTest, YamlIsWhatApplyReads) {
  EXPECT_EQ(ToYaml(Gateway(), "Peer"),
            "kind: Peer\n"
            "name: tenants/default/peers/gw\n"
            "spec:\n"
            "  kind: PEER_KIND_IP_GATEWAY\n"
            "  fqdn: gw.demo.sallyport.test\n"
            "  port: 5061\n");
}

TEST(RenderTest, YamlQuotesWhatLooksLikeSomethingElse) {
  dialplan::v1::RoutePattern pattern;
  pattern.set_pattern("9011");
  pattern.set_display_name("no");
  pattern.set_description("two\nlines\n");
  const std::string yaml = ToYaml(pattern, "RoutePattern");
  EXPECT_THAT(yaml, HasSubstr("pattern: \"9011\"\n"));
  EXPECT_THAT(yaml, HasSubstr("display_name: \"no\"\n"));
  EXPECT_THAT(yaml, HasSubstr("description: |\n"));
}

TEST(RenderTest, Lists) {
  const dialplan::v1::Peer peer = Gateway();
  const ResourceKind& kind = *FindKind("peer");
  EXPECT_EQ(RenderList({}, OutputFormat::kJson, kind, {}),
            "{\"peers\": [\n]}\n");
  EXPECT_EQ(RenderList({&peer}, OutputFormat::kTable, kind,
                       {{"NAME", "name"}, {"PORT", "port"}}),
            "NAME  PORT\n"
            "gw    5061\n");
  EXPECT_EQ(RenderList({&peer, &peer}, OutputFormat::kJson, kind, {}),
            "{\"peers\": [\n" + ToJson(peer) + ",\n" + ToJson(peer) + "]}\n");
  EXPECT_EQ(RenderList({&peer, &peer}, OutputFormat::kYaml, kind, {}),
            "---\n" + ToYaml(peer, "Peer") + "---\n" + ToYaml(peer, "Peer"));
}

TEST(RenderTest, JsonIsProtobufsMapping) {
  dialplan::v1::Peer peer;
  peer.set_outcalls_allowed(true);
  EXPECT_EQ(ToJson(peer), "{\n \"outcallsAllowed\": true\n}\n");
}

TEST(RenderTest, OneAsText) {
  dialplan::v1::Peer peer = Gateway();
  peer.mutable_options_monitoring()->set_retries(3);
  EXPECT_EQ(RenderOne(peer, OutputFormat::kTable, "Peer"),
            "name: tenants/default/peers/gw\n"
            "kind: IP_GATEWAY\n"
            "fqdn: gw.demo.sallyport.test\n"
            "port: 5061\n"
            "options_monitoring:\n"
            "  retries: 3\n");
}

}  // namespace
}  // namespace sallyport::cli
