#include "tools/cli/manifest.h"

#include <fstream>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sallyport/capf/v1/trust_store.pb.h"
#include "sallyport/dialplan/v1/calling_search_space.pb.h"
#include "sallyport/dialplan/v1/dial_plan.pb.h"
#include "sallyport/dialplan/v1/line.pb.h"
#include "sallyport/dialplan/v1/peer.pb.h"
#include "sallyport/dialplan/v1/route_pattern.pb.h"
#include "sallyport/dialplan/v1/tenant.pb.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "tools/cli/render.h"

namespace sallyport::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<std::vector<ManifestEntry>> Parse(const std::string& yaml) {
  return ParseManifest(yaml, "default", "a.yaml");
}

template <typename T>
const T& As(const ManifestEntry& entry) {
  return dynamic_cast<const T&>(*entry.message);
}

TEST(ManifestTest, ReadsManyDocuments) {
  SP_ASSERT_OK_AND_ASSIGN(const auto entries, Parse(R"(
---
kind: Tenant
name: default
spec:
  domains: [demo.sallyport.test]
---
kind: Peer
metadata: {name: gw, tenant: default}
spec:
  kind: ip_gateway
  fqdn: gw.demo.sallyport.test
  port: 5061
  transport: TLS
  outcallsAllowed: true
  dial_plan: gateway
  options_monitoring:
    enabled: yes
    interval: 30s
---
)"));
  ASSERT_EQ(entries.size(), 2);
  EXPECT_EQ(entries[0].name, "tenants/default");
  EXPECT_THAT(As<dialplan::v1::Tenant>(entries[0]).domains(),
              ElementsAre("demo.sallyport.test"));
  const auto& peer = As<dialplan::v1::Peer>(entries[1]);
  EXPECT_EQ(peer.name(), "tenants/default/peers/gw");
  EXPECT_EQ(peer.kind(), dialplan::v1::PEER_KIND_IP_GATEWAY);
  EXPECT_EQ(peer.transport(), type::v1::TRANSPORT_TLS);
  EXPECT_TRUE(peer.outcalls_allowed());
  EXPECT_EQ(peer.dial_plan(), "tenants/default/dialPlans/gateway");
  EXPECT_EQ(peer.options_monitoring().interval().seconds(), 30);
  EXPECT_THAT(
      entries[1].fields,
      ElementsAre("kind", "fqdn", "port", "transport", "outcalls_allowed",
                  "dial_plan", "options_monitoring"));
}

TEST(ManifestTest, ShortNamesBecomeNamesOfTheDocumentsTenant) {
  SP_ASSERT_OK_AND_ASSIGN(const auto entries, Parse(R"(
kind: CallingSearchSpace
name: tenants/other/callingSearchSpaces/all
spec:
  partitions: [local, tenants/default/partitions/far]
---
kind: Peer
name: gw
spec:
  kind: SIP_TRUNK
  called_party_transformation_search_space: all
  rerouting_calling_search_space: all
  digest_user: ann
  trust_store: CallManager-trust
)"));
  EXPECT_THAT(As<dialplan::v1::CallingSearchSpace>(entries[0]).partitions(),
              ElementsAre("tenants/other/partitions/local",
                          "tenants/default/partitions/far"));
  const auto& peer = As<dialplan::v1::Peer>(entries[1]);
  EXPECT_EQ(peer.called_party_transformation_search_space(),
            "tenants/default/callingSearchSpaces/all");
  EXPECT_EQ(peer.rerouting_calling_search_space(),
            "tenants/default/callingSearchSpaces/all");
  EXPECT_EQ(peer.digest_user(), "tenants/default/users/ann");
  EXPECT_EQ(peer.trust_store(), "CallManager-trust");
}

TEST(ManifestTest, StringsStayStringsWhateverTheyLookLike) {
  SP_ASSERT_OK_AND_ASSIGN(const auto entries, Parse(R"(
kind: RoutePattern
name: out
spec:
  pattern: 9011
  display_name: no
  description: "quote \" and \\ and \t tab"
  peer: gw
)"));
  const auto& pattern = As<dialplan::v1::RoutePattern>(entries[0]);
  EXPECT_EQ(pattern.pattern(), "9011");
  EXPECT_EQ(pattern.display_name(), "no");
  EXPECT_EQ(pattern.description(), "quote \" and \\ and \t tab");
  EXPECT_EQ(pattern.peer(), "tenants/default/peers/gw");
}

TEST(ManifestTest, PemMayStandForBytes) {
  SP_ASSERT_OK_AND_ASSIGN(const auto entries, Parse(R"(
kind: TrustedCertificate
name: tenants/default/trustStores/CAPF-trust/certificates/x
spec:
  certificate: |
    -----BEGIN CERTIFICATE-----
    AAAA
    -----END CERTIFICATE-----
)"));
  EXPECT_EQ(As<capf::v1::TrustedCertificate>(entries[0]).certificate(),
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
}

TEST(ManifestTest, FilesMayStandForBytes) {
  const std::string folder = ::testing::TempDir();
  std::ofstream(folder + "/ca.pem") << "some bytes";
  SP_ASSERT_OK_AND_ASSIGN(const auto entries,
                          ParseManifest(R"(
kind: TrustedCertificate
name: tenants/default/trustStores/CallManager-trust/certificates/x
spec: {certificate_file: ca.pem}
)",
                                        "default", folder + "/a.yaml"));
  EXPECT_EQ(As<capf::v1::TrustedCertificate>(entries[0]).certificate(),
            "some bytes");
  EXPECT_THAT(entries[0].fields, ElementsAre("certificate"));
  EXPECT_THAT(Parse("kind: TrustedCertificate\nname: x/y\n"
                    "spec: {certificate_file: no/such}\n"),
              HasReason("MANIFEST_INVALID"));
}

TEST(ManifestTest, ReadsWhatGetPrints) {
  dialplan::v1::RoutePattern pattern;
  pattern.set_name("tenants/default/routePatterns/out");
  pattern.set_pattern("9.!");
  pattern.set_peer("tenants/default/peers/gw");
  pattern.mutable_called_party()->set_discard_digits(
      dialplan::v1::DISCARD_DIGITS_PRE_DOT);
  pattern.mutable_create_time()->set_seconds(1);
  SP_ASSERT_OK_AND_ASSIGN(const auto entries,
                          Parse(ToYaml(pattern, "RoutePattern")));
  ASSERT_EQ(entries.size(), 1);
  pattern.clear_create_time();
  EXPECT_EQ(entries[0].message->SerializeAsString(),
            pattern.SerializeAsString());
}

TEST(ManifestTest, NamesEveryFaultWithItsLine) {
  const auto result = Parse(R"(kind: Peer
name: gw
spec:
  colour: red
  port: many
  kind: TEAPOT
  outcalls_allowed: perhaps
  options_monitoring: 3
---
kind: Call
name: x
---
kind: Peer
spec: {}
---
kind: Peer
name: b
fqdn: b.test
---
- 1
)");
  EXPECT_THAT(result, HasReason("MANIFEST_INVALID"));
  std::vector<std::string> fields;
  for (const auto& fault : FieldViolationsOf(result.status())) {
    fields.push_back(fault.field);
  }
  EXPECT_THAT(
      fields,
      ElementsAre("a.yaml:4 spec.colour", "a.yaml:5 spec.port",
                  "a.yaml:6 spec.kind", "a.yaml:7 spec.outcalls_allowed",
                  "a.yaml:8 spec.options_monitoring", "a.yaml:10 kind",
                  "a.yaml:13 name", "a.yaml:18 fqdn", "a.yaml:20 document"));
}

TEST(ManifestTest, RefusesNamesGivenTwice) {
  EXPECT_THAT(Parse("kind: Partition\nname: a\n---\n"
                    "kind: Partition\nname: a\n"),
              HasReason("MANIFEST_INVALID"));
}

TEST(ManifestTest, RefusesWhatIsNoYaml) {
  EXPECT_THAT(Parse("kind: [a"), HasReason("MANIFEST_UNREADABLE"));
  EXPECT_THAT(Parse("kind: Peer\n\tname: b"), HasReason("MANIFEST_UNREADABLE"));
  EXPECT_THAT(Parse(std::string((8 << 20) + 1, ' ')),
              HasReason("MANIFEST_UNREADABLE"));
}

TEST(ManifestTest, ValuesOfTheWrongTypeAreToldWithTheirLines) {
  const auto result = Parse(R"(kind: Line
name: a
spec:
  directory_number: [1]
  no_answer_duration: soon
  max_calls: 4294967296
  busy_trigger: -1
  users: {a: b}
  forward_all:
    number: "1"
    voicemail: true
---
kind: TrustedCertificate
name: tenants/t/trustStores/s/certificates/c
spec: {certificate: "&&&"}
)");
  std::vector<std::string> fields;
  for (const auto& fault : FieldViolationsOf(result.status())) {
    fields.push_back(fault.field);
  }
  EXPECT_THAT(
      fields,
      ElementsAre("a.yaml:4 spec.directory_number",
                  "a.yaml:5 spec.no_answer_duration", "a.yaml:6 spec.max_calls",
                  "a.yaml:7 spec.busy_trigger", "a.yaml:8 spec.users",
                  "a.yaml:11 spec.forward_all.voicemail",
                  "a.yaml:15 spec.certificate"));
}

TEST(ManifestTest, DurationsAsPeopleWriteThem) {
  for (const auto& [text, seconds, nanos] : {std::tuple("90s", 90, 0),
                                             {"1m30s", 90, 0},
                                             {"1500ms", 1, 500000000},
                                             {"0", 0, 0}}) {
    SP_ASSERT_OK_AND_ASSIGN(const auto entries,
                            Parse(absl::StrCat("kind: Line\nname: a\nspec:\n"
                                               "  no_answer_duration: ",
                                               text, "\n")));
    const auto& line = As<dialplan::v1::Line>(entries[0]);
    EXPECT_EQ(line.no_answer_duration().seconds(), seconds) << text;
    EXPECT_EQ(line.no_answer_duration().nanos(), nanos) << text;
  }
}

TEST(ManifestTest, KeysGivenTwiceAreRefused) {
  const auto result =
      Parse("kind: Peer\nname: a\nspec:\n  port: 1\n  port: 2\n");
  EXPECT_THAT(result, HasReason("MANIFEST_UNREADABLE"));
  EXPECT_EQ(FieldViolationsOf(result.status())[0].field, "a.yaml:5");
  // Under both styles of its name it is one field.
  EXPECT_THAT(Parse("kind: Peer\nname: a\nspec:\n"
                    "  dial_plan: a\n  dialPlan: b\n"),
              HasReason("MANIFEST_INVALID"));
}

TEST(ManifestTest, FaultsAreToldUpToAHundred) {
  std::string yaml = "kind: Peer\nname: a\nspec:\n";
  for (int i = 0; i < 300; ++i) absl::StrAppend(&yaml, "  f", i, ": 1\n");
  const auto faults = FieldViolationsOf(Parse(yaml).status());
  ASSERT_EQ(faults.size(), 101u);
  EXPECT_EQ(faults[100].description, "and 200 more faults");
}

TEST(ManifestTest, EmptyTextHasNoEntries) {
  SP_ASSERT_OK_AND_ASSIGN(const auto entries, Parse("---\n---\n# nothing\n"));
  EXPECT_TRUE(entries.empty());
}

}  // namespace
}  // namespace sallyport::cli
