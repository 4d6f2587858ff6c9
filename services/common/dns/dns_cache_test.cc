#include "services/common/dns/dns_cache.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport {
namespace {

constexpr MonoTime kStart = MonoTime::FromOrigin(absl::Seconds(10));

DnsQuestion Question(const std::string& name) {
  return {.name = name, .type = DnsType::kA};
}

DnsAnswer Found(absl::Duration life) {
  DnsAnswer answer;
  answer.outcome = DnsOutcome::kFound;
  answer.time_to_live = life;
  answer.addresses = {SocketAddress::LoopbackV4(0)};
  return answer;
}

TEST(DnsCacheTest, KeepsAnAnswerForItsTime) {
  DnsCache cache({});
  cache.Store(Question("a"), Found(absl::Seconds(60)), kStart);
  EXPECT_NE(cache.Find(Question("a"), kStart + absl::Seconds(59)), nullptr);
  EXPECT_EQ(cache.Find(Question("a"), kStart + absl::Seconds(60)), nullptr);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(DnsCacheTest, TypesAreAnswersOfTheirOwn) {
  DnsCache cache({});
  cache.Store(Question("a"), Found(absl::Seconds(60)), kStart);
  EXPECT_EQ(cache.Find({.name = "a", .type = DnsType::kSrv}, kStart), nullptr);
}

TEST(DnsCacheTest, BoundsWhatServersSay) {
  DnsCache cache({});
  cache.Store(Question("zero"), Found(absl::ZeroDuration()), kStart);
  EXPECT_NE(cache.Find(Question("zero"), kStart), nullptr);
  EXPECT_EQ(cache.Find(Question("zero"), kStart + absl::Seconds(1)), nullptr);
  cache.Store(Question("week"), Found(absl::Hours(168)), kStart);
  EXPECT_EQ(cache.Find(Question("week"), kStart + absl::Hours(1)), nullptr);
}

// RFC 2308: that there is none is an answer too; a failure is not.
TEST(DnsCacheTest, RemembersThatThereIsNoneButNoFailure) {
  DnsCache cache({});
  DnsAnswer none;
  none.outcome = DnsOutcome::kNone;
  cache.Store(Question("none"), none, kStart);
  EXPECT_NE(cache.Find(Question("none"), kStart + absl::Seconds(29)), nullptr);
  EXPECT_EQ(cache.Find(Question("none"), kStart + absl::Seconds(30)), nullptr);
  cache.Store(Question("failed"), DnsAnswer(), kStart);
  EXPECT_EQ(cache.Find(Question("failed"), kStart), nullptr);
}

TEST(DnsCacheTest, ForgetsTheLeastRecentlyAskedWhenFull) {
  DnsCache cache({.max_entries = 2});
  cache.Store(Question("a"), Found(absl::Minutes(5)), kStart);
  cache.Store(Question("b"), Found(absl::Minutes(5)), kStart);
  EXPECT_NE(cache.Find(Question("a"), kStart), nullptr);
  cache.Store(Question("c"), Found(absl::Minutes(5)), kStart);
  EXPECT_EQ(cache.Find(Question("b"), kStart), nullptr);
  EXPECT_NE(cache.Find(Question("a"), kStart), nullptr);
  EXPECT_EQ(cache.size(), 2u);
}

TEST(DnsCacheTest, ANewAnswerReplacesTheOld) {
  DnsCache cache({});
  cache.Store(Question("a"), Found(absl::Seconds(10)), kStart);
  cache.Store(Question("a"), Found(absl::Seconds(100)), kStart);
  EXPECT_NE(cache.Find(Question("a"), kStart + absl::Seconds(50)), nullptr);
  EXPECT_EQ(cache.size(), 1u);
}

}  // namespace
}  // namespace sallyport
