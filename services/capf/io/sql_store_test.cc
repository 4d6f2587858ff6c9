#include "services/capf/io/sql_store.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/io/store_schema.h"
#include "services/capf/io/test_capf.h"
#include "services/common/sql/sql_database.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/postgres_server.h"

namespace sallyport::capf {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const absl::Time kNow = absl::FromUnixSeconds(1795255200);

Enrollment Sample(const std::string& id) {
  Enrollment e;
  e.name = "tenants/a/enrollments/" + id;
  e.device_name = "SEP" + id;
  e.operation = Operation::kInstallUpgrade;
  e.verifier = {
      .iterations = 7, .salt = std::string("s\0lt", 4), .hash = "\xff\x00hash"};
  e.key_order = KeyOrder::kRsaOnly;
  e.rsa_bits = 3072;
  e.curve = KeyKind::kEcP521;
  e.validity = absl::Hours(48);
  e.completes_by = kNow + absl::Hours(3);
  e.status = {OperationStatus::Outcome::kFailed, Operation::kDelete,
              FailureReason::kInvalidLsc};
  e.failed_attempts = 3;
  e.locked = true;
  e.lsc_serial = "1a";
  e.unconfirmed_serial = "1b";
  e.protocol_version = 2;
  e.create_time = kNow;
  e.update_time = kNow;
  e.version = 1;
  return e;
}

CertificateRecord Certificate(const std::string& serial) {
  CertificateRecord c;
  c.serial = serial;
  c.tenant = "a";
  c.profile = ProfileId::kSipServer;
  c.common_name = "edge";
  c.requester = "operator ann";
  c.key_sha256 = "aa";
  c.tbs = std::string("\x30\x00\xff", 3);
  c.not_before = kNow;
  c.not_after = kNow + absl::Hours(1);
  c.create_time = kNow;
  return c;
}

StoreChange Change(const char* event) {
  StoreChange change;
  change.audit.push_back({event, "test", "subject", "details"});
  return change;
}

// Of SQLite, and of PostgreSQL.
class SqlStoreTest : public testing::TestWithParam<bool> {
 protected:
  void Open() { ASSERT_THAT(TryOpen(), IsOk()); }
  absl::Status TryOpen() {
    store.reset();
    database.reset();
    auto connected = SqlDatabase::Open(options());
    if (!connected.ok()) return connected.status();
    database = *std::move(connected);
    auto opened = SqlStore::Open(*database);
    if (!opened.ok()) return opened.status();
    store = *std::move(opened);
    return absl::OkStatus();
  }
  void SetUp() override {
    if (GetParam()) server = std::make_unique<PostgresServer>();
    Open();
  }
  SqlOptions options() const {
    if (server != nullptr) return server->options();
    return SqliteOptions{.file = file};
  }
  // Behind the store's back.
  void Sql(const std::string& text) {
    store.reset();
    database.reset();
    if (server != nullptr) {
      server->Sql(text);
    } else {
      ASSERT_EQ(std::system(("sqlite3 " + file + " \"" + text + "\"").c_str()),
                0);
    }
  }

