#include "tools/cli/credential_cmds.h"

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/service_process.h"
#include "tools/cli/cli.h"

namespace sallyport::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The whole command line against a real issuer.
class CredentialCommandsTest : public testing::Test {
 protected:
  CredentialCommandsTest()
      : pki_("cli"),
        process_("services/credential_issuer/credential_issuer",
                 testing::TempDir() + "/issuer") {
    process_.WriteConfig(absl::StrCat(
        "{\"server\":",
        process_.ServerJson(
            pki_.IssueSpiffe("t.test", "credential_issuer"), "t.test",
            ",\"role_bindings\":[{\"identity\":"
            "\"spiffe://t.test/operator/ann\",\"role\":\"ROLE_ADMIN\","
            "\"tenants\":[\"*\"]}]"),
        ",\"store\":{\"sqlite_file\":\"", process_.folder(),
        "/issuer.db\"},\"master_key_file\":\"", process_.folder(),
        "/master\"}"));
    process_.Start();
    const PemFiles ann = pki_.IssueSpiffe("t.test", "operator/ann");
    std::ofstream(config()) << absl::StrCat(
        "{\"tls\":{\"certificate_file\":\"", ann.certificate_file,
        "\",\"key_file\":\"", ann.key_file, "\",\"ca_file\":\"", ann.ca_file,
        "\"},\"trust_domain\":\"t.test\",\"tenant\":\"a\","
        "\"credential_issuer\":{\"target\":\"",
        process_.grpc_target(), "\"}}");
  }

  std::string config() const { return process_.folder() + "/cli.json"; }

  // What it printed; `code` is what it must end with.
  std::string Run(std::vector<std::string> words, int code = 0) {
    std::vector<const char*> argv = {"sallyport"};
    const std::string option = "--config=" + config();
    argv.push_back(option.c_str());
    for (const std::string& word : words) argv.push_back(word.c_str());
    std::ostringstream out;
    std::ostringstream err;
    EXPECT_EQ(RunCli(static_cast<int>(argv.size()), argv.data(), out, err),
              code)
        << err.str();
    return out.str() + err.str();
  }

  // "x" of a line "name: x".
  static std::string Field(const std::string& text, const std::string& name) {
    const size_t at = text.find(name + ":");
    if (at == std::string::npos) return "";
    const size_t begin = text.find_first_not_of(' ', at + name.size() + 1);
    return text.substr(begin, text.find('\n', begin) - begin);
  }

  MtlsPki pki_;
  ServiceProcess process_;
};

TEST_F(CredentialCommandsTest, FromIssueToRevocation) {
  const std::string issued = Run({"issue-credential", "--subject", "alice"});
  const std::string id = Field(issued, "id");
  ASSERT_EQ(id.size(), 24u) << issued;

  // AVE-21.
  const std::string shown = Run({"show-credential", id});
  EXPECT_THAT(shown, HasSubstr("\"event\":\"issue\""));
  EXPECT_THAT(shown, HasSubstr("expire_time"));
  EXPECT_THAT(shown, Not(HasSubstr(Field(issued, "password"))));
  EXPECT_THAT(Run({"-o", "json", "show-credential", id}), HasSubstr(id));
  Run({"show-credential", std::string(24, '0')}, 1);
  Run({"show-credential", "nonsense"}, 2);

  EXPECT_THAT(Run({"revoke-credential", id, "--reason", "lost"}),
              HasSubstr("lost"));
  EXPECT_THAT(Run({"show-credential", id}), HasSubstr("revoke_credential"));
  EXPECT_THAT(Run({"revoke-credential", Field(issued, "username")}),
              HasSubstr(id));
  EXPECT_THAT(Run({"revoke-user", "alice"}), HasSubstr("revocations/"));
  EXPECT_THAT(Run({"get", "revocations"}), HasSubstr("lost"));

  EXPECT_THAT(Run({"rotate-key", "--request-id", "r1"}), HasSubstr("keys/2"));
  EXPECT_THAT(Run({"rotate-key", "--request-id", "r1"}), HasSubstr("keys/2"));
  EXPECT_THAT(Run({"rotate-key"}), HasSubstr("keys/3"));
  EXPECT_THAT(Run({"revoke-key", "1", "--reason", "stolen"}),
              HasSubstr("REVOKED"));
  EXPECT_THAT(Run({"keys"}), HasSubstr("REVOKED"));
  EXPECT_THAT(Run({"revoke-key", "77"}, 1), HasSubstr("KEY_NOT_FOUND"));
}

// AVE-25: what the process listens on. IMP-48: a setting that waits for a
// restart is shown with both values.
TEST_F(CredentialCommandsTest, ListenersAndSettingsThatWait) {
  const std::string port =
      process_.grpc_target().substr(process_.grpc_target().rfind(':') + 1);
  EXPECT_THAT(Run({"listeners"}),
              AllOf(HasSubstr("credential_issuer"), HasSubstr(port)));
  EXPECT_THAT(Run({"-o", "json", "listeners"}),
              HasSubstr("\"firstPort\": " + port));
  EXPECT_EQ(Run({"restarts"}), "every setting is in force\n");
  // As an operator edits the file; the store cannot be changed under way.
  const std::string path = process_.folder() + "/config.json";
  std::ifstream in(path);
  std::string text(std::istreambuf_iterator<char>(in), {});
  text.replace(text.find("issuer.db"), 9, "second.db");
  std::ofstream(path) << text;
  process_.WaitForLog("needs_restart\":\"store");
  EXPECT_THAT(Run({"restarts"}),
              AllOf(HasSubstr("store.sqlite_file"), HasSubstr("issuer.db"),
                    HasSubstr("second.db")));
  EXPECT_THAT(Run({"doctor"}),
              HasSubstr("store.sqlite_file waits for a restart"));
}

}  // namespace
}  // namespace sallyport::cli
