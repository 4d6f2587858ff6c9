#include "services/credential_issuer/io/sql_issuer_store.h"

#include <signal.h>
#include <soci/soci.h>
#include <sys/resource.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/system_random.h"
#include "services/common/sql/sql_database.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/postgres_server.h"
#include "services/credential_issuer/core/issuer_state.h"
#include "services/credential_issuer/core/key_ring.h"
#include "services/credential_issuer/core/key_sealer.h"
#include "services/credential_issuer/core/revocation_list.h"

namespace sallyport::credential_issuer {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

enum class Kind { kSqlite, kPostgres };

// One server for all tests of this binary, a new schema for each.
PostgresServer& Server() {
  static PostgresServer* const server = new PostgresServer();
  return *server;
}

class SqlIssuerStoreTest : public testing::TestWithParam<Kind> {
 protected:
  SqlIssuerStoreTest()
      : folder_(testing::TempDir() + "/issuer_store"),
        sealer_(Secret::CopyOf(std::string(kMasterKeyBytes, 'm'))) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    if (GetParam() == Kind::kPostgres) {
      Server().Sql(
          "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION"
          " sallyport");
    }
  }
  ~SqlIssuerStoreTest() override {
    if (!postgres()) return;
    database_.reset();
  }

  bool postgres() const { return GetParam() == Kind::kPostgres; }
  std::string file() const { return folder_ + "/issuer.db"; }

  std::unique_ptr<SqlDatabase> OpenDatabase() {
    auto database =
        SqlDatabase::Open(postgres() ? SqlOptions(Server().options())
                                     : SqlOptions(SqliteOptions{file()}));
    EXPECT_THAT(database, IsOk());
    return *std::move(database);
  }

  // As a process that starts: what was open before is closed.
  std::unique_ptr<SqlIssuerStore> Open() {
    database_.reset();
    database_ = OpenDatabase();
    auto store = SqlIssuerStore::Open(*database_, sealer_, random_);
    EXPECT_THAT(store, IsOk());
    return store.ok() ? *std::move(store) : nullptr;
  }

  static IssuerState NewKey(const IssuerState& state, char c, absl::Time now,
                            const std::string& request_id = "") {
    auto next = WithNewKey(state, Secret::CopyOf(std::string(kKeyBytes, c)),
                           request_id, now);
    EXPECT_THAT(next, IsOk());
    return *std::move(next);
  }

  IssuerState LoadFrom(IssuerStore& store) {
    auto state = store.Load(policy_);
    EXPECT_THAT(state, IsOk());
    return *std::move(state);
  }

  const std::string folder_;
  const KeySealer sealer_;
  const KeyRingPolicy policy_;
  SystemRandom random_;
  std::unique_ptr<SqlDatabase> database_;
};

TEST_P(SqlIssuerStoreTest, AFreshStoreIsEmpty) {
  const auto store = Open();
  const IssuerState state = LoadFrom(*store);
  EXPECT_EQ(state.version, 0);
  EXPECT_EQ(state.ring.next_id(), 1u);
  EXPECT_TRUE(state.ring.keys().empty());
  EXPECT_EQ(*store->Version(), 0);
}

