// Private keys never leave encrypted storage: what lies on the disk, in the
// store and in a backup of the real capf, and what it refuses to start with.

#include <signal.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/capf_process_fixture.h"
#include "services/capf/core/test_keys.h"
#include "services/capf/io/durable_file.h"
#include "services/capf/io/file_signer.h"
#include "services/capf/io/key_wrapping.h"
#include "services/capf/io/private_key_search.h"
#include "services/common/crypto/secret.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Stub = pb::CapfService::Stub;

void Shell(const std::string& command) {
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

std::string Read(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

class KeyStorageTest : public CapfProcessTest {
 protected:
  void SetUp() override {
    CapfProcessTest::SetUp();
    passphrase_file_ = pki_->folder() + "/passphrase";
    std::string text = Read(passphrase_file_);
    text.resize(text.find('\n'));
    passphrase_ = Secret::Take(std::move(text));
    wrapping_ = DeriveWrappingKey(passphrase_).value();
  }

  // Everything that has keys of its own.
  void UseEverything() {
    ASSERT_EQ(process_->Terminate(), 0);
    Shell("rm -r " + folder_);
    std::string config = config_;
    const std::string before = R"("passphrase_file")";
    config.insert(config.find(before),
                  absl::StrCat(R"("root":{"key_file":")", folder_,
                               R"(/root.key","certificate_file":")", folder_,
                               R"(/root.pem"},)"));
    config.insert(config.find(R"("server":{)") + 10,
                  absl::StrCat(R"("certificate_renewal":{"folder":")", folder_,
                               R"(/tls"},)"));
    process_ = std::make_unique<ServiceProcess>("services/capf/capf", folder_);
    process_->WriteConfig(absl::StrCat(
        config, R"(,"tftp_address":"127.0.0.1:0","tvs_address":"127.0.0.1:0",)",
        R"("phone_http_address":"127.0.0.1:0",)",
        R"("trust_lists":{"host":"capf.example.test"}})"));
    Restart();
    pb::CreateCertificateAuthorityRequest second;
    second.set_certificate_authority_id("second");
    second.mutable_certificate_authority()->set_mode(pb::AUTHORITY_MODE_OWN);
    second.mutable_certificate_authority()->set_common_name("Second");
    second.mutable_certificate_authority()->set_key_type(
        type::v1::KEY_TYPE_RSA_2048);
    ASSERT_THAT(Call<pb::CertificateAuthority>(
                    *root_, &Stub::CreateCertificateAuthority, second),
                IsOk());
    pb::IssueCertificateRequest issue = NewIssue();
    issue.set_csr(NewTestCsr(NewTestKey(KeyKind::kRsa).get(),
                             {.alt_names = {"DNS:edge.example.test"}}));
    SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate edge, Issue(issue));
    pb::UpdatePhoneClusterRequest cluster;
    cluster.mutable_phone_cluster()->set_name("tenants/a/phoneCluster");
    auto& node = *cluster.mutable_phone_cluster()->add_call_managers();
    node.set_dns_name("edge.example.test");
    node.set_certificate_pem(edge.certificate_pem());
    ASSERT_THAT(
        Call<pb::PhoneCluster>(*root_, &Stub::UpdatePhoneCluster, cluster),
        IsOk());
    pb::ExplainServerCertificateRequest explain;
    explain.set_parent("tenants/a");
    explain.set_service("signaling_edge");
    explain.set_fqdn("alone.example.test");
    SP_ASSERT_OK_AND_ASSIGN(
        const pb::ServerCertificateChoice choice,
        Call<pb::ServerCertificateChoice>(
            *root_, &Stub::ExplainServerCertificate, explain));
    EXPECT_TRUE(choice.self_signed_fallback());
    // What others hand over with their certificates is not kept.
    Shell("cd " + pki_->folder() +
          " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
          "-nodes -subj /CN=theirs -keyout theirs.key -out theirs.pem "
          "2>/dev/null && openssl pkcs12 -export -inkey theirs.key -in "
          "theirs.pem -passout pass:x -out theirs.p12 && cat theirs.key "
          "theirs.pem > theirs.both");
    search_.Know(
        Secret::Take(std::string(Read(pki_->folder() + "/theirs.key"))));
    for (const char* const file : {"/theirs.p12", "/theirs.both"}) {
      pb::CreateTrustedCertificateRequest import;
      import.set_parent("tenants/a/trustStores/CallManager-trust");
      import.mutable_trusted_certificate()->set_certificate(
          Read(pki_->folder() + file));
      import.set_password("x");
      ASSERT_THAT(Call<pb::TrustedCertificate>(
                      *root_, &Stub::CreateTrustedCertificate, import),
                  IsOk())
          << file;
    }
  }

  void Restart() {
    process_->Kill();
    process_->Start();
    root_ = CapfProcessTest::Stub("operator/root");
  }

  // A backup as README.md has it, below the folder itself, and how many private
  // keys are in all of it.
  size_t BackUp() {
    const std::string kept = folder_ + "/backup";
    Shell("rm -rf " + kept + " && mkdir " + kept);
    process_->Signal(SIGSTOP);
    Shell("cp -r $(ls -d " + folder_ + "/* | grep -v /backup) " + kept);
    process_->Signal(SIGCONT);
    Shell("sqlite3 " + kept + "/capf.db 'SELECT key_pem FROM list_signers; " +
          "SELECT key_pem FROM authority_generations' > " + kept + "/stored");
    size_t keys = 0;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(kept)) {
      if (!entry.is_regular_file() || entry.path().extension() == ".db") {
        continue;
      }
      keys +=
          search_.KnowEncrypted(Read(entry.path()), {&wrapping_, &passphrase_});
    }
    return keys;
  }

  // What it says as it does not start.
  std::string Refusal(const std::string& config) {
    process_->WriteConfig(config);
    const std::string log = pki_->folder() + "/refused.log";
    EXPECT_NE(std::system(absl::StrCat("services/capf/capf --config=", folder_,
                                       "/config.json > ", log, " 2>&1")
                              .c_str()),
              0);
    return Read(log);
  }

  std::string passphrase_file_;
  Secret passphrase_;
  Secret wrapping_;
  PrivateKeySearch search_;
};

