#include "services/credential_issuer/io/sqlite_issuer_store.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/random/system_random.h"
#include "services/common/status/status_matchers.h"
#include "services/credential_issuer/core/issuer_state.h"
#include "services/credential_issuer/core/key_ring.h"
#include "services/credential_issuer/core/revocation_list.h"

namespace sallyport::credential_issuer {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

class SqliteIssuerStoreTest : public testing::Test {
 protected:
  SqliteIssuerStoreTest()
      : folder_(testing::TempDir() + "/store_" +
                testing::UnitTest::GetInstance()->current_test_info()->name()),
        file_(folder_ + "/deep/issuer.db"),
        sealer_(Secret::CopyOf(std::string(kMasterKeyBytes, 'm'))) {
    std::filesystem::remove_all(folder_);
  }

  std::unique_ptr<SqliteIssuerStore> Open() {
    auto store = SqliteIssuerStore::Open(file_, sealer_, random_);
    EXPECT_THAT(store, IsOk());
    return store.ok() ? *std::move(store) : nullptr;
  }

  IssuerState NewKey(const IssuerState& state, char c, absl::Time now,
                     const std::string& request_id = "") {
    auto next = WithNewKey(state, Secret::CopyOf(std::string(kKeyBytes, c)),
                           request_id, now);
    EXPECT_THAT(next, IsOk());
    return *std::move(next);
  }