  const std::string file = NewTestFolder() + "/state/capf.db";
  std::unique_ptr<PostgresServer> server;
  std::unique_ptr<SqlDatabase> database;
  std::unique_ptr<SqlStore> store;
};

INSTANTIATE_TEST_SUITE_P(Stores, SqlStoreTest, testing::Bool(),
                         [](const testing::TestParamInfo<bool>& info) {
                           return info.param ? "Postgres" : "Sqlite";
                         });

TEST_P(SqlStoreTest, EnrollmentsSurviveARestartToTheField) {
  StoreChange change = Change("A");
  change.insert_enrollments = {Sample("1"), Sample("2")};
  change.insert_enrollments[1].completes_by = absl::InfiniteFuture();
  change.insert_enrollments[1].lsc_expire_time = absl::InfinitePast();
  ASSERT_THAT(store->Apply(change, kNow), IsOk());
  Open();
  EXPECT_EQ(*store->GetEnrollment("tenants/a/enrollments/1"), Sample("1"));
  EXPECT_EQ((*store->FindDevice("SEP2"))->completes_by, absl::InfiniteFuture());
  EXPECT_FALSE(store->FindDevice("SEP3")->has_value());
  EXPECT_EQ(store->CountPendingEnrollments().value(), 2);
  EXPECT_THAT(*store->ListEnrollments({.tenant = "a", .limit = 1}), SizeIs(1));
  EXPECT_THAT(*store->ListEnrollments(
                  {.tenant = "a", .after = "tenants/a/enrollments/1"}),
              ElementsAre(change.insert_enrollments[1]));
  EXPECT_THAT(*store->ListEnrollments({.tenant = "b"}), IsEmpty());
}

TEST_P(SqlStoreTest, AWriteOfAnOldVersionIsRefusedWhole) {
  StoreChange insert = Change("A");
  insert.insert_enrollments = {Sample("1")};
  ASSERT_THAT(store->Apply(insert, kNow), IsOk());
  StoreChange update = Change("B");
  update.update_enrollments = {Sample("1")};
  ASSERT_THAT(store->Apply(update, kNow), IsOk());
  EXPECT_EQ((*store->FindDevice("SEP1"))->version, 2);

  StoreChange stale = Change("C");
  stale.insert_enrollments = {Sample("2")};
  stale.update_enrollments = {Sample("1")};
  EXPECT_THAT(store->Apply(stale, kNow), HasReason("ETAG_MISMATCH"));
  EXPECT_FALSE(store->FindDevice("SEP2")->has_value());
  EXPECT_THAT(*store->ReadAudit(0, 10), SizeIs(2));
}

TEST_P(SqlStoreTest, WhatMustBeUniqueIs) {
  StoreChange first = Change("A");
  first.insert_enrollments = {Sample("1")};
  first.insert_certificates = {Certificate("1f")};
  first.insert_certificates[0].request_key = "a/r1";
  ASSERT_THAT(store->Apply(first, kNow), IsOk());

  StoreChange same_name = Change("B");
  same_name.insert_enrollments = {Sample("1")};
  same_name.insert_enrollments[0].device_name = "SEP9";
  EXPECT_THAT(store->Apply(same_name, kNow), HasReason("ENROLLMENT_EXISTS"));
  StoreChange same_device = Change("B");
  same_device.insert_enrollments = {Sample("2")};
  same_device.insert_enrollments[0].device_name = "SEP1";
  EXPECT_THAT(store->Apply(same_device, kNow), HasReason("DEVICE_EXISTS"));
  StoreChange same_serial = Change("B");
  same_serial.insert_certificates = {Certificate("1f")};
  EXPECT_THAT(store->Apply(same_serial, kNow), HasReason("SERIAL_EXISTS"));
  StoreChange same_request = Change("B");
  same_request.insert_certificates = {Certificate("2f")};
  same_request.insert_certificates[0].request_key = "a/r1";
  EXPECT_THAT(store->Apply(same_request, kNow), HasReason("REQUEST_EXISTS"));
}

TEST_P(SqlStoreTest, CertificatesGoThroughTheirStates) {
  StoreChange insert = Change("A");
  insert.insert_certificates = {Certificate("1f"), Certificate("2f")};
  ASSERT_THAT(store->Apply(insert, kNow), IsOk());
  EXPECT_THAT(*store->ListIntents(), SizeIs(2));
  EXPECT_THAT(*store->ListCertificates({}), IsEmpty());

  CertificateRecord issued = Certificate("1f");
  issued.state = CertificateState::kActive;
  issued.der = "DER";
  StoreChange complete = Change("B");
  complete.update_certificates = {{issued, CertificateState::kIntent}};
  ASSERT_THAT(store->Apply(complete, kNow), IsOk());
  // Twice is a conflict: nothing is issued two times.
  EXPECT_THAT(store->Apply(complete, kNow), HasReason("ETAG_MISMATCH"));
  EXPECT_EQ(store->TrustVersion().value(), 0);
  // What was to be signed is within what was signed, and kept once; of an
  // intent that was given up it stays.
  issued.tbs.clear();
  CertificateRecord abandoned = Certificate("2f");
  abandoned.state = CertificateState::kAbandoned;
  StoreChange abandon = Change("B");
  abandon.update_certificates = {{abandoned, CertificateState::kIntent}};
  ASSERT_THAT(store->Apply(abandon, kNow), IsOk());
  EXPECT_EQ(*store->GetCertificate("2f"), abandoned);

  issued.state = CertificateState::kRevoked;
  issued.revoke_time = kNow;
  issued.revocation_reason = RevocationReason::kKeyCompromise;
  StoreChange revoke = Change("C");
  revoke.update_certificates = {{issued, CertificateState::kActive}};
  ASSERT_THAT(store->Apply(revoke, kNow), IsOk());
  EXPECT_EQ(store->TrustVersion().value(), 1);
  EXPECT_THAT(*store->ListRevoked(kNow), ElementsAre(issued));
  EXPECT_THAT(*store->ListRevoked(kNow + absl::Hours(2)), IsEmpty());
  EXPECT_THAT(*store->FindKey("aa"), SizeIs(2));
  EXPECT_EQ(*store->GetCertificate("1f"), issued);
}

TEST_P(SqlStoreTest, ATenantsCertificatesArePagedInOrderOfCreation) {
  StoreChange insert = Change("A");
  // Two of one moment, one older, one of another tenant, and an intent.
  for (const auto& [serial, tenant, seconds] :
       {std::tuple("5f", "a", 20), std::tuple("4f", "a", 20),
        std::tuple("9f", "a", 10), std::tuple("1f", "b", 15),
        std::tuple("2f", "a", 5)}) {
    CertificateRecord c = Certificate(serial);
    c.tenant = tenant;
    c.create_time = kNow + absl::Seconds(seconds);
    c.key_sha256 = c.serial;
    if (c.serial != "2f") c.state = CertificateState::kActive;
    insert.insert_certificates.push_back(c);
  }
  ASSERT_THAT(store->Apply(insert, kNow), IsOk());
  const auto serials = [&](const Page& page) {
    std::vector<std::string> out;
    const auto listed = store->ListCertificates(page);
    EXPECT_THAT(listed.status(), IsOk());
    for (const CertificateRecord& c : *listed) {
      out.push_back(c.serial);
    }
    return out;
  };
  EXPECT_THAT(serials({.tenant = "a", .after = {}, .limit = 2}),
              ElementsAre("9f", "4f"));
  EXPECT_THAT(serials({.tenant = "a", .after = "4f", .limit = 2}),
              ElementsAre("5f"));
  EXPECT_THAT(serials({.tenant = "a", .after = "5f", .limit = 2}), IsEmpty());
  EXPECT_THAT(serials({.tenant = "a", .after = "00", .limit = 2}), IsEmpty());
  EXPECT_THAT(serials({.tenant = {}, .after = "1f", .limit = 2}),
              ElementsAre("4f", "5f"));
}

TEST_P(SqlStoreTest, TrustedCertificates) {
  TrustedCertificate trusted{.store = "tenants/a/trustStores/CAPF-trust",
                             .sha256 = "ab",
                             .der = "DER",
                             .origin = "own",
                             .tls_contexts = {"one", "two"},
                             .create_time = kNow};
  StoreChange add = Change("A");
  add.insert_trusted = {trusted};
  ASSERT_THAT(store->Apply(add, kNow), IsOk());
  EXPECT_THAT(*store->ListTrusted(), ElementsAre(trusted));
  EXPECT_THAT(store->Apply(add, kNow), HasReason("TRUSTED_EXISTS"));
  StoreChange remove = Change("B");
  remove.delete_trusted = {trusted};
  ASSERT_THAT(store->Apply(remove, kNow), IsOk());
  EXPECT_THAT(*store->ListTrusted(), IsEmpty());
  EXPECT_EQ(store->TrustVersion().value(), 2);
}

TEST_P(SqlStoreTest, AuditIsAChainThatIsCheckedAtOpen) {
  for (const char* event : {"A", "B", "C"}) {
    ASSERT_THAT(store->Apply(Change(event), kNow), IsOk());
  }
  SP_ASSERT_OK_AND_ASSIGN(const auto records, store->ReadAudit(0, 10));
  ASSERT_THAT(records, SizeIs(3));
  EXPECT_TRUE(AuditFollows(records[2], 2, records[1].hash));
  EXPECT_THAT(*store->ReadAudit(2, 10),
              ElementsAre(testing::Field(&AuditRecord::sequence, 3)));
  Sql("UPDATE audit SET actor = 'eve' WHERE sequence = 2");
  EXPECT_THAT(TryOpen(), HasReason("AUDIT_BROKEN"));
  Sql("DELETE FROM audit WHERE sequence = 2");
  EXPECT_THAT(TryOpen(), HasReason("AUDIT_BROKEN"));
}

TEST_P(SqlStoreTest, OneProcessHasAFileManyADatabase) {
  const auto second = SqlDatabase::Open(options());
  if (server == nullptr) {
    EXPECT_THAT(second, HasReason("STORE_LOCKED"));
    return;
  }
  ASSERT_THAT(second, IsOk());
  SP_ASSERT_OK_AND_ASSIGN(const auto other, SqlStore::Open(**second));
  ASSERT_THAT(store->Apply(Change("A"), kNow), IsOk());
  ASSERT_THAT(other->Apply(Change("B"), kNow), IsOk());
  SP_ASSERT_OK_AND_ASSIGN(const auto records, store->ReadAudit(0, 10));
  ASSERT_THAT(records, SizeIs(2));
  EXPECT_TRUE(AuditFollows(records[1], 1, records[0].hash));
}

TEST_P(SqlStoreTest, ANewerSchemaIsLeftAlone) {
  Sql("INSERT INTO schema_version VALUES (99)");
  EXPECT_THAT(TryOpen(), HasReason("STORE_SCHEMA_TOO_NEW"));
}

// One of a batch that is refused leaves the others, and the chain, whole.
TEST_P(SqlStoreTest, ARefusedChangeLeavesItsBatchAlone) {
  StoreChange first = Change("A");
  first.insert_certificates = {Certificate("1f")};
  StoreChange same = Change("B");
  same.insert_enrollments = {Sample("1")};
  same.insert_certificates = {Certificate("1f")};
  StoreChange other_name = Change("C");
  other_name.insert_certificates = {Certificate("2f")};
  other_name.insert_certificates[0].common_name = "another";
  StoreChange stale = Change("D");
  stale.update_enrollments = {Sample("7")};
  StoreChange last = Change("E");
  last.insert_certificates = {Certificate("3f")};
  const StoreChange* const all[] = {&first, &same, &other_name, &stale, &last};
  SP_ASSERT_OK_AND_ASSIGN(const StoreApplied applied,
                          store->ApplyAll(all, kNow));
  ASSERT_THAT(applied.results, SizeIs(5));
  EXPECT_THAT(applied.results[0], IsOk());
  EXPECT_THAT(applied.results[1], HasReason("SERIAL_EXISTS"));
  EXPECT_THAT(applied.results[2], HasReason("KEY_REUSED"));
  EXPECT_THAT(applied.results[3], HasReason("ETAG_MISMATCH"));
  EXPECT_THAT(applied.results[4], IsOk());
  EXPECT_THAT(applied.audit, SizeIs(2));
  EXPECT_THAT(*store->ReadAudit(0, 10), SizeIs(2));
  EXPECT_FALSE(store->FindDevice("SEP1")->has_value());
  EXPECT_THAT(*store->ListIntents(), SizeIs(2));
  Open();  // checks the chain
}

// What is not text is a fault of that change, not of the store.
TEST_P(SqlStoreTest, AValueThatTheStoreCannotTakeIsItsOwnChangesFault) {
  StoreChange broken = Change("A");
  broken.audit[0].details = "\xff\xfe";
  StoreChange good = Change("B");
  broken.insert_enrollments = {Sample("1")};
  broken.insert_enrollments[0].lsc_serial = "\xff\xfe";
  const StoreChange* const all[] = {&broken, &good};
  SP_ASSERT_OK_AND_ASSIGN(const StoreApplied applied,
                          store->ApplyAll(all, kNow));
  if (server != nullptr) {
    EXPECT_THAT(applied.results[0], HasReason("STORE_ERROR"));
  }
  EXPECT_THAT(applied.results[1], IsOk());
}

TEST_P(SqlStoreTest, AStoreThatIsGoneIsToldAndComesBack) {
  if (server == nullptr) {
    ASSERT_EQ(std::rename(file.c_str(), (file + ".away").c_str()), 0);
    EXPECT_THAT(store->Apply(Change("A"), kNow),
                HasReason("STORE_UNAVAILABLE"));
    ASSERT_EQ(std::rename((file + ".away").c_str(), file.c_str()), 0);
  } else {
    server->Kill();
    EXPECT_THAT(store->Apply(Change("A"), kNow),
                HasReason("STORE_UNAVAILABLE"));
    EXPECT_THAT(store->GetEnrollment("x"), HasReason("STORE_UNAVAILABLE"));
    server->Start();
  }
  absl::Status status;
  for (int i = 0; i < 100; ++i) {
    status = store->Apply(Change("B"), kNow);
    if (status.ok()) break;
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_THAT(status, IsOk());
  EXPECT_THAT(*store->ReadAudit(0, 10), SizeIs(1));
}

// The databases that releases have written, with what was in them.
TEST(SqlStoreMigrationTest, EveryReleasedSchemaComesForwardWithItsData) {
  const std::string file = NewTestFolder() + "/capf.db";
  // As this service wrote it before schema 2, and before schemas had owners.
  std::string script = "CREATE TABLE schema_version (version INTEGER NOT NULL)";
  for (const std::string_view statement : StoreMigrations()[0].statements) {
    script += ";" + std::string(statement);
  }
  const AuditRecord record =
      ChainAudit(1, "", kNow, {"OLD", "ann", "subject", "x=1"});
  script +=
      ";INSERT INTO schema_version VALUES (1);"
      "INSERT INTO audit VALUES (1, " +
      std::to_string(absl::ToUnixMicros(kNow)) +
      ", 'OLD', 'ann', 'subject', 'x=1', '', '" + record.hash +
      "');"
      "INSERT INTO certificates VALUES ('1f', 'a', 'server', 2, 'edge', '',"
      " 'ann', 'a/r1', '12', 'aa', '3000', '3001', 1, 2, 3, 0, 0);"
      "UPDATE counters SET value = 7";
  std::ofstream(file + ".sql") << script << ";";
  ASSERT_EQ(std::system(("sqlite3 " + file + " < " + file + ".sql").c_str()),
            0);
  SP_ASSERT_OK_AND_ASSIGN(const auto database,
                          SqlDatabase::Open(SqliteOptions{.file = file}));
  SP_ASSERT_OK_AND_ASSIGN(const auto store, SqlStore::Open(*database));
  EXPECT_EQ(store->TrustVersion().value(), 7);
  EXPECT_THAT(*store->ReadAudit(0, 10), SizeIs(1));
  EXPECT_EQ((*store->FindRequest("a/r1"))->der, "0\x01");
  ASSERT_THAT(store->Apply(Change("NEW"), kNow), IsOk());
  EXPECT_THAT(*store->ListPublished("a", TrustListKind::kCtl, 1), IsEmpty());
}

}  // namespace
}  // namespace sallyport::capf
