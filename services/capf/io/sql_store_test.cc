#include "services/capf/io/sql_store.h"

#include <cstdlib>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/io/test_capf.h"
#include "services/common/status/status_matchers.h"

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

class SqlStoreTest : public testing::Test {
 protected:
  void Open() {
    store.reset();
    auto opened = SqlStore::Open(file);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store = *std::move(opened);
  }
  void SetUp() override { Open(); }

  const std::string file = NewTestFolder() + "/state/capf.db";
  std::unique_ptr<SqlStore> store;
};

TEST_F(SqlStoreTest, EnrollmentsSurviveARestartToTheField) {
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

TEST_F(SqlStoreTest, AWriteOfAnOldVersionIsRefusedWhole) {
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

TEST_F(SqlStoreTest, WhatMustBeUniqueIs) {
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

TEST_F(SqlStoreTest, CertificatesGoThroughTheirStates) {
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

TEST_F(SqlStoreTest, TrustedCertificates) {
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

TEST_F(SqlStoreTest, AuditIsAChainThatIsCheckedAtOpen) {
  for (const char* event : {"A", "B", "C"}) {
    ASSERT_THAT(store->Apply(Change(event), kNow), IsOk());
  }
  SP_ASSERT_OK_AND_ASSIGN(const auto records, store->ReadAudit(0, 10));
  ASSERT_THAT(records, SizeIs(3));
  EXPECT_TRUE(AuditFollows(records[2], 2, records[1].hash));
  EXPECT_THAT(*store->ReadAudit(2, 10),
              ElementsAre(testing::Field(&AuditRecord::sequence, 3)));
  store.reset();
  ASSERT_EQ(std::system(("sqlite3 " + file +
                         " \"UPDATE audit SET actor = 'eve' WHERE "
                         "sequence = 2\"")
                            .c_str()),
            0);
  EXPECT_THAT(SqlStore::Open(file), HasReason("AUDIT_BROKEN"));
  ASSERT_EQ(std::system(("sqlite3 " + file +
                         " \"DELETE FROM audit WHERE sequence = 2\"")
                            .c_str()),
            0);
  EXPECT_THAT(SqlStore::Open(file), HasReason("AUDIT_BROKEN"));
}

TEST_F(SqlStoreTest, OneProcessAtATime) {
  EXPECT_THAT(SqlStore::Open(file), HasReason("STORE_LOCKED"));
}

TEST_F(SqlStoreTest, ANewerSchemaIsLeftAlone) {
  store.reset();
  ASSERT_EQ(std::system(("sqlite3 " + file +
                         " \"INSERT INTO schema_version VALUES (99)\"")
                            .c_str()),
            0);
  EXPECT_THAT(SqlStore::Open(file), HasReason("STORE_SCHEMA_TOO_NEW"));
}

}  // namespace
}  // namespace sallyport::capf
