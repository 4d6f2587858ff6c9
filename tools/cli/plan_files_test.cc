// Declarative use of the real dialplan: what is exported applies back to the
// same thing (issue 3, capability 6).

#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/service_process.h"
#include "tools/cli/change_options.h"
#include "tools/cli/cli.h"

namespace sallyport::cli {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kTrustDomain[] = "cli.test";

std::string ReadTestdata(const std::string& name) {
  std::ifstream in("tools/cli/testdata/" + name);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

class PlanFilesTest : public ::testing::Test {
 protected:
  PlanFilesTest()
      : pki_("plan_files"),
        process_("services/dialplan/dialplan",
                 absl::StrCat(::testing::TempDir(), "/",
                              ::testing::UnitTest::GetInstance()
                                  ->current_test_info()
                                  ->name())) {
    process_.WriteConfig(absl::StrCat(
        "{\"server\":",
        process_.ServerJson(
            pki_.IssueSpiffe(kTrustDomain, "dialplan"), kTrustDomain,
            ",\"role_bindings\":[{\"identity\":\"spiffe://cli.test/operator/"
            "ann\",\"role\":\"ROLE_ADMIN\",\"tenants\":[\"*\"]}]"),
        ",\"store\":{\"sqlite_file\":\"", process_.folder(), "/plan.db\"}}"));
    process_.Start();
    const PemFiles files = pki_.IssueSpiffe(kTrustDomain, "operator/ann");
    config_ =
        Write("cli.json",
              absl::StrCat("{\"tls\":{\"certificate_file\":\"",
                           files.certificate_file, "\",\"key_file\":\"",
                           files.key_file, "\",\"ca_file\":\"", files.ca_file,
                           "\"},\"trust_domain\":\"", kTrustDomain,
                           "\",\"tenant\":\"t\",\"dialplan\":{\"target\":\"",
                           process_.grpc_target(), "\"}}"));
  }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = absl::StrCat(process_.folder(), "/", name);
    std::ofstream(path) << text;
    return path;
  }

  int Run(std::vector<std::string> arguments) {
    std::vector<const char*> argv = {"sallyport", "--config", config_.c_str()};
    for (const std::string& one : arguments) argv.push_back(one.c_str());
    out_.str("");
    err_.str("");
    return RunCli(static_cast<int>(argv.size()), argv.data(), out_, err_);
  }

  std::string Export() {
    EXPECT_EQ(Run({"get", "all", "-o", "yaml"}), 0) << err_.str();
    return out_.str();
  }

  MtlsPki pki_;
  ServiceProcess process_;
  std::string config_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(PlanFilesTest, EveryKindGoesOutAndInAgain) {
  const std::string file = Write("all.yaml", ReadTestdata("all_kinds.yaml"));
  ASSERT_EQ(Run({"apply", "-f", file, "--dry-run"}), 0)
      << out_.str() << err_.str();
  EXPECT_THAT(out_.str(), EndsWith("\n32 created (dry run)\n"));
  EXPECT_EQ(Run({"get", "tenant", "t"}), 1);  // nothing was stored
  ASSERT_EQ(Run({"apply", "-f", file}), 0) << out_.str() << err_.str();
  EXPECT_THAT(out_.str(), EndsWith("\n32 created\n"));
  ASSERT_EQ(Run({"apply", "-f", file}), 0) << out_.str() << err_.str();
  EXPECT_THAT(out_.str(), EndsWith("\n32 unchanged\n"));
  ASSERT_EQ(Run({"diff", "-f", file}), 0) << out_.str() << err_.str();
  EXPECT_EQ(out_.str(), "");

  const std::string exported = Export();
  for (const ResourceKind* const kind : PlanKinds()) {
    EXPECT_THAT(exported, HasSubstr(absl::StrCat("kind: ", kind->name, "\n")));
  }
  EXPECT_THAT(exported,
              AllOf(Not(HasSubstr("etag")), Not(HasSubstr("_time: \"20")),
                    Not(HasSubstr("correct horse")),
                    HasSubstr("# The password is write-only")));
  const std::string again = Write("export.yaml", exported);
  ASSERT_EQ(Run({"apply", "-f", again, "--replace"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), EndsWith("\n32 unchanged\n"));
  ASSERT_EQ(
      Run({"diff", "-f", again, "--replace", "--prune", "--kinds", "all"}), 0)
      << out_.str();

  ASSERT_EQ(Run({"delete", "-f", again, "--dry-run"}), 0) << err_.str();
  EXPECT_EQ(Export(), exported);
  ASSERT_EQ(Run({"delete", "-f", again}), 0) << out_.str() << err_.str();
  EXPECT_EQ(Run({"get", "tenants", "-o", "name"}), 0);
  EXPECT_EQ(out_.str(), "");
  ASSERT_EQ(Run({"apply", "-f", again}), 0) << out_.str() << err_.str();
  EXPECT_THAT(out_.str(), EndsWith("\n32 created\n"));
  // The password went nowhere, so its comment is gone, and nothing else.
  std::string without = exported;
  const size_t comment = without.find("# The password");
  ASSERT_NE(comment, std::string::npos);
  without.erase(comment, without.find("kind:", comment) - comment);
  EXPECT_EQ(Export(), without);
}

TEST_F(PlanFilesTest, DiffSaysWhatWouldChangeAndHidesSecrets) {
  const std::string file = Write("all.yaml", ReadTestdata("all_kinds.yaml"));
  ASSERT_EQ(Run({"apply", "-f", file}), 0) << err_.str();
  const std::string change = Write("change.yaml", R"(kind: Peer
name: gw
spec: {port: 5061, vendor: Acme}
---
kind: User
name: ann
spec: {password: "another password"}
---
kind: Partition
name: new
)");
  EXPECT_EQ(Run({"diff", "-f", change}), 1) << err_.str();
  EXPECT_THAT(
      out_.str(),
      AllOf(HasSubstr("--- tenants/t/peers/gw\n+++ "),
            HasSubstr("change.yaml:1\n"), HasSubstr("\n+  vendor: Acme\n"),
            HasSubstr("\n+  password: (hidden)\n"),
            HasSubstr("--- /dev/null\n"), HasSubstr("+kind: Partition\n"),
            Not(HasSubstr("another password"))));
  EXPECT_EQ(Run({"apply", "-f", change}), 0) << err_.str();
  EXPECT_THAT(out_.str(), EndsWith("\n1 created, 2 updated\n"));
  EXPECT_EQ(Run({"apply", "-f", change}), 0) << err_.str();
  EXPECT_THAT(out_.str(), EndsWith("\n3 unchanged\n"));
  EXPECT_EQ(Run({"diff", "-f", file + ".none"}), 2);
}

TEST_F(PlanFilesTest, FaultsAreNamedByDocumentAndNothingIsApplied) {
  const std::string file = Write("bad.yaml", R"(kind: Tenant
name: t
spec: {domains: [t.test], default_dial_plan: d}
---
kind: DialPlan
name: d
spec: {security_mode: SECURED, number_of_digits_in_extension: 4}
---
kind: Peer
name: gw
spec: {kind: IP_GATEWAY, fqdn: 192.0.2.1, port: 5060, dial_plan: d}
---
kind: User
name: ann
spec: {username: ann, calling_search_space: none}
)");
  EXPECT_EQ(Run({"apply", "-f", file}), 1);
  EXPECT_THAT(err_.str(),
              AllOf(HasSubstr("nothing was applied [CHANGE_REFUSED]"),
                    HasSubstr("bad.yaml:9 tenants/t/peers/gw spec.fqdn: "),
                    HasSubstr("bad.yaml:9 tenants/t/peers/gw spec.port: "),
                    HasSubstr("bad.yaml:13 tenants/t/users/ann "
                              "spec.calling_search_space: ")));
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(Run({"get", "tenant", "t"}), 1);

  // As far as it goes, if that is what the operator wants.
  EXPECT_EQ(Run({"apply", "-f", file, "--keep-going"}), 1);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("Tenant tenants/t created\n"),
                                HasSubstr("Peer tenants/t/peers/gw failed\n"),
                                EndsWith("\n2 created, 2 failed\n")));
  EXPECT_THAT(err_.str(), HasSubstr("[APPLY_INCOMPLETE]"));
}

// UM-52, UM-67, UM-84, UM-98: one field at a time, and no other.
TEST_F(PlanFilesTest, SetChangesOneField) {
  const std::string plan = Write("plan.yaml", R"(
kind: Tenant
name: tenants/t
spec: {domains: [t.test]}
---
kind: DialPlan
name: p
spec: {number_of_digits_in_extension: 4, description: for gateways}
---
kind: Peer
name: gw
spec:
  kind: IP_GATEWAY
  fqdn: gw.t.test
  port: 5070
  dial_plan: p
  hardening: {strong_authentication: true, administration_over_tls: true}
)");
  ASSERT_EQ(Run({"apply", "-f", plan}), 0) << out_.str() << err_.str();
  ASSERT_EQ(Run({"set", "peer", "gw", "port=5061", "--dry-run"}), 0)
      << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("would be updated: port"));
  ASSERT_EQ(Run({"set", "peer", "gw", "port=5061"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "Peer tenants/t/peers/gw updated: port\n");
  // The file as it was, but for the port: nothing else has changed.
  ASSERT_EQ(Run({"diff", "-f", plan}), 1);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("-  port: 5061\n+  port: 5070\n"),
                                Not(HasSubstr("-  fqdn"))));
  ASSERT_EQ(Run({"set", "peer", "gw", "port=5061"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("unchanged"));

  // UM-80: the mode of a plan, once it was created; what lacks for it is told.
  ASSERT_EQ(Run({"set", "peer", "gw", "transport=TCP"}), 0) << err_.str();
  ASSERT_EQ(Run({"set", "dial-plan", "p", "security_mode=SECURED"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("PEER_TRANSPORT"));
  ASSERT_EQ(Run({"set", "peer", "gw", "transport="}), 0) << err_.str();
  ASSERT_EQ(Run({"set", "dial-plan", "p", "security_mode=SECURED"}), 0)
      << err_.str();
  ASSERT_EQ(Run({"get", "dial-plan", "p", "-o", "yaml"}), 0);
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("security_mode: SECURITY_MODE_SECURED"),
                    HasSubstr("description: for gateways")));

  // Within a message: its other fields stay, and false is a value.
  ASSERT_EQ(Run({"set", "peer", "gw", "hardening.ssh_not_telnet=true",
                 "hardening.administration_over_tls=false",
                 "network_link.scenario=LAN_SERVER_VOIP_DEVICE"}),
            0)
      << err_.str();
  ASSERT_EQ(Run({"get", "peer", "gw", "-o", "yaml"}), 0);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("strong_authentication: true"),
                                HasSubstr("ssh_not_telnet: true"),
                                Not(HasSubstr("administration_over_tls: true")),
                                HasSubstr("port: 5061")));
  // UM-21: the method in force on each link, and where it runs (UM-73).
  ASSERT_EQ(Run({"links"}), 0) << err_.str();
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("IP gateway"), HasSubstr("mutual TLS"),
                    HasSubstr("SRTP"), HasSubstr("LAN, server and VoIP device"),
                    HasSubstr("signaling_edge to capf"),
                    // UM-20
                    HasSubstr("mutual TLS comes before IPsec")));

  EXPECT_EQ(Run({"set", "peer", "gw", "create_time=2026"}), 2);
  EXPECT_EQ(Run({"set", "peer", "gw", "no_such_field=1"}), 2);
  EXPECT_EQ(Run({"set", "peer", "gw", "port"}), 2);
  EXPECT_EQ(Run({"set", "peer", "gw", "port=many"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("spec.port"));
  EXPECT_EQ(Run({"set", "call", "gw", "port=1"}), 2);

  // UM-127: the help describes both uses.
  EXPECT_EQ(Run({"set", "--help"}), 0);
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("Set-UMDialPlan"),
                    HasSubstr("set dial-plan secured security_mode=SECURED"),
                    HasSubstr("associated_edges=[edge-0, edge-1]")));
}