TEST_P(SqlIssuerStoreTest, WhatWasSavedComesBackWhole) {
  const IssuerState saved = [&] {
    const auto store = Open();
    const IssuerState empty = LoadFrom(*store);
    const IssuerState one = NewKey(empty, 'a', kStart);
    EXPECT_THAT(store->Save(empty, one), IsOk());
    const IssuerState two =
        NewKey(one, 'b', kStart + absl::Microseconds(3'600'000'001), "req-1");
    EXPECT_THAT(store->Save(one, two), IsOk());
    const auto three =
        WithRevocation(two, RevocationKind::kSubject, "default", "0123abcd",
                       {"rev-1", "it's \"stolen\"; DROP TABLE keys"}, kStart);
    EXPECT_THAT(three, IsOk());
    EXPECT_THAT(store->Save(two, *three), IsOk());
    return *three;
  }();
  const auto store = Open();
  const IssuerState got = LoadFrom(*store);
  EXPECT_EQ(*store->Version(), 3);
  EXPECT_EQ(got.version, 3);
  EXPECT_EQ(got.version_time, saved.version_time);
  EXPECT_EQ(got.ring.next_id(), 3u);
  ASSERT_EQ(got.ring.keys().size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    const RingKey& a = saved.ring.keys()[i];
    const RingKey& b = got.ring.keys()[i];
    EXPECT_EQ(a.id, b.id);
    EXPECT_TRUE(*a.secret == *b.secret);
    EXPECT_EQ(a.create_time, b.create_time);
    EXPECT_EQ(a.not_before, b.not_before);
    EXPECT_EQ(a.not_after, b.not_after);
    EXPECT_EQ(a.activate_time, b.activate_time);
    EXPECT_EQ(a.made_version, b.made_version);
    EXPECT_EQ(a.version, b.version);
    EXPECT_EQ(a.request_id, b.request_id);
    EXPECT_FALSE(b.revoked);
  }
  EXPECT_EQ(got.ring.keys()[1].activate_time, absl::InfiniteFuture());
  ASSERT_EQ(got.revocations.all().size(), 1u);
  const Revocation& r = got.revocations.all()[0];
  EXPECT_EQ(r.id, "rev-1");
  EXPECT_EQ(r.tenant, "default");
  EXPECT_EQ(r.kind, RevocationKind::kSubject);
  EXPECT_EQ(r.target, "0123abcd");
  EXPECT_EQ(r.reason, "it's \"stolen\"; DROP TABLE keys");
  EXPECT_EQ(r.expire_time, saved.revocations.all()[0].expire_time);
  EXPECT_EQ(r.version, 3);
}

TEST_P(SqlIssuerStoreTest, ExpiredRevocationsLeaveTheStore) {
  const auto store = Open();
  const IssuerState empty = LoadFrom(*store);
  const auto one = WithRevocation(empty, RevocationKind::kCredential, "a", "c",
                                  {"r", ""}, kStart);
  ASSERT_THAT(one, IsOk());
  ASSERT_THAT(store->Save(empty, *one), IsOk());
  const IssuerState two = WithoutExpired(*one, kStart + absl::Hours(33));
  ASSERT_EQ(two.version, 2);
  ASSERT_THAT(store->Save(*one, two), IsOk());
  EXPECT_TRUE(LoadFrom(*store).revocations.all().empty());
}

// Two replicas from the same version: one of them is told to look again.
TEST_P(SqlIssuerStoreTest, OfTwoWritersOneIsFirst) {
  const auto store = Open();
  const IssuerState empty = LoadFrom(*store);
  const IssuerState one = NewKey(empty, 'a', kStart);
  ASSERT_THAT(store->Save(empty, one), IsOk());
  EXPECT_THAT(store->Save(empty, NewKey(empty, 'b', kStart)),
              HasReason("STATE_CHANGED"));
  ASSERT_THAT(store->Save(one, NewKey(one, 'b', kStart)), IsOk());
  EXPECT_THAT(store->Save(one, NewKey(one, 'c', kStart)),
              testing::AllOf(StatusIs(absl::StatusCode::kAborted),
                             HasReason("STATE_CHANGED")));
  const IssuerState got = LoadFrom(*store);
  EXPECT_EQ(got.version, 2);
  ASSERT_EQ(got.ring.keys().size(), 2u);
  EXPECT_EQ(got.ring.keys()[1].secret->DangerousText(),
            std::string(kKeyBytes, 'b'));
}

TEST_P(SqlIssuerStoreTest, ManyWritersMakeOneChain) {
  const auto first = Open();
  std::atomic<int> saved = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      // SQLite has one process, and so one connection.
      std::unique_ptr<SqlDatabase> own;
      std::unique_ptr<SqlIssuerStore> opened;
      SqlIssuerStore* store = first.get();
      if (postgres()) {
        own = OpenDatabase();
        opened = *SqlIssuerStore::Open(*own, sealer_, random_);
        store = opened.get();
      }
      for (int i = 0; i < 5;) {
        const IssuerState current = LoadFrom(*store);
        const auto next = WithRevocation(
            current, RevocationKind::kCredential, "a",
            std::to_string(t) + "-" + std::to_string(i),
            {std::to_string(t) + "." + std::to_string(i), ""}, kStart);
        ASSERT_THAT(next, IsOk());
        const absl::Status status = store->Save(current, *next);
        if (status.ok()) {
          ++saved;
          ++i;
        } else {
          ASSERT_THAT(status, HasReason("STATE_CHANGED"));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(saved, 20);
  const IssuerState got = LoadFrom(*first);
  EXPECT_EQ(got.version, 20);
  EXPECT_EQ(got.revocations.all().size(), 20u);
}

TEST_P(SqlIssuerStoreTest, KeysAreSealedInTheStore) {
  const auto store = Open();
  const IssuerState empty = LoadFrom(*store);
  ASSERT_THAT(store->Save(empty, NewKey(empty, 'Q', kStart)), IsOk());
  std::string sealed;
  ASSERT_THAT(database_->Read("read",
                              [&](soci::session& sql) {
                                sql << "SELECT sealed FROM keys",
                                    soci::into(sealed);
                                return absl::OkStatus();
                              }),
              IsOk());
  EXPECT_GT(sealed.size(), 2 * kKeyBytes);
  EXPECT_THAT(sealed, Not(HasSubstr("51515151")));
  // Another master key opens nothing.
  const KeySealer other(Secret::CopyOf(std::string(kMasterKeyBytes, 'x')));
  EXPECT_THAT(SqlIssuerStore::Open(*database_, other, random_),
              HasReason("SEALED_KEY_UNUSABLE"));
}

// Under the new key alone everything opens afterwards, and subjects are hashed
// as before: their revocations go on.
TEST_P(SqlIssuerStoreTest, ANewMasterKeyTakesOverWhatTheOldOneSealed) {
  const auto store = Open();
  const IssuerState empty = LoadFrom(*store);
  const IssuerState one = NewKey(empty, 'a', kStart);
  ASSERT_THAT(store->Save(empty, one), IsOk());
  ASSERT_THAT(store->Save(one, NewKey(one, 'b', kStart + absl::Hours(1))),
              IsOk());
  const Secret subject_key = store->subject_key().Clone();

  std::vector<Secret> accepted;
  accepted.push_back(Secret::CopyOf(std::string(kMasterKeyBytes, 'm')));
  const Secret master = Secret::CopyOf(std::string(kMasterKeyBytes, 'n'));
  const KeySealer both(master, accepted);
  ASSERT_THAT(SqlIssuerStore::Open(*database_, both, random_), IsOk());
  const KeySealer alone(master);
  auto after = SqlIssuerStore::Open(*database_, alone, random_);
  ASSERT_THAT(after, IsOk());
  const IssuerState state = LoadFrom(**after);
  EXPECT_EQ(state.version, 2);
  ASSERT_EQ(state.ring.keys().size(), 2u);
  EXPECT_EQ(state.ring.keys()[0].secret->DangerousText(),
            std::string(kKeyBytes, 'a'));
  EXPECT_EQ(state.ring.keys()[1].secret->DangerousText(),
            std::string(kKeyBytes, 'b'));
  EXPECT_TRUE((*after)->subject_key() == subject_key);
  // The old one opens nothing any more.
  EXPECT_THAT(SqlIssuerStore::Open(*database_, sealer_, random_),
              HasReason("SEALED_KEY_UNUSABLE"));
}

TEST_P(SqlIssuerStoreTest, ReplicasThatStartAtOnceShareOneSubjectKey) {
  Open();
  constexpr int kReplicas = 6;
  std::vector<std::unique_ptr<SqlDatabase>> databases(kReplicas);
  std::vector<std::unique_ptr<SqlIssuerStore>> stores(kReplicas);
  ASSERT_THAT(database_->Write("write",
                               [&](soci::session& sql) {
                                 sql << "DELETE FROM subject_key";
                                 return absl::OkStatus();
                               }),
              IsOk());
  // A file belongs to one process, and in it to one database object.
  const int databases_open = postgres() ? kReplicas : 0;
  for (int i = 0; i < databases_open; ++i) databases[i] = OpenDatabase();
  std::vector<std::thread> threads;
  for (int i = 0; i < kReplicas; ++i) {
    threads.emplace_back([&, i] {
      SqlDatabase& database = postgres() ? *databases[i] : *database_;
      auto store = SqlIssuerStore::Open(database, sealer_, random_);
      ASSERT_THAT(store, IsOk());
      stores[i] = *std::move(store);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& store : stores) {
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->subject_key().size(), 32u);
    EXPECT_TRUE(store->subject_key() == stores[0]->subject_key());
  }
}

TEST_P(SqlIssuerStoreTest, TheNewestReportOfARelayIsKept) {
  const auto store = Open();
  const std::string body("edge\n\0\xff", 7);
  ASSERT_THAT(
      store->SaveReports(
          {{"a", body, kStart}, {"b", "x", kStart + absl::Seconds(1)}}, kStart),
      IsOk());
  ASSERT_THAT(store->SaveReports({{"b", "older", kStart}}, kStart), IsOk());
  auto reports = store->LoadReports(kStart - absl::Seconds(1));
  ASSERT_THAT(reports, IsOk());
  ASSERT_EQ(reports->size(), 2u);
  for (const StoredReport& report : *reports) {
    EXPECT_EQ(report.body, report.relay == "a" ? body : "x");
  }
  reports = store->LoadReports(kStart);
  ASSERT_THAT(reports, IsOk());
  ASSERT_EQ(reports->size(), 1u);
  EXPECT_EQ((*reports)[0].time, kStart + absl::Seconds(1));
  ASSERT_THAT(store->SaveReports({}, kStart + absl::Hours(25)), IsOk());
  EXPECT_TRUE(store->LoadReports(absl::UnixEpoch())->empty());
}

INSTANTIATE_TEST_SUITE_P(, SqlIssuerStoreTest,
                         testing::Values(Kind::kSqlite, Kind::kPostgres),
                         [](const auto& info) {
                           return info.param == Kind::kSqlite ? "Sqlite"
                                                              : "Postgres";
                         });

class SqliteFileTest : public testing::Test {
 protected:
  SqliteFileTest()
      : folder_(testing::TempDir() + "/issuer_file"),
        file_(folder_ + "/deep/issuer.db"),
        sealer_(Secret::CopyOf(std::string(kMasterKeyBytes, 'm'))) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ + "/deep");
  }

  const std::string folder_;
  const std::string file_;
  const KeySealer sealer_;
  SystemRandom random_;
};

// A store of before schema versions were kept: its keys go on.
TEST_F(SqliteFileTest, AnOlderStoreIsBroughtUpToDate) {
  auto database = SqlDatabase::Open(SqliteOptions{file_});
  ASSERT_THAT(database, IsOk());
  ASSERT_THAT(
      (*database)->Write(
          "prepare",
          [&](soci::session& sql) {
            sql << "CREATE TABLE state (only_row INTEGER PRIMARY KEY CHECK"
                   " (only_row = 1), version INTEGER NOT NULL, version_us"
                   " INTEGER NOT NULL, next_key_id INTEGER NOT NULL)";
            sql << "CREATE TABLE keys (id INTEGER PRIMARY KEY, sealed TEXT NOT"
                   " NULL, create_us INTEGER NOT NULL, not_before_us INTEGER"
                   " NOT NULL, not_after_us INTEGER NOT NULL, revoked INTEGER"
                   " NOT NULL, version INTEGER NOT NULL, request_id TEXT NOT"
                   " NULL)";
            sql << "CREATE TABLE revocations (id TEXT PRIMARY KEY, tenant TEXT"
                   " NOT NULL, kind INTEGER NOT NULL, target TEXT NOT NULL,"
                   " reason TEXT NOT NULL, create_us INTEGER NOT NULL,"
                   " expire_us INTEGER NOT NULL, version INTEGER NOT NULL)";
            sql << "INSERT INTO state VALUES (1, 5, 1700000000000000, 8)";
            const std::string sealed = HexEncode(AsBytes(sealer_.Seal(
                7, Secret::CopyOf(std::string(kKeyBytes, 'k')), random_)));
            sql << "INSERT INTO keys VALUES (7, :s, 1700000000000000,"
                   " 1700000000000000, 1700200000000000, 0, 4, '')",
                soci::use(sealed);
            return absl::OkStatus();
          }),
      IsOk());
  auto store = SqlIssuerStore::Open(**database, sealer_, random_);
  ASSERT_THAT(store, IsOk());
  const auto state = (*store)->Load(KeyRingPolicy());
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(state->version, 5);
  EXPECT_EQ(state->ring.next_id(), 8u);
  ASSERT_NE(state->ring.ActiveAt(kStart), nullptr);
  EXPECT_EQ(state->ring.ActiveAt(kStart)->id, 7u);
  EXPECT_EQ(state->ring.ActiveAt(kStart)->made_version, 4);
}

// Issue 4, faults: the disk is full, and then it is not.
TEST_F(SqliteFileTest, AFullDiskIsSaidAndLosesNothing) {
  auto database = SqlDatabase::Open(SqliteOptions{file_});
  ASSERT_THAT(database, IsOk());
  auto store = SqlIssuerStore::Open(**database, sealer_, random_);
  ASSERT_THAT(store, IsOk());
  const auto empty = (*store)->Load(KeyRingPolicy());
  ASSERT_THAT(empty, IsOk());
  const auto one = WithNewKey(
      *empty, Secret::CopyOf(std::string(kKeyBytes, 'a')), "", kStart);
  ASSERT_THAT(one, IsOk());
  ASSERT_THAT((*store)->Save(*empty, *one), IsOk());

  // No file may grow any more.
  ASSERT_NE(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit none = {1, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  const auto two = WithRevocation(*one, RevocationKind::kSubject, "a", "s",
                                  {"r", ""}, kStart);
  const absl::Status full = (*store)->Save(*one, *two);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_FALSE(full.ok());
  EXPECT_THAT(std::string(ReasonOf(full)), testing::StartsWith("STORE_"));

  ASSERT_THAT((*store)->Save(*one, *two), IsOk());
  EXPECT_EQ(*(*store)->Version(), 2);
}

}  // namespace
}  // namespace sallyport::credential_issuer
