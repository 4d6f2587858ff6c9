#include "services/capf/io/event_log.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "services/capf/core/expiry_schedule.h"
#include "services/capf/io/test_capf.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/postgres_server.h"
#include "services/common/testing/test_certs.h"

namespace sallyport::capf {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

CertificateUse Use(const std::string& used_by, absl::Time not_after) {
  // The certificate itself does not matter to the schedule.
  return {"a", used_by, used_by, not_after};
}

std::vector<CertificateEvent> Events(TestCapf& capf) {
  return capf.store->ListEvents("a", 0, 0, 1000000).value();
}

// UM-114, UM-115: 400 certificates, 500 days, with restarts at random, clocks
// that jump back, and times when nothing ran: the expected set, exactly.
TEST(EventLogTest, ExactlyOnceOverRestartsAndClocks) {
  const std::string folder = NewTestFolder();
  // Many commits, and none of them has to outlive the machine.
  const SqliteOptions store{.file = folder + "/capf.db", .durable = false};
  auto capf = std::make_unique<TestCapf>(folder, store);
  const absl::Time start = capf->clock.Now();
  std::mt19937_64 random(7);
  std::vector<CertificateUse> uses;
  for (int i = 0; i < 400; ++i) {
    uses.push_back(
        Use("use" + std::to_string(i),
            start + absl::Seconds(random() % (520 * 86400)) + kDay * 2));
  }
  std::optional<EventLog> log(*capf->ledger);
  log->SetOwn(uses);
  ASSERT_THAT(log->Tick(), IsOk());
  absl::Time now = start;
  absl::Time latest = start;
  while (now < start + 500 * kDay) {
    now += absl::Seconds(random() % (80 * 3600));
    if (random() % 20 == 0) now -= absl::Hours(30);  // set back
    if (random() % 60 == 0) now += 9 * kDay;         // nothing ran
    if (random() % 40 == 0) {
      log.reset();
      capf.reset();
      capf = std::make_unique<TestCapf>(folder, store);
      log.emplace(*capf->ledger);
      log->SetOwn(uses);
    }
    capf->clock.JumpTo(now);
    latest = std::max(latest, now);
    ASSERT_THAT(log->Tick(), IsOk());
  }
  size_t expected = 0;
  for (const CertificateUse& use : uses) {
    expected += ExpiryEventsDue(use.not_after, start, latest, 100000).size();
  }
  const std::vector<CertificateEvent> events = Events(*capf);
  EXPECT_EQ(events.size(), expected);
  std::set<std::string> keys;
  for (const CertificateEvent& event : events) {
    EXPECT_TRUE(keys.insert(event.key).second) << event.key;
    EXPECT_EQ(event.event_id, kEventExpiry);
  }
}

// Two replicas that look at the same moment, whose clocks differ by hours and
// jump, and of which one is away for days.
TEST(EventLogTest, ExactlyOnceOverReplicas) {
  const PostgresServer server;
  TestCapf one(NewTestFolder(), server.options());
  TestCapf two(NewTestFolder(), server.options());
  const absl::Time start = one.clock.Now();
  std::mt19937_64 random(11);
  std::vector<CertificateUse> uses;
  for (int i = 0; i < 40; ++i) {
    uses.push_back(
        Use("use" + std::to_string(i),
            start + absl::Seconds(random() % (520 * 86400)) + kDay * 2));
  }
  EventLog log_one(*one.ledger);
  EventLog log_two(*two.ledger);
  log_one.SetOwn(uses);
  log_two.SetOwn(uses);
  ASSERT_THAT(log_one.Tick(), IsOk());
  absl::Time now = start;
  absl::Time latest = start;
  while (now < start + 500 * kDay) {
    now += absl::Hours(random() % 96);
    const absl::Time other =
        now + absl::Minutes(random() % 600) - absl::Minutes(random() % 600);
    one.clock.JumpTo(now);
    two.clock.JumpTo(other);
    const bool away = random() % 4 == 0;
    absl::Status second;
    std::thread thread([&] {
      if (!away) second = log_two.Tick();
    });
    const absl::Status first = log_one.Tick();
    thread.join();
    ASSERT_THAT(first, IsOk());
    ASSERT_THAT(second, IsOk());
    latest = std::max(latest, away ? now : std::max(now, other));
  }
  size_t expected = 0;
  for (const CertificateUse& use : uses) {
    expected += ExpiryEventsDue(use.not_after, start, latest, 100000).size();
  }
  std::set<std::string> keys;
  for (const CertificateEvent& event : Events(one)) {
    EXPECT_TRUE(keys.insert(event.key).second) << event.key;
  }
  EXPECT_EQ(keys.size(), expected);
}

TEST(EventLogTest, WhatChangesBring) {
  TestCapf capf(NewTestFolder());
  TestCa root("Root");
  TrustedCertificate like;
  ASSERT_THAT(capf.trust->Add("tenants/a/trustStores/cup-trust",
                              {root.certificate().der}, like, "ann", false),
              IsOk());
  const std::vector<CertificateEvent> events = Events(capf);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].type, CertificateEventType::kTrusted);
  EXPECT_NE(events[0].summary.find("CN=Root"), std::string::npos);
  EXPECT_NE(events[0].summary.find("SHA-1 "), std::string::npos);  // UM-112
  // Of another tenant nobody hears.
  EXPECT_TRUE(capf.store->ListEvents("b", 0, 0, 10).value().empty());
}

// UM-111: each start of a service with its certificate.
TEST(EventLogTest, EachUseIsTold) {
  TestCapf capf(NewTestFolder());
  EventLog log(*capf.ledger);
  log.SetOwn({Use("capf:3804", absl::InfiniteFuture())});
  ASSERT_THAT(log.RecordStart(capf.clock.Now()), IsOk());
  ASSERT_THAT(log.RecordStart(capf.clock.Now() + kDay), IsOk());
  ASSERT_THAT(log.RecordStart(capf.clock.Now() + kDay), IsOk());
  EXPECT_EQ(Events(capf).size(), 2u);
  EXPECT_EQ(Events(capf)[0].event_id, kEventInUse);
}

}  // namespace
}  // namespace sallyport::capf
