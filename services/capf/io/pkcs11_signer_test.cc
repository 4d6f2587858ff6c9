#include "services/capf/io/pkcs11_signer.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/operation_status.h"
#include "services/capf/core/public_key.h"
#include "services/capf/core/test_keys.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/pkcs11_token.h"
#include "services/capf/io/registration_authority.h"
#include "services/capf/io/test_capf.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/status_matchers.h"
#include "services/common/time/clock.h"

namespace sallyport::capf {
namespace {

constexpr char kSoftHsm[] = "/usr/lib/softhsm/libsofthsm2.so";
constexpr char kPin[] = "1234";

std::string ClientModule() {
  // Wherever the architecture's libraries lie.
  for (const auto& folder : std::filesystem::directory_iterator("/usr/lib")) {
    const std::string file = folder.path() / "pkcs11/p11-kit-client.so";
    if (std::filesystem::exists(file)) return file;
  }
  ADD_FAILURE() << "p11-kit-modules is not installed";
  return "";
}

void Must(const std::string& command) {
  ASSERT_EQ(std::system((command + " > /dev/null").c_str()), 0) << command;
}

// SoftHSM with a token "sallyport", served by a process of its own, as a
// network token is, so that it can die alone.
class Pkcs11Test : public testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);  // as service_main does
    folder_ = NewTestFolder();
    // A socket's path is short.
    char name[] = "/tmp/sallyport-p11-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    socket_folder_ = name;
    std::filesystem::create_directory(folder_ + "/tokens");
    std::ofstream(folder_ + "/softhsm2.conf")
        << "directories.tokendir = " << folder_ << "/tokens\n"
        << "objectstore.backend = file\nlog.level = ERROR\n";
    setenv("SOFTHSM2_CONF", (folder_ + "/softhsm2.conf").c_str(), 1);
    Must(
        "softhsm2-util --init-token --free --label sallyport --pin 1234 "
        "--so-pin 5678");
    StartServer();
    setenv("P11_KIT_SERVER_ADDRESS", ("unix:path=" + Socket()).c_str(), 1);
  }
  void TearDown() override {
    KillServer();
    std::filesystem::remove_all(socket_folder_);
  }

  std::string Socket() const { return socket_folder_ + "/s"; }

  void StartServer() {
    unlink(Socket().c_str());
    server_ = fork();
    ASSERT_GE(server_, 0);
    if (server_ == 0) {
      setpgid(0, 0);
      execlp("p11-kit", "p11-kit", "server", "--foreground", "--provider",
             kSoftHsm, "--name", Socket().c_str(), "pkcs11:token=sallyport",
             nullptr);
      _exit(127);
    }
    setpgid(server_, server_);
    for (int i = 0; i < 200 && !std::filesystem::exists(Socket()); ++i) {
      absl::SleepFor(absl::Milliseconds(20));
    }
    ASSERT_TRUE(std::filesystem::exists(Socket()));
  }
  // With the children that serve its connections.
  void KillServer() {
    if (server_ == 0) return;
    kill(-server_, SIGKILL);
    waitpid(server_, nullptr, 0);
    server_ = 0;
  }

  absl::StatusOr<std::unique_ptr<Pkcs11Token>> OpenToken(
      const std::string& pin = kPin, const std::string& label = "sallyport") {
    return Pkcs11Token::Open({.module_file = ClientModule(),
                              .token_label = label,
                              .pin = Secret::CopyOf(std::string_view(pin))},
                             Clock::Real());
  }

  std::string folder_;
  std::string socket_folder_;
  pid_t server_ = 0;
};

bool Verifies(Signer& signer, const std::string& data,
              const std::string& signature) {
  return VerifySignature(AsBytes(data),
                         SignatureAlgorithmFor(signer.public_key().kind()),
                         AsBytes(signature), signer.public_key());
}

TEST_F(Pkcs11Test, KeysAreMadeInTheTokenAndStayThere) {
  SP_ASSERT_OK_AND_ASSIGN(const auto token, OpenToken());
  EXPECT_THAT(Pkcs11Signer::Open({.label = "ca"}, *token),
              HasReason("KEY_NOT_FOUND"));
  SP_ASSERT_OK_AND_ASSIGN(
      const auto made,
      Pkcs11Signer::Open({.label = "ca", .create = true}, *token));
  SP_ASSERT_OK_AND_ASSIGN(const auto found,
                          Pkcs11Signer::Open({.label = "ca"}, *token));
  EXPECT_EQ(made->public_key().spki(), found->public_key().spki());
  EXPECT_EQ(made->public_key().kind(), KeyKind::kEcP256);
  SP_ASSERT_OK_AND_ASSIGN(const std::string signature,
                          found->Sign(AsBytes(std::string("data"))));
  EXPECT_TRUE(Verifies(*made, "data", signature));
  EXPECT_FALSE(Verifies(*made, "datb", signature));

  SP_ASSERT_OK_AND_ASSIGN(
      const auto rsa,
      Pkcs11Signer::Open(
          {.label = "rsa", .create = true, .create_rsa_bits = 2048}, *token));
  EXPECT_EQ(rsa->public_key().bits(), 2048);
  SP_ASSERT_OK_AND_ASSIGN(const std::string rsa_signature,
                          rsa->Sign(AsBytes(std::string("data"))));
  EXPECT_TRUE(Verifies(*rsa, "data", rsa_signature));
}

