#include "services/common/renewal/certificate_renewer.h"

#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/escaping.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/crypto/secret.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/files/durable_file.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_certs.h"
#include "services/common/time/fake_clock.h"

namespace sallyport {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr absl::Duration kLife = absl::Hours(90);

// An authority that answers what it is told to. Its certificates are for keys
// of its own, so it is asked for pairs that were made beforehand: what is
// tried here is when, and what becomes of a failure. What a real authority
// signs is tried in tests/fault/certificate_renewal_test.
class CertificateRenewerTest : public testing::Test {
 protected:
  CertificateRenewerTest() {
    folder_ = testing::TempDir() + "/" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    EXPECT_EQ(std::system(("rm -rf " + folder_).c_str()), 0);
    mkdir(folder_.c_str(), 0700);
  }

  CertificateRenewer::Files Give(absl::Time not_before) {
    TestCertificateSpec spec;
    spec.common_name = "relay";
    spec.uris = {"spiffe://t.test/media_relay"};
    spec.not_before = not_before;
    spec.not_after = not_before + kLife;
    const TestCertificate pair = ca_.Issue(spec);
    EXPECT_THAT(WriteDurableFile(folder_ + "/given.pem", pair.pem), IsOk());
    EXPECT_THAT(WriteDurableFile(folder_ + "/given.key", pair.key_pem), IsOk());
    EXPECT_THAT(WriteDurableFile(folder_ + "/ca.pem", ca_.pem()), IsOk());
    return {folder_ + "/given.pem", folder_ + "/given.key",
            folder_ + "/ca.pem"};
  }

  CertificateRenewer::Options Options() {
    CertificateRenewer::Options options;
    options.folder = folder_ + "/kept";
    options.tick = absl::Milliseconds(2);
    options.sign =
        [this](const RenewalOrder& order) -> absl::StatusOr<std::string> {
      absl::MutexLock lock(&mutex_);
      orders_.push_back(order);
      return answer_;
    };
    options.report = [this](const std::vector<CertificateUseState>& states)
        -> absl::StatusOr<std::vector<std::string>> {
      absl::MutexLock lock(&mutex_);
      if (!reachable_) return absl::UnavailableError("down");
      reported_ = states;
      if (states[0].mended_failures > 0) mended_ = states[0];
      return due_;
    };
    return options;
  }

  CertificateUseState WaitForFailures(const CertificateRenewer& renewer,
                                      int failures) {
    for (int i = 0; i < 2000; ++i) {
      const auto states = renewer.states();
      if (!states.empty() && states[0].failures == failures) return states[0];
      absl::SleepFor(absl::Milliseconds(2));
    }
    return {};
  }
  std::string Kept(const std::string& use) {
    return ReadWholeFile(folder_ + "/kept/" + use + ".pem", 1 << 20)
        .value_or("");
  }

