#include "services/credential_issuer/rpc/consumer_registry.h"

#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/status_matchers.h"
#include "services/credential_issuer/core/relay_directory.h"
#include "services/credential_issuer/io/issuer_store.h"

namespace sallyport::credential_issuer {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

// Of the store only the reports.
class ReportStore final : public IssuerStore {
 public:
  absl::StatusOr<IssuerState> Load(const KeyRingPolicy& policy) override {
    return IssuerState{0, kStart, KeyRing(policy, 1, {}), {}};
  }
  absl::StatusOr<int64_t> Version() override { return 0; }
  absl::Status Save(const IssuerState&, const IssuerState&) override {
    return absl::OkStatus();
  }
  absl::Status SaveReports(const std::vector<StoredReport>& reports,
                           absl::Time) override {
    if (broken) return absl::UnavailableError("gone");
    for (const StoredReport& report : reports) stored[report.relay] = report;
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<StoredReport>> LoadReports(
      absl::Time since) override {
    std::vector<StoredReport> out;
    for (const auto& [name, report] : stored) {
      if (report.time > since) out.push_back(report);
    }
    return out;
  }

  std::map<std::string, StoredReport> stored;
  bool broken = false;
};

v1::ReportKeysVersionRequest Report(const std::string& relay, int64_t version) {
  v1::ReportKeysVersionRequest out;
  out.set_consumer(relay);
  out.set_active_version(version);
  out.set_load(0.25);
  out.add_addresses()->set_uri("turn:" + relay + ".test");
  out.add_addresses()->set_uri("nonsense");
  return out;
}

TEST(ConsumerRegistryTest, WhatOneReplicaHearsTheOthersKnow) {
  ReportStore store;
  FakeRandom random;
  ConsumerRegistry one(RelayDirectory({}, false));
  ConsumerRegistry two(RelayDirectory({}, false));
  one.OnConnected("r1", "service media_relay", kStart);
  one.OnReport(Report("r1", 3), "service media_relay", kStart);
  EXPECT_THAT(two.Sync(store, true, kStart), IsOk());
  EXPECT_TRUE(two.SelectRelays({}, kStart, random).empty());
  EXPECT_THAT(one.Sync(store, true, kStart), IsOk());
  EXPECT_THAT(two.Sync(store, true, kStart), IsOk());
  const auto relays = two.SelectRelays({}, kStart, random);
  ASSERT_EQ(relays.size(), 1u);
  EXPECT_EQ(relays[0].uri.host, "r1.test");
  EXPECT_FALSE(two.AllHave(4, kStart));
  EXPECT_TRUE(two.AllHave(3, kStart));
  const auto listed = two.List(3, kStart);
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].identity(), "service media_relay");
  EXPECT_FALSE(listed[0].connected());
  EXPECT_TRUE(listed[0].serving());
  EXPECT_EQ(listed[0].load(), 0.25);
  EXPECT_FALSE(two.List(4, kStart)[0].serving());
  EXPECT_FALSE(two.List(3, kStart + absl::Minutes(1))[0].serving());
  EXPECT_TRUE(one.List(3, kStart)[0].connected());
}

TEST(ConsumerRegistryTest, AStoreOfOurOwnIsNotReadAgain) {
  ReportStore store;
  ConsumerRegistry one(RelayDirectory({}, false));
  one.OnReport(Report("r1", 3), "x", kStart);
  store.stored["r2"] = {"r2", "x\n" + Report("r2", 1).SerializeAsString(),
                        kStart};
  EXPECT_THAT(one.Sync(store, false, kStart), IsOk());
  EXPECT_EQ(one.List(0, kStart).size(), 1u);
  EXPECT_EQ(store.stored.size(), 2u);
}

// After a start the relays of before are waited for, for a while: none of them
// may meet a key that it does not know.
TEST(ConsumerRegistryTest, RelaysOfBeforeAreExpected) {
  ReportStore store;
  store.stored["r1"] = {"r1", "x\n" + Report("r1", 9).SerializeAsString(),
                        kStart - absl::Minutes(5)};
  store.stored["old"] = {"old", "x\n" + Report("old", 9).SerializeAsString(),
                         kStart - absl::Hours(2)};
  store.stored["torn"] = {"torn", "torn", kStart};
  ConsumerRegistry one(RelayDirectory({}, false));
  EXPECT_THAT(one.Restore(store, kStart), IsOk());
  EXPECT_EQ(one.List(0, kStart).size(), 1u);
  EXPECT_FALSE(one.AllHave(1, kStart));
  EXPECT_TRUE(one.AllHave(1, kStart + absl::Seconds(21)));
  one.OnReport(Report("r1", 9), "x", kStart + absl::Seconds(1));
  EXPECT_TRUE(one.AllHave(9, kStart + absl::Seconds(2)));
}

TEST(ConsumerRegistryTest, JustAfterARevocationSomeRelayIsNamed) {
  FakeRandom random;
  ConsumerRegistry one(RelayDirectory({}, false));
  one.OnReport(Report("r1", 3), "x", kStart);
  one.OnReport(Report("r2", 4), "x", kStart);
  RelayQuery query;
  query.version = 4;
  EXPECT_EQ(one.SelectRelays(query, kStart, random).size(), 1u);
  query.version = 5;
  EXPECT_EQ(one.SelectRelays(query, kStart, random).size(), 2u);
}

TEST(ConsumerRegistryTest, AReportThatWasNotKeptIsKeptWithTheNext) {
  ReportStore store;
  ConsumerRegistry one(RelayDirectory({}, false));
  store.broken = true;
  one.OnReport(Report("r1", 3), "x", kStart);
  EXPECT_FALSE(one.Sync(store, false, kStart).ok());
  store.broken = false;
  EXPECT_THAT(one.Sync(store, false, kStart), IsOk());
  EXPECT_TRUE(store.stored.empty());  // the relay reports every 5 s
  one.OnReport(Report("r1", 3), "x", kStart + absl::Seconds(5));
  EXPECT_THAT(one.Sync(store, false, kStart), IsOk());
  EXPECT_EQ(store.stored.size(), 1u);
}

}  // namespace
}  // namespace sallyport::credential_issuer
