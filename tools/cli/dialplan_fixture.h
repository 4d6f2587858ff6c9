// The command line beside a real dialplan, as the operator "ann".

#ifndef SALLYPORT_TOOLS_CLI_DIALPLAN_FIXTURE_H_
#define SALLYPORT_TOOLS_CLI_DIALPLAN_FIXTURE_H_

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/service_process.h"
#include "tools/cli/cli.h"

namespace sallyport::cli {

class DialplanFixture : public ::testing::Test {
 protected:
  static constexpr char kTrustDomain[] = "cli.test";

  DialplanFixture()
      : pki_("cli_dialplan"),
        process_("services/dialplan/dialplan", ::testing::TempDir() + "/plan") {
    setenv("XDG_RUNTIME_DIR", ::testing::TempDir().c_str(), 1);
    process_.WriteConfig(absl::StrCat(
        "{\"server\":",
        process_.ServerJson(
            pki_.IssueSpiffe(kTrustDomain, "dialplan"), kTrustDomain,
            ",\"role_bindings\":[{\"identity\":\"spiffe://cli.test/operator/"
            "ann\",\"role\":\"ROLE_ADMIN\",\"tenants\":[\"*\"]}]"),
        ",\"store\":{\"sqlite_file\":\"", process_.folder(), "/plan.db\"}}"));
    process_.Start();
    const PemFiles files = pki_.IssueSpiffe(kTrustDomain, "operator/ann");
    config_ = process_.folder() + "/cli.json";
    std::ofstream(config_) << "{\"tls\":{\"certificate_file\":\""
                           << files.certificate_file << "\",\"key_file\":\""
                           << files.key_file << "\",\"ca_file\":\""
                           << files.ca_file << "\"},\"trust_domain\":\""
                           << kTrustDomain
                           << "\",\"tenant\":\"t\",\"dialplan\":{\"target\":\""
                           << process_.grpc_target() << "\"}}";
  }

  // Runs a command line of words; `typed` is what somebody answers.
  int Run(const std::vector<std::string>& words,
          const std::string& typed = "") {
    std::vector<const char*> argv = {"sallyport", "--config", config_.c_str()};
    for (const std::string& one : words) argv.push_back(one.c_str());
    std::istringstream in(typed);
    std::streambuf* const before = std::cin.rdbuf(in.rdbuf());
    out_.str("");
    err_.str("");
    const int code =
        RunCli(static_cast<int>(argv.size()), argv.data(), out_, err_);
    std::cin.rdbuf(before);
    return code;
  }
  void Apply(const std::string& tenant, const std::string& domain,
             const std::string& banner) {
    const std::string file = process_.folder() + "/" + tenant + ".yaml";
    std::ofstream(file) << "kind: Tenant\nname: " << tenant
                        << "\nspec: {domains: [" << domain
                        << "], login_banner: \"" << banner << "\"}\n";
    ASSERT_EQ(
        Run({"--banner", "never", "--tenant", tenant, "apply", "-f", file}), 0)
        << out_.str() << err_.str();
  }

  MtlsPki pki_;
  ServiceProcess process_;
  std::string config_;
  std::ostringstream out_;
  std::ostringstream err_;
};

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_DIALPLAN_FIXTURE_H_