  TestCa ca_;
  FakeClock clock_;
  FakeRandom random_{1};
  std::string folder_;
  absl::Mutex mutex_;
  absl::StatusOr<std::string> answer_ ABSL_GUARDED_BY(mutex_) =
      MakeError(absl::StatusCode::kUnavailable, "SIGNER_UNAVAILABLE", "down");
  std::vector<RenewalOrder> orders_ ABSL_GUARDED_BY(mutex_);
  std::vector<CertificateUseState> reported_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> due_ ABSL_GUARDED_BY(mutex_);
  bool reachable_ ABSL_GUARDED_BY(mutex_) = true;
  // The last one that told of failures made good.
  CertificateUseState mended_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(CertificateRenewerTest, KeyAndChainLieInOneFileOfMode0600) {
  CertificateRenewer renewer(Options(), clock_, random_);
  SP_ASSERT_OK_AND_ASSIGN(
      const std::string file,
      renewer.Manage("grpc", Give(clock_.Now() - absl::Hours(1)), true));
  struct stat status = {};
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_THAT(Kept("grpc"), HasSubstr("BEGIN CERTIFICATE"));
  EXPECT_THAT(Kept("grpc"), HasSubstr("PRIVATE KEY"));
}

// As capf has it: what lies in the folder is sealed, and what was there in
// clear before is sealed at the next start.
TEST_F(CertificateRenewerTest, SealedKeysAreInClearInMemoryOnly) {
  const CertificateRenewer::Files files = Give(clock_.Now() - absl::Hours(1));
  const std::string key =
      ReadWholeFile(files.key_file, 1 << 20).value_or("none");
  {
    CertificateRenewer before(Options(), clock_, random_);
    ASSERT_THAT(before.Manage("grpc", files, true), IsOk());
    EXPECT_THAT(Kept("grpc"), HasSubstr(key));
  }
  CertificateRenewer::Options options = Options();
  // Whoever reads the folder and does not know this has no key.
  const auto turned = [](std::string text) {
    for (char& c : text) c ^= 0x55;
    return text;
  };
  options.sealing = KeySealing{
      [turned](const Secret& pem) -> absl::StatusOr<std::string> {
        return "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" +
               absl::Base64Escape(turned(std::string(pem.DangerousText()))) +
               "\n-----END ENCRYPTED PRIVATE KEY-----\n";
      },
      [turned](const std::string& pem) -> absl::StatusOr<Secret> {
        std::string key = pem.substr(pem.find('\n') + 1);
        key.resize(key.find('\n'));
        std::string sealed;
        EXPECT_TRUE(absl::Base64Unescape(key, &sealed));
        return Secret::Take(turned(sealed));
      }};
  for (int start = 0; start < 2; ++start) {
    CertificateRenewer renewer(options, clock_, random_);
    SP_ASSERT_OK_AND_ASSIGN(const std::string file,
                            renewer.Manage("grpc", files, true));
    EXPECT_THAT(Kept("grpc"), HasSubstr("BEGIN CERTIFICATE"));
    EXPECT_THAT(Kept("grpc"), HasSubstr("ENCRYPTED PRIVATE KEY"));
    EXPECT_THAT(Kept("grpc"), Not(HasSubstr("BEGIN PRIVATE KEY")));
    EXPECT_THAT(file, StartsWith("/proc/self/fd/"));
    const std::string shown = ReadWholeFile(file, 1 << 20).value_or("none");
    EXPECT_THAT(shown, HasSubstr("BEGIN CERTIFICATE"));
    EXPECT_THAT(shown, HasSubstr("BEGIN PRIVATE KEY"));
    // The operator's is gone: ours is read and opened.
    std::remove(files.key_file.c_str());
  }
  options.sealing->open = [](const std::string&) -> absl::StatusOr<Secret> {
    return MakeError(absl::StatusCode::kFailedPrecondition, "KEY_UNREADABLE",
                     "another passphrase");
  };
  CertificateRenewer renewer(options, clock_, random_);
  EXPECT_FALSE(renewer.Manage("grpc", files, true).ok());
}

TEST_F(CertificateRenewerTest, AFailureKeepsTheOldOneAndIsTriedAgainLater) {
  CertificateRenewer renewer(Options(), clock_, random_);
  ASSERT_THAT(renewer.Manage("grpc", Give(clock_.Now()), true), IsOk());
  const std::string before = Kept("grpc");
  renewer.Start();
  const CertificateUseState one = WaitForFailures(renewer, 1);
  EXPECT_EQ(one.last_reason, "SIGNER_UNAVAILABLE");
  EXPECT_GE(one.next_attempt_time, clock_.Now() + absl::Seconds(48));
  EXPECT_LE(one.next_attempt_time, clock_.Now() + absl::Seconds(72));
  EXPECT_EQ(Kept("grpc"), before);
  // Not before its time; then again, and later.
  clock_.Advance(absl::Seconds(40));
  absl::SleepFor(absl::Milliseconds(30));
  EXPECT_EQ(renewer.states()[0].failures, 1);
  clock_.Advance(absl::Seconds(33));
  const CertificateUseState two = WaitForFailures(renewer, 2);
  EXPECT_GE(two.next_attempt_time, clock_.Now() + absl::Seconds(96));
  // What is no certificate for the new key does not take its place.
  {
    absl::MutexLock lock(&mutex_);
    answer_ = ca_.IssueUri("spiffe://t.test/media_relay").pem;
  }
  clock_.Advance(absl::Minutes(3));
  EXPECT_EQ(WaitForFailures(renewer, 3).last_reason, "RENEWED_UNUSABLE");
  EXPECT_EQ(Kept("grpc"), before);
  renewer.Stop();
  absl::MutexLock lock(&mutex_);
  ASSERT_EQ(reported_.size(), 1u);
  EXPECT_EQ(reported_[0].failures, 3);
  // The identity is proven by the connection; nothing else is sent.
  EXPECT_EQ(orders_[0].certificate_pem, "");
  EXPECT_EQ(orders_[0].proof, "");
}

// Whoever is to be told of a failure is often what was away: it hears of it
// later, once, and even if all is well by then.
TEST_F(CertificateRenewerTest, AFailureMadeGoodUnheardIsToldAfterwards) {
  CertificateRenewer renewer(Options(), clock_, random_);
  {
    absl::MutexLock lock(&mutex_);
    reachable_ = false;
  }
  ASSERT_THAT(renewer.Manage("grpc", Give(clock_.Now()), true), IsOk());
  renewer.Start();
  const CertificateUseState failed = WaitForFailures(renewer, 1);
  ASSERT_EQ(failed.failures, 1);
  // An operator's pair makes it good. It is to be replaced at once, so what is
  // asked for that has to wait for its turn.
  Give(clock_.Now() + absl::Seconds(1));
  clock_.Advance(absl::Seconds(2));
  for (int i = 0; i < 2000 && renewer.states()[0].mended_failures == 0; ++i) {
    absl::SleepFor(absl::Milliseconds(2));
  }
  EXPECT_GE(renewer.states()[0].mended_failures, 1);
  {
    absl::MutexLock lock(&mutex_);
    reachable_ = true;
  }
  for (int i = 0; i < 2000 && renewer.states()[0].mended_failures > 0; ++i) {
    clock_.Advance(absl::Seconds(6));
    absl::SleepFor(absl::Milliseconds(2));
  }
  renewer.Stop();
  EXPECT_EQ(renewer.states()[0].mended_failures, 0);
  absl::MutexLock lock(&mutex_);
  EXPECT_GE(mended_.mended_failures, 1);
  EXPECT_EQ(mended_.mended_reason, "SIGNER_UNAVAILABLE");
  EXPECT_GE(mended_.mended_failure_time, failed.last_failure_time);
}

// The authority that issued it issues no more: it need not wait for its time.
TEST_F(CertificateRenewerTest, OneThatIsCalledDueIsAskedForSoon) {
  const auto files = Give(clock_.Now() - absl::Hours(2));
  {
    CertificateRenewer renewer(Options(), clock_, random_);
    ASSERT_THAT(renewer.Manage("grpc", files, true), IsOk());
  }
  Give(clock_.Now() - absl::Hours(3));
  {
    absl::MutexLock lock(&mutex_);
    due_ = {"grpc", "no_such_use"};
  }
  CertificateRenewer renewer(Options(), clock_, random_);
  ASSERT_THAT(renewer.Manage("grpc", files, true), IsOk());
  EXPECT_GT(renewer.states()[0].next_attempt_time, clock_.Now() + kLife / 2);
  renewer.Start();
  for (int i = 0; i < 2000 && renewer.states()[0].next_attempt_time >
                                  clock_.Now() + absl::Seconds(10);
       ++i) {
    absl::SleepFor(absl::Milliseconds(2));
  }
  clock_.Advance(absl::Seconds(10));
  EXPECT_EQ(WaitForFailures(renewer, 1).failures, 1);
}

TEST_F(CertificateRenewerTest, AServersRequestIsSignedByItsOldKey) {
  CertificateRenewer renewer(Options(), clock_, random_);
  ASSERT_THAT(renewer.Manage("sip", Give(clock_.Now()), false), IsOk());
  renewer.Start();
  EXPECT_EQ(WaitForFailures(renewer, 1).use, "sip");
  renewer.Stop();
  absl::MutexLock lock(&mutex_);
  EXPECT_THAT(orders_[0].certificate_pem, HasSubstr("BEGIN CERTIFICATE"));
  EXPECT_THAT(orders_[0].certificate_pem, Not(HasSubstr("PRIVATE")));
  EXPECT_NE(orders_[0].proof, "");
}

// What an operator puts there later counts; what was kept counts over what was
// there before it.
TEST_F(CertificateRenewerTest, TheOneThatWasMadeLaterIsUsed) {
  const auto files = Give(clock_.Now() - absl::Hours(2));
  {
    CertificateRenewer renewer(Options(), clock_, random_);
    ASSERT_THAT(renewer.Manage("grpc", files, true), IsOk());
  }
  const std::string kept = Kept("grpc");
  Give(clock_.Now() - absl::Hours(3));
  CertificateRenewer renewer(Options(), clock_, random_);
  ASSERT_THAT(renewer.Manage("grpc", files, true), IsOk());
  EXPECT_EQ(Kept("grpc"), kept);
  renewer.Start();
  WaitForFailures(renewer, 0);
  Give(clock_.Now() - absl::Hours(1));
  for (int i = 0; i < 2000 && Kept("grpc") == kept; ++i) {
    absl::SleepFor(absl::Milliseconds(2));
  }
  EXPECT_NE(Kept("grpc"), kept);
}

TEST_F(CertificateRenewerTest, OneThatIsGivenAheadOfItsTimeIsUsedFromThenOn) {
  const auto files = Give(clock_.Now());
  CertificateRenewer renewer(Options(), clock_, random_);
  ASSERT_THAT(renewer.Manage("grpc", files, true), IsOk());
  const std::string kept = Kept("grpc");
  renewer.Start();
  WaitForFailures(renewer, 1);
  Give(clock_.Now() + absl::Seconds(20));
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_EQ(Kept("grpc"), kept);
  clock_.Advance(absl::Seconds(20));
  for (int i = 0; i < 2000 && Kept("grpc") == kept; ++i) {
    absl::SleepFor(absl::Milliseconds(2));
  }
  EXPECT_NE(Kept("grpc"), kept);
}

// capf was away for longer than the certificate lasted: what was given to
// begin with is the way back.
TEST_F(CertificateRenewerTest, WhenItHasEndedTheGivenOneIsTakenAgain) {
  const auto files = Give(clock_.Now());
  {
    CertificateRenewer renewer(Options(), clock_, random_);
    ASSERT_THAT(renewer.Manage("grpc", files, true), IsOk());
  }
  const std::string kept = Kept("grpc");
  clock_.Advance(kLife + absl::Hours(1));
  CertificateRenewer renewer(Options(), clock_, random_);
  const auto fresh = Give(clock_.Now() - kLife / 2);
  ASSERT_THAT(renewer.Manage("grpc", fresh, true), IsOk());
  EXPECT_NE(Kept("grpc"), kept);
  EXPECT_GT(renewer.states()[0].not_after, clock_.Now());
}

TEST_F(CertificateRenewerTest, WithoutAnyPairItDoesNotBegin) {
  CertificateRenewer renewer(Options(), clock_, random_);
  EXPECT_FALSE(
      renewer.Manage("grpc", {folder_ + "/a", folder_ + "/b", ""}, true).ok());
}

TEST_F(CertificateRenewerTest, WhatOthersReplaceIsOnlyReported) {
  const auto files = Give(clock_.Now());
  CertificateRenewer renewer(Options(), clock_, random_);
  renewer.Observe("sip", files.certificate_file);
  const std::string first = renewer.states()[0].certificate_pem;
  renewer.Start();
  Give(clock_.Now());
  for (int i = 0; i < 2000 && renewer.states()[0].certificate_pem == first;
       ++i) {
    absl::SleepFor(absl::Milliseconds(2));
  }
  EXPECT_NE(renewer.states()[0].certificate_pem, first);
  EXPECT_EQ(renewer.states()[0].next_attempt_time, absl::InfiniteFuture());
  renewer.Stop();
  absl::MutexLock lock(&mutex_);
  EXPECT_TRUE(orders_.empty());
}

}  // namespace
}  // namespace sallyport
