#include "services/common/metrics/metrics.h"

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sallyport {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

enum class Outcome { kOk, kRefused };
enum class Transport { kUdp, kTcp, kTls };

constexpr std::array<std::string_view, 2> kOutcomes = {"ok", "refused"};
constexpr std::array<std::string_view, 3> kTransports = {"udp", "tcp", "tls"};
constexpr std::array<MetricLabel, 2> kRequestLabels = {
    MetricLabel{"outcome", kOutcomes}, MetricLabel{"transport", kTransports}};
constexpr std::array<MetricLabel, 2> kMethodLabels = {
    MetricLabel{"method", {}}, MetricLabel{"outcome", kOutcomes}};
constexpr std::array<double, 2> kBuckets = {0.1, 1};
constexpr std::array<MetricSpec, 5> kTable = {
    MetricSpec{"sallyport_test_requests_total", MetricType::kCounter,
               "Requests.", kRequestLabels},
    MetricSpec{"sallyport_test_calls_total", MetricType::kCounter, "Calls.",
               kMethodLabels},
    MetricSpec{"sallyport_test_sessions", MetricType::kGauge, "Sessions."},
    MetricSpec{"sallyport_test_wait_seconds",
               MetricType::kHistogram,
               "Wait.",
               {},
               kBuckets},
    MetricSpec{"sallyport_test_default_seconds", MetricType::kHistogram,
               "Wait with default buckets."},
};

std::unique_ptr<MetricsRegistry> MakeRegistry() {
  const absl::Span<const MetricSpec> table = kTable;
  auto registry = MetricsRegistry::Create({table});
  EXPECT_TRUE(registry.ok()) << registry.status();
  return *std::move(registry);
}

TEST(MetricsTest, CountsByEnumLabels) {
  auto registry = MakeRegistry();
  const CounterFamily requests =
      registry->Counter("sallyport_test_requests_total");
  requests.Increment(Outcome::kRefused, Transport::kTls);
  requests.Add(2, Outcome::kRefused, Transport::kTls);
  EXPECT_EQ(requests.Value(Outcome::kRefused, Transport::kTls), 3);
  EXPECT_EQ(requests.Value(Outcome::kOk, Transport::kTls), 0);
  const std::string text = registry->Text();
  EXPECT_THAT(text,
              HasSubstr("# HELP sallyport_test_requests_total Requests."));
  EXPECT_THAT(text, HasSubstr("# TYPE sallyport_test_requests_total counter"));
  EXPECT_THAT(text, HasSubstr("sallyport_test_requests_total{outcome="
                              "\"refused\",transport=\"tls\"} 3"));
  // All combinations are there from the start, so that a rate has a zero.
  EXPECT_THAT(text, HasSubstr("sallyport_test_requests_total{outcome=\"ok\","
                              "transport=\"udp\"} 0"));
}

TEST(MetricsTest, ListsGivenAtRunTime) {
  auto registry = MakeRegistry();
  const std::vector<std::vector<std::string>> lists = {{"Get", "List"}};
  const CounterFamily calls =
      registry->Counter("sallyport_test_calls_total", lists);
  calls.Increment(size_t{1}, Outcome::kOk);
  EXPECT_THAT(registry->Text(),
              HasSubstr("sallyport_test_calls_total{method=\"List\","
                        "outcome=\"ok\"} 1"));
}

TEST(MetricsTest, OutOfRangeLabelsCountNowhere) {
  auto registry = MakeRegistry();
  const CounterFamily requests =
      registry->Counter("sallyport_test_requests_total");
  requests.Increment(static_cast<Outcome>(2), Transport::kUdp);
  requests.Increment(Outcome::kOk);
  requests.Increment();
  for (Outcome outcome : {Outcome::kOk, Outcome::kRefused}) {
    for (Transport t : {Transport::kUdp, Transport::kTcp, Transport::kTls}) {
      EXPECT_EQ(requests.Value(outcome, t), 0);
    }
  }
}

TEST(MetricsTest, GaugesAndHistograms) {
  auto registry = MakeRegistry();
  const GaugeFamily sessions = registry->Gauge("sallyport_test_sessions");
  sessions.Set(5);
  sessions.Add(-2);
  EXPECT_EQ(sessions.Value(), 3);
  const HistogramFamily wait =
      registry->Histogram("sallyport_test_wait_seconds");
  wait.Observe(0.05);
  wait.Observe(0.5);
  wait.Observe(5);
  const std::string text = registry->Text();
  EXPECT_THAT(text, HasSubstr("sallyport_test_sessions 3"));
  EXPECT_THAT(text,
              HasSubstr("sallyport_test_wait_seconds_bucket{le=\"0.1\"} 1"));
  EXPECT_THAT(text,
              HasSubstr("sallyport_test_wait_seconds_bucket{le=\"1\"} 2"));
  EXPECT_THAT(text,
              HasSubstr("sallyport_test_wait_seconds_bucket{le=\"+Inf\"} 3"));
  EXPECT_THAT(text, HasSubstr("sallyport_test_wait_seconds_count 3"));
}

TEST(MetricsTest, SameMetricTwiceIsTheSameMetric) {
  auto registry = MakeRegistry();
  registry->Gauge("sallyport_test_sessions").Set(4);
  EXPECT_EQ(registry->Gauge("sallyport_test_sessions").Value(), 4);
}

TEST(MetricsTest, ThreadsLoseNoCount) {
  auto registry = MakeRegistry();
  const CounterFamily requests =
      registry->Counter("sallyport_test_requests_total");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) {
        requests.Increment(Outcome::kOk, Transport::kUdp);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(requests.Value(Outcome::kOk, Transport::kUdp), 4000);
}

TEST(MetricsDeathTest, AMetricInNoTableIsOurBug) {
  auto registry = MakeRegistry();
  EXPECT_DEATH(registry->Counter("sallyport_test_other_total"),
               "in no metrics_table");
  EXPECT_DEATH(registry->Gauge("sallyport_test_requests_total"),
               "another type");
  EXPECT_DEATH(registry->Counter("sallyport_test_calls_total"),
               "label list is missing");
}

TEST(MetricsTest, NamesAllFaultsOfATable) {
  static constexpr std::array<double, 2> kBadBuckets = {1, 1};
  static constexpr std::array<MetricLabel, 1> kBadLabel = {
      MetricLabel{"le", kOutcomes}};
  static constexpr std::array<MetricSpec, 7> kBad = {
      MetricSpec{"sallyport_ok_total", MetricType::kCounter, "Fine."},
      MetricSpec{"sallyport_ok_total", MetricType::kCounter, "Again."},
      MetricSpec{"Sallyport-Bad", MetricType::kGauge, "Name."},
      MetricSpec{"sallyport_count", MetricType::kCounter, "No _total."},
      MetricSpec{"sallyport_quiet", MetricType::kGauge, ""},
      MetricSpec{"sallyport_le", MetricType::kGauge, "Label.", kBadLabel},
      MetricSpec{"sallyport_b_seconds",
                 MetricType::kHistogram,
                 "Buckets.",
                 {},
                 kBadBuckets},
  };
  const absl::Span<const MetricSpec> table = kBad;
  const auto registry = MetricsRegistry::Create({table});
  ASSERT_EQ(registry.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message(registry.status().message());
  EXPECT_THAT(message, HasSubstr("sallyport_ok_total: listed twice"));
  EXPECT_THAT(message, HasSubstr("Sallyport-Bad: name"));
  EXPECT_THAT(message, HasSubstr("sallyport_count: _total"));
  EXPECT_THAT(message, HasSubstr("sallyport_quiet: no help"));
  EXPECT_THAT(message, HasSubstr("sallyport_le: label name"));
  EXPECT_THAT(message, HasSubstr("sallyport_b_seconds: buckets"));
}

}  // namespace
}  // namespace sallyport