  const std::string folder_;
  const std::string file_;
  const KeySealer sealer_;
  const KeyRingPolicy policy_;
  SystemRandom random_;
};

TEST_F(SqliteIssuerStoreTest, AFreshStoreIsEmptyAndPrivate) {
  const auto store = Open();
  const auto state = store->Load(policy_);
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(state->version, 0);
  EXPECT_EQ(state->ring.next_id(), 1u);
  EXPECT_TRUE(state->ring.keys().empty());
  for (const auto& entry :
       std::filesystem::directory_iterator(folder_ + "/deep")) {
    struct stat info;
    ASSERT_EQ(stat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u) << entry.path();
  }
}

TEST_F(SqliteIssuerStoreTest, WhatWasSavedComesBackWhole) {
  IssuerState three = [&] {
    const auto store = Open();
    const auto empty = store->Load(policy_);
    EXPECT_THAT(empty, IsOk());
    const IssuerState one = NewKey(*empty, 'a', kStart);
    EXPECT_THAT(store->Save(*empty, one), IsOk());
    const IssuerState two =
        NewKey(one, 'b', kStart + absl::Microseconds(3'600'000'001), "req-1");
    EXPECT_THAT(store->Save(one, two), IsOk());
    auto three =
        WithRevocation(two, RevocationKind::kSubject, "default", "0123abcd",
                       {"rev-1", "it's \"stolen\"; DROP TABLE keys"}, kStart);
    EXPECT_THAT(three, IsOk());
    EXPECT_THAT(store->Save(two, *three), IsOk());
    return *std::move(three);
  }();
  const auto store = Open();
  const auto got = store->Load(policy_);
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got->version, 3);
  EXPECT_EQ(got->version_time, three.version_time);
  EXPECT_EQ(got->ring.next_id(), 3u);
  ASSERT_EQ(got->ring.keys().size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    const RingKey& a = three.ring.keys()[i];
    const RingKey& b = got->ring.keys()[i];
    EXPECT_EQ(a.id, b.id);
    EXPECT_TRUE(*a.secret == *b.secret);
    EXPECT_EQ(a.create_time, b.create_time);
    EXPECT_EQ(a.not_before, b.not_before);
    EXPECT_EQ(a.not_after, b.not_after);
    EXPECT_EQ(a.version, b.version);
    EXPECT_EQ(a.request_id, b.request_id);
    EXPECT_FALSE(b.revoked);
  }
  ASSERT_EQ(got->revocations.all().size(), 1u);
  const Revocation& r = got->revocations.all()[0];
  EXPECT_EQ(r.id, "rev-1");
  EXPECT_EQ(r.tenant, "default");
  EXPECT_EQ(r.kind, RevocationKind::kSubject);
  EXPECT_EQ(r.target, "0123abcd");
  EXPECT_EQ(r.reason, "it's \"stolen\"; DROP TABLE keys");
  EXPECT_EQ(r.expire_time, three.revocations.all()[0].expire_time);
  EXPECT_EQ(r.version, 3);
}

TEST_F(SqliteIssuerStoreTest, ExpiredRevocationsLeaveTheFile) {
  const auto store = Open();
  const auto empty = store->Load(policy_);
  ASSERT_THAT(empty, IsOk());
  const auto one = WithRevocation(*empty, RevocationKind::kCredential, "a", "c",
                                  {"r", ""}, kStart);
  ASSERT_THAT(one, IsOk());
  ASSERT_THAT(store->Save(*empty, *one), IsOk());
  const IssuerState two = WithoutExpired(*one, kStart + absl::Hours(9));
  ASSERT_THAT(store->Save(*one, two), IsOk());
  EXPECT_TRUE(store->Load(policy_)->revocations.all().empty());
}

TEST_F(SqliteIssuerStoreTest, NoSecretIsInTheFileInClear) {
  {
    const auto store = Open();
    const auto empty = store->Load(policy_);
    ASSERT_THAT(empty, IsOk());
    ASSERT_THAT(store->Save(*empty, NewKey(*empty, 'K', kStart)), IsOk());
  }
  for (const auto& entry :
       std::filesystem::directory_iterator(folder_ + "/deep")) {
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    EXPECT_THAT(bytes, Not(HasSubstr(std::string(8, 'K'))));
    EXPECT_THAT(bytes, Not(HasSubstr("4b4b4b4b4b4b4b4b")));
  }
}

TEST_F(SqliteIssuerStoreTest, AnotherMasterKeyDoesNotOpenIt) {
  {
    const auto store = Open();
    const auto empty = store->Load(policy_);
    ASSERT_THAT(empty, IsOk());
    ASSERT_THAT(store->Save(*empty, NewKey(*empty, 'a', kStart)), IsOk());
  }
  const KeySealer other(Secret::CopyOf(std::string(kMasterKeyBytes, 'x')));
  auto store = SqliteIssuerStore::Open(file_, other, random_);
  ASSERT_THAT(store, IsOk());
  EXPECT_THAT((*store)->Load(policy_), HasReason("SEALED_KEY_UNUSABLE"));
}

TEST_F(SqliteIssuerStoreTest, OneWriterAtATime) {
  const auto store = Open();
  ASSERT_THAT(store->Load(policy_), IsOk());
  const pid_t child = fork();
  if (child == 0) {
    SystemRandom random;
    const auto second = SqliteIssuerStore::Open(file_, sealer_, random);
    _exit(second.ok() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// What Save acknowledged is there after SIGKILL, whatever was under way.
TEST_F(SqliteIssuerStoreTest, SurvivesKill) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    SystemRandom random;
    auto store = SqliteIssuerStore::Open(file_, sealer_, random);
    if (!store.ok()) _exit(1);
    auto state = (*store)->Load(policy_);
    for (int i = 0;; ++i) {
      auto next =
          WithRevocation(*state, RevocationKind::kCredential, "a",
                         std::to_string(i), {std::to_string(i), ""}, kStart);
      if (!next.ok() || !(*store)->Save(*state, *next).ok()) _exit(2);
      *state = *std::move(next);
      const int64_t version = state->version;
      if (write(pipe_ends[1], &version, sizeof(version)) < 0) _exit(3);
    }
  }
  close(pipe_ends[1]);
  int64_t acknowledged = 0;
  int64_t version = 0;
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(read(pipe_ends[0], &version, sizeof(version)),
              static_cast<ssize_t>(sizeof(version)));
    acknowledged = version;
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  while (read(pipe_ends[0], &version, sizeof(version)) ==
         static_cast<ssize_t>(sizeof(version))) {
    acknowledged = version;
  }
  close(pipe_ends[0]);
  const auto store = Open();
  const auto got = store->Load(policy_);
  ASSERT_THAT(got, IsOk());
  EXPECT_GE(got->version, acknowledged);
  EXPECT_LE(got->version, acknowledged + 1);
  EXPECT_EQ(got->revocations.all().size(), static_cast<size_t>(got->version));
}

TEST_F(SqliteIssuerStoreTest, WhatCannotBeOpenedIsSaid) {
  EXPECT_THAT(
      SqliteIssuerStore::Open("/proc/nonexistent/x.db", sealer_, random_),
      HasReason("STORE_UNAVAILABLE"));
  std::filesystem::create_directories(folder_ + "/deep");
  std::ofstream(file_) << std::string(5000, 'x');
  EXPECT_FALSE(SqliteIssuerStore::Open(file_, sealer_, random_).ok());
}

TEST_F(SqliteIssuerStoreTest, AuditIsAppended) {
  const std::string file = folder_ + "/audit.db";
  for (int i = 0; i < 2; ++i) {
    auto log = SqliteAuditLog::Open(file);
    ASSERT_THAT(log, IsOk());
    EXPECT_THAT((*log)->Write("{\"event\":\"issue\"}"), IsOk());
  }
  std::ifstream in(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  EXPECT_THAT(bytes, HasSubstr("{\"event\":\"issue\"}"));
}

}  // namespace
}  // namespace sallyport::credential_issuer
