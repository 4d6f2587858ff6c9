#include "services/capf/core/audit_record.h"

#include "gtest/gtest.h"

namespace sallyport::capf {
namespace {

const absl::Time kTime = absl::FromUnixMicros(1795255200123456);

AuditRecord First() {
  return ChainAudit(1, "", kTime, {"ISSUED", "capf", "tenants/a", "serial=1"});
}

TEST(AuditRecordTest, ChainHolds) {
  const AuditRecord first = First();
  EXPECT_EQ(first.hash.size(), 64u);
  EXPECT_TRUE(AuditFollows(first, 0, ""));
  const AuditRecord second =
      ChainAudit(2, first.hash, kTime, {"REVOKED", "ann", "x", ""});
  EXPECT_TRUE(AuditFollows(second, 1, first.hash));
  EXPECT_FALSE(AuditFollows(second, 0, first.hash));
  EXPECT_FALSE(AuditFollows(second, 1, ""));
}

TEST(AuditRecordTest, EveryFieldIsCovered) {
  const AuditRecord good = First();
  AuditRecord changed = good;
  changed.time += absl::Microseconds(1);
  EXPECT_FALSE(AuditFollows(changed, 0, ""));
  for (std::string AuditEvent::*field :
       {&AuditEvent::event, &AuditEvent::actor, &AuditEvent::subject,
        &AuditEvent::details}) {
    changed = good;
    (changed.event.*field) += "x";
    EXPECT_FALSE(AuditFollows(changed, 0, ""));
  }
  // What moves from one field to the next is a change too.
  changed = good;
  changed.event.event = "ISSUE";
  changed.event.actor = "Dcapf";
  EXPECT_FALSE(AuditFollows(changed, 0, ""));
}

TEST(AuditRecordTest, TimeIsKeptAsTheStoreKeepsIt) {
  const AuditRecord record =
      ChainAudit(1, "", kTime + absl::Nanoseconds(7), {"A", "", "", ""});
  EXPECT_EQ(record.time, kTime);
}

}  // namespace
}  // namespace sallyport::capf