TEST_F(PlanFilesTest, PruningNeedsKindsAndAWordBeyondTen) {
  std::string yaml = "kind: Tenant\nname: t\nspec: {domains: [t.test]}\n";
  for (int i = 0; i < 12; ++i) {
    absl::StrAppend(&yaml, "---\nkind: Partition\nname: p", i, "\n");
  }
  absl::StrAppend(&yaml,
                  "---\nkind: CallingSearchSpace\nname: c\n"
                  "spec: {partitions: [p0, p11]}\n");
  ASSERT_EQ(Run({"apply", "-f", Write("a.yaml", yaml)}), 0) << err_.str();
  const std::string less = Write("less.yaml",
                                 "kind: Partition\nname: p0\n---\n"
                                 "kind: Partition\nname: p11\n");
  EXPECT_EQ(Run({"apply", "-f", less, "--prune"}), 2);
  EXPECT_EQ(Run({"apply", "-f", less, "--prune", "--kinds", "tenants"}), 2);
  EXPECT_EQ(Run({"apply", "-f", less, "--prune", "--kinds", "all"}), 1);
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("Partition tenants/t/partitions/p5 would be "
                              "deleted\n"),
                    HasSubstr("CallingSearchSpace tenants/t/"
                              "callingSearchSpaces/c would be deleted\n")));
  EXPECT_THAT(err_.str(), HasSubstr("[CONFIRMATION_REQUIRED]"));
  EXPECT_EQ(Run({"apply", "-f", less, "--prune", "--kinds", "partitions",
                 "--dry-run"}),
            0)
      << err_.str();
  EXPECT_THAT(out_.str(), EndsWith("2 unchanged, 10 deleted (dry run)\n"));
  // What is still used is found before anything is written.
  const std::string none = Write("none.yaml", "kind: Partition\nname: p0\n");
  EXPECT_EQ(
      Run({"apply", "-f", none, "--prune", "--kinds", "partitions", "--yes"}),
      1);
  EXPECT_THAT(err_.str(), AllOf(HasSubstr("delete tenants/t/partitions/p11"),
                                HasSubstr("RESOURCE_IN_USE")));
  EXPECT_EQ(Run({"apply", "-f", less, "--prune", "--kinds", "all", "--yes"}), 0)
      << err_.str();
  EXPECT_THAT(out_.str(), EndsWith("\n2 unchanged, 11 deleted\n"));
}