TEST_F(KeyStorageTest, NoKeyLiesInClearAnywhere) {
  UseEverything();
  // The second renewal comes after the first pair, which was the operator's.
  for (int start = 0; start < 2; ++start) {
    const size_t keys = BackUp();
    // Root, authority, strings, port, self-signed, gRPC; in the store the
    // second authority and three signers of a tenant.
    EXPECT_GE(keys, 10u);
    EXPECT_THAT(search_.LookBelow(folder_), IsEmpty());
    Restart();
  }
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/tls/grpc.pem"));
  EXPECT_THAT(Issue(NewIssue()), IsOk());
}

TEST_F(KeyStorageTest, KeysInClearAreEncryptedAtTheStartOnceAndToldOf) {
  UseEverything();
  const auto certificate = Read(folder_ + "/ca.pem");
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate before, Issue(NewIssue()));
  process_->Kill();
  // As a version before had it.
  std::vector<std::string> files = {folder_ + "/tls/grpc.pem"};
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    if (entry.path().extension() == ".key") files.push_back(entry.path());
  }
  ASSERT_EQ(files.size(), 6u);
  for (const std::string& file : files) {
    std::string text = Read(file);
    const std::string block = PemBlocks(text, "ENCRYPTED PRIVATE KEY").at(0);
    auto key = FileSigner::FromPem(block, wrapping_);
    if (!key.ok()) key = FileSigner::FromPem(block, passphrase_);
    ASSERT_THAT(key, IsOk()) << file;
    text.replace(text.find(block.substr(0, block.size() - 1)), block.size() - 1,
                 std::string((*key)->DangerousPem()->DangerousText()));
    ASSERT_THAT(WriteDurableFile(file, text), IsOk());
  }
  EXPECT_THAT(search_.LookBelow(folder_), Not(IsEmpty()));
  Restart();
  process_->WaitForLog("lay in clear and is encrypted now");
  EXPECT_GE(BackUp(), 10u);
  EXPECT_THAT(search_.LookBelow(folder_), IsEmpty());
  EXPECT_THAT(Read(folder_ + "/audit.jsonl"), HasSubstr("KEYS_ENCRYPTED"));
  // Nothing else has changed.
  EXPECT_EQ(Read(folder_ + "/ca.pem"), certificate);
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate after, Issue(NewIssue()));
  EXPECT_EQ(after.certificate_authority(), before.certificate_authority());
  Restart();
  process_->WaitForLog("service ready");
  EXPECT_THAT(process_->Log(), Not(HasSubstr("lay in clear")));
}

TEST_F(KeyStorageTest, ItDoesNotStartWithWhatWouldLieInClear) {
  process_->Kill();
  const std::string whole = config_ + "}";
  std::string without = whole;
  const std::string setting =
      absl::StrCat(R"(,"passphrase_file":")", passphrase_file_, R"(")");
  without.erase(without.find(setting), setting.size());
  const std::string told = Refusal(without);
  EXPECT_THAT(told, HasSubstr("authority.passphrase_file: is required, as "
                              "private keys are kept encrypted only "
                              "(PASSPHRASE_MISSING)"));
  const auto with = [&](const std::string& file) {
    std::string config = whole;
    config.replace(config.find(passphrase_file_), passphrase_file_.size(),
                   file);
    return Refusal(config);
  };
  EXPECT_THAT(with(folder_ + "/passphrase"),
              HasSubstr("lies in the folder of capf's own keys"));
  const std::string other = pki_->folder() + "/other";
  EXPECT_THAT(with(other), HasSubstr("PASSPHRASE_MISSING"));
  ASSERT_THAT(WriteDurableFile(other, "\n"), IsOk());
  EXPECT_THAT(with(other), HasSubstr("PASSPHRASE_MISSING"));
  ASSERT_THAT(WriteDurableFile(other, "short\n"), IsOk());
  EXPECT_THAT(with(other), HasSubstr("PASSPHRASE_WEAK"));
  ASSERT_THAT(WriteDurableFile(other, "of the keys of others\n"), IsOk());
  EXPECT_THAT(with(other), HasSubstr("KEY_UNREADABLE"));
  ASSERT_EQ(chmod(other.c_str(), 0644), 0);
  EXPECT_THAT(with(other), HasSubstr("FILE_MODE"));
  // None of them has changed anything.
  process_->WriteConfig(whole);
  process_->Start();
  root_ = CapfProcessTest::Stub("operator/root");
  EXPECT_THAT(Issue(NewIssue()), IsOk());
  // Nor does one that starts for the first time make a key.
  process_->Kill();
  Shell("rm -r " + folder_ + " && mkdir " + folder_);
  EXPECT_THAT(Refusal(without), HasSubstr("PASSPHRASE_MISSING"));
  EXPECT_THAT(with(pki_->folder() + "/none"), HasSubstr("PASSPHRASE_MISSING"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/ca.key"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/capf.db"));
}

}  // namespace
}  // namespace sallyport::capf