TEST_F(Pkcs11Test, FaultsHaveNames) {
  EXPECT_THAT(
      Pkcs11Token::Open({.module_file = folder_ + "/none.so"}, Clock::Real()),
      HasReason("PKCS11_MODULE"));
  EXPECT_THAT(OpenToken(kPin, "other"), HasReason("SIGNER_UNAVAILABLE"));
  EXPECT_THAT(OpenToken("9999"), HasReason("PKCS11_PIN"));
  KillServer();
  EXPECT_THAT(OpenToken(), HasReason("SIGNER_UNAVAILABLE"));
}

// issue 6, pki.md 12 goal 15 (boulder #3468, step-ca #937 fail this): the token
// is killed and restarted under load; signing resumes within two seconds, in
// the same process.
TEST_F(Pkcs11Test, ATokenThatDiesUnderLoadIsUsedAgainWithinTwoSeconds) {
  SP_ASSERT_OK_AND_ASSIGN(const auto token, OpenToken());
  SP_ASSERT_OK_AND_ASSIGN(
      const auto signer,
      Pkcs11Signer::Open({.label = "ca", .create = true}, *token));
  std::atomic<bool> stop = false;
  std::atomic<int> good = 0;
  std::atomic<int> refused = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const std::string data = absl::StrCat("thread ", i);
      while (!stop) {
        const auto signature = signer->Sign(AsBytes(data));
        if (!signature.ok()) {
          EXPECT_THAT(signature, HasReason("SIGNER_UNAVAILABLE"));
          ++refused;
          absl::SleepFor(absl::Milliseconds(5));
        } else {
          EXPECT_TRUE(Verifies(*signer, data, *signature));
          ++good;
        }
      }
    });
  }
  const auto signs_within = [&](absl::Duration limit) {
    const int before = good;
    const absl::Time end = absl::Now() + limit;
    while (good < before + 20 && absl::Now() < end) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    return good >= before + 20;
  };
  EXPECT_TRUE(signs_within(absl::Seconds(10)));
  for (int round = 0; round < 3; ++round) {
    KillServer();
    absl::SleepFor(absl::Milliseconds(300));
    const int dead = good;
    absl::SleepFor(absl::Milliseconds(50));
    EXPECT_EQ(good, dead);
    StartServer();
    EXPECT_TRUE(signs_within(absl::Seconds(2))) << "round " << round;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(refused, 0);
}

// The whole authority on such a key: an intent whose signing failed is
// abandoned, and the next request is answered.
TEST_F(Pkcs11Test, AnAuthorityIssuesWithATokensKey) {
  SP_ASSERT_OK_AND_ASSIGN(const auto token, OpenToken());
  SP_ASSERT_OK_AND_ASSIGN(
      const auto signer,
      Pkcs11Signer::Open({.label = "ca", .create = true}, *token));
  TestCapf capf(folder_);
  AuthorityOptions options;
  options.certificate_file = folder_ + "/token_ca.pem";
  options.create = true;
  options.subject.common_name = "Token CA";
  SP_ASSERT_OK_AND_ASSIGN(
      const auto authority,
      CertificateAuthority::Open(options, *signer, *capf.ledger, capf.random));
  RegistrationAuthority registration({}, capf.strings, *authority,
                                     *capf.ledger);
  const std::string spki = TestSpki(NewTestKey(KeyKind::kRsa).get());
  for (const char* const device : {"SEP1", "SEP2"}) {
    capf.AddEnrollment(device);
    CapfMessage claim = TestCapf::ClaimOf(device, "123456");
    EXPECT_EQ(registration.Admit(claim).verdict, Verdict::kInstall);
  }
  const std::string one = capf.Get("SEP1").name;
  const std::string two = capf.Get("SEP2").name;
  KillServer();
  EXPECT_THAT(registration.IssueLsc(one, 3, spki),
              HasReason("SIGNER_UNAVAILABLE"));
  EXPECT_EQ(StatusName(capf.Get("SEP1").status),
            "Upgrade Failed: CA Communication Failure");
  EXPECT_THAT(*capf.store->ListIntents(), testing::IsEmpty());
  StartServer();
  absl::SleepFor(absl::Milliseconds(150));
  EXPECT_THAT(
      registration.IssueLsc(two, 3, TestSpki(NewTestKey(KeyKind::kRsa).get())),
      IsOk());
}

}  // namespace
}  // namespace sallyport::capf