TEST_F(PlanFilesTest, ImportsAndDescribes) {
  ASSERT_EQ(
      Run({"apply", "-f", Write("all.yaml", ReadTestdata("all_kinds.yaml"))}),
      0)
      << err_.str();
  const std::string csv = Write("users.csv",
                                "username,password,display_name\n"
                                "zoe,correct horse,\"Zoe, Z.\"\n"
                                "max,correct horse,Max\n");
  EXPECT_EQ(Run({"import", "users", csv, "--dry-run"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "users: 2 created, 0 updated, 0 unchanged (dry run)\n");
  EXPECT_EQ(Run({"import", "users", csv}), 0) << err_.str();
  EXPECT_EQ(Run({"import", "users", csv}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "users: 0 created, 0 updated, 2 unchanged\n");
  Write("users.csv", "username,password\nzoe,short\nmax;x\n");
  EXPECT_EQ(Run({"import", "users", csv}), 1);
  EXPECT_THAT(err_.str(),
              AllOf(HasSubstr("nothing was imported [IMPORT_REFUSED]"),
                    HasSubstr("row[2].password: PASSWORD_TOO_SHORT"),
                    HasSubstr("row[3]: CSV_SYNTAX_INVALID")));

  EXPECT_EQ(Run({"describe", "line", "ann"}), 0) << err_.str();
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("refers to:\n"),
                    HasSubstr("  tenants/t/voicemailProfiles/default "
                              "(voicemail_profile)\n"),
                    HasSubstr("  tenants/t/callingSearchSpaces/everything "
                              "(forward_busy.calling_search_space)\n"),
                    HasSubstr("referred to by:\n"),
                    HasSubstr("  tenants/t/phones/ann-desk (lines)\n"),
                    HasSubstr("  tenants/t/lineGroups/desk (lines)\n")));
  for (const ResourceKind* const kind : PlanKinds()) {
    EXPECT_EQ(Run({"get", kind->plural}), 0) << kind->name << err_.str();
    EXPECT_THAT(out_.str(), HasSubstr("NAME")) << kind->name;
    EXPECT_EQ(Run({"get", kind->plural, "-o", "name"}), 0);
    EXPECT_THAT(out_.str(),
                HasSubstr(absl::StrCat("tenants/t/", kind->collection, "/")));
  }
}

}  // namespace
}  // namespace sallyport::cli
