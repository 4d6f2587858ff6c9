// A thin face on prometheus-cpp. A service lists every metric once in its
// metrics_table.h; the registry knows no others, and label values come only
// from closed lists, so that no number, address, user or call id can become a
// label.

#ifndef SALLYPORT_SERVICES_COMMON_METRICS_METRICS_H_
#define SALLYPORT_SERVICES_COMMON_METRICS_METRICS_H_

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
class Registry;
}  // namespace prometheus

namespace sallyport {

enum class MetricType { kCounter, kGauge, kHistogram };

// One label of a metric.
struct MetricLabel {
  std::string_view name;
  // The values in the order of the enum that selects them. Empty: the list is
  // given when the metric is made, for lists known only then (RPC methods).
  absl::Span<const std::string_view> values;
};

// One row of a metrics table. Names are sallyport_<service>_<noun>_<unit>, or
// _total for counters; units are seconds and bytes.
struct MetricSpec {
  std::string_view name;
  MetricType type;
  std::string_view help;
  absl::Span<const MetricLabel> labels = {};
  // Histograms: upper bounds, ascending; empty: kDefaultBuckets.
  absl::Span<const double> buckets = {};
};

// 0.5 ms to 10 s, for latencies in seconds.
inline constexpr std::array<double, 14> kDefaultBuckets = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
    0.1,    0.25,  0.5,    1,     2.5,  5,     10};

namespace metrics_internal {

// All label combinations of one metric, made at once, so that taking one is an
// index and no lock.
template <typename Child>
class Cells {
 public:
  Cells() = default;
  Cells(std::vector<size_t> sizes, std::vector<Child*> cells)
      : sizes_(std::move(sizes)), cells_(std::move(cells)) {}

  // Out of range or a wrong number of labels selects no cell.
  template <typename... Index>
  Child* At(Index... index) const {
    const std::array<size_t, sizeof...(Index)> wanted = {
        static_cast<size_t>(index)...};
    if (wanted.size() != sizes_.size()) return nullptr;
    size_t cell = 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (wanted[i] >= sizes_[i]) return nullptr;
      cell = cell * sizes_[i] + wanted[i];
    }
    return cells_.empty() ? nullptr : cells_[cell];
  }

 private:
  std::vector<size_t> sizes_;
  std::vector<Child*> cells_;
};

template <typename T>
inline constexpr bool kIsLabel = std::is_enum_v<T> || std::is_same_v<T, size_t>;

}  // namespace metrics_internal

// Counts up. One label argument per label of the table, in its order: an enum,
// or a size_t index where the list was given at run time. Outlived by its
// registry. Thread-safe.
class CounterFamily {
 public:
  CounterFamily() = default;
  template <typename... Label>
  void Increment(Label... label) const {
    Add(1, label...);
  }
  // `amount` must not be negative.
  template <typename... Label>
  void Add(double amount, Label... label) const {
    static_assert((metrics_internal::kIsLabel<Label> && ...));
    AddTo(cells_.At(label...), amount);
  }
  template <typename... Label>
  double Value(Label... label) const {
    static_assert((metrics_internal::kIsLabel<Label> && ...));
    return ValueOf(cells_.At(label...));
  }

 private:
  friend class MetricsRegistry;
  static void AddTo(prometheus::Counter* counter, double amount);
  static double ValueOf(const prometheus::Counter* counter);

  metrics_internal::Cells<prometheus::Counter> cells_;
};

// Goes up and down. Thread-safe.
class GaugeFamily {
 public:
  GaugeFamily() = default;
  template <typename... Label>
  void Set(double value, Label... label) const {
    static_assert((metrics_internal::kIsLabel<Label> && ...));
    SetTo(cells_.At(label...), value);
  }
  template <typename... Label>
  void Add(double amount, Label... label) const {
    static_assert((metrics_internal::kIsLabel<Label> && ...));
    AddTo(cells_.At(label...), amount);
  }
  template <typename... Label>
  double Value(Label... label) const {
    static_assert((metrics_internal::kIsLabel<Label> && ...));
    return ValueOf(cells_.At(label...));
  }

 private:
  friend class MetricsRegistry;
  static void SetTo(prometheus::Gauge* gauge, double value);
  static void AddTo(prometheus::Gauge* gauge, double amount);
  static double ValueOf(const prometheus::Gauge* gauge);

  metrics_internal::Cells<prometheus::Gauge> cells_;
};

// Distribution of a value. Thread-safe.
class HistogramFamily {
 public:
  HistogramFamily() = default;
  template <typename... Label>
  void Observe(double value, Label... label) const {
    static_assert((metrics_internal::kIsLabel<Label> && ...));
    ObserveIn(cells_.At(label...), value);
  }

 private:
  friend class MetricsRegistry;
  static void ObserveIn(prometheus::Histogram* histogram, double value);

  metrics_internal::Cells<prometheus::Histogram> cells_;
};

// The metrics of one process. Asking for a metric that the tables do not list,
// with another type or with wrong label lists, is our bug and ends the process
// at start. Thread-safe.
class MetricsRegistry {
 public:
  // INVALID_ARGUMENT names each row that is wrong: a bad or double name, a
  // counter without _total, no help, a label name that is none, buckets that
  // do not ascend, more than kMaxCells combinations.
  static absl::StatusOr<std::unique_ptr<MetricsRegistry>> Create(
      absl::Span<const absl::Span<const MetricSpec>> tables);
  ~MetricsRegistry();
  MetricsRegistry(const MetricsRegistry&) = delete;
  MetricsRegistry& operator=(const MetricsRegistry&) = delete;

  // `dynamic_values` gives, in order, the list of each label whose list in the
  // table is empty.
  CounterFamily Counter(
      std::string_view name,
      absl::Span<const std::vector<std::string>> dynamic_values = {});
  GaugeFamily Gauge(
      std::string_view name,
      absl::Span<const std::vector<std::string>> dynamic_values = {});
  HistogramFamily Histogram(
      std::string_view name,
      absl::Span<const std::vector<std::string>> dynamic_values = {});

  // The Prometheus text format, version 0.0.4.
  std::string Text() const;

  // Most label combinations of one metric.
  static constexpr size_t kMaxCells = 4096;

 private:
  struct Rows;
  explicit MetricsRegistry(std::unique_ptr<Rows> rows);

  std::unique_ptr<Rows> rows_;
  std::unique_ptr<prometheus::Registry> registry_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_METRICS_METRICS_H_
