#include "services/common/metrics/metrics.h"

#include <map>
#include <utility>

#include "absl/base/internal/raw_logging.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"

namespace sallyport {
namespace {

bool IsMetricName(std::string_view name) {
  if (name.empty() || name.front() < 'a' || name.front() > 'z') return false;
  for (char c : name) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) {
      return false;
    }
  }
  return true;
}

// What is wrong with a row; empty when nothing is.
std::string Fault(const MetricSpec& spec) {
  if (!IsMetricName(spec.name)) return "name is not lower_snake";
  const bool total = absl::EndsWith(std::string(spec.name), "_total");
  if (total != (spec.type == MetricType::kCounter)) {
    return "_total is for counters and all counters have it";
  }
  if (spec.help.empty()) return "no help";
  size_t cells = 1;
  for (const MetricLabel& label : spec.labels) {
    if (!IsMetricName(label.name) || label.name == "le") return "label name";
    if (!label.values.empty()) cells *= label.values.size();
    if (cells > MetricsRegistry::kMaxCells) return "too many combinations";
  }
  if (spec.type != MetricType::kHistogram && !spec.buckets.empty()) {
    return "buckets of no histogram";
  }
  for (size_t i = 1; i < spec.buckets.size(); ++i) {
    if (spec.buckets[i - 1] >= spec.buckets[i]) return "buckets not ascending";
  }
  return "";
}

struct LabelSets {
  std::vector<size_t> sizes;
  std::vector<prometheus::Labels> sets;
};

LabelSets Combine(const MetricSpec& spec,
                  absl::Span<const std::vector<std::string>> dynamic_values) {
  LabelSets out;
  out.sets.emplace_back();
  size_t next_dynamic = 0;
  for (const MetricLabel& label : spec.labels) {
    std::vector<std::string> values(label.values.begin(), label.values.end());
    if (values.empty()) {
      ABSL_RAW_CHECK(next_dynamic < dynamic_values.size(),
                     "a label list is missing");
      values = dynamic_values[next_dynamic++];
    }
    ABSL_RAW_CHECK(
        out.sets.size() * values.size() <= MetricsRegistry::kMaxCells,
        "too many label combinations");
    std::vector<prometheus::Labels> wider;
    for (const prometheus::Labels& set : out.sets) {
      for (const std::string& value : values) {
        wider.push_back(set);
        wider.back().emplace(std::string(label.name), value);
      }
    }
    out.sizes.push_back(values.size());
    out.sets = std::move(wider);
  }
  ABSL_RAW_CHECK(next_dynamic == dynamic_values.size(),
                 "more label lists than labels without one");
  return out;
}

}  // namespace

struct MetricsRegistry::Rows {
  absl::flat_hash_map<std::string, MetricSpec> by_name;

  const MetricSpec& Find(std::string_view name, MetricType type) const {
    const auto it = by_name.find(std::string(name));
    if (it == by_name.end()) {
      ABSL_RAW_LOG(FATAL, "metric %s is in no metrics_table.h",
                   std::string(name).c_str());
    }
    if (it->second.type != type) {
      ABSL_RAW_LOG(FATAL, "metric %s has another type in its table",
                   std::string(name).c_str());
    }
    return it->second;
  }
};

void CounterFamily::AddTo(prometheus::Counter* counter, double amount) {
  if (counter != nullptr) counter->Increment(amount);
}

double CounterFamily::ValueOf(const prometheus::Counter* counter) {
  return counter == nullptr ? 0 : counter->Value();
}

void GaugeFamily::SetTo(prometheus::Gauge* gauge, double value) {
  if (gauge != nullptr) gauge->Set(value);
}

void GaugeFamily::AddTo(prometheus::Gauge* gauge, double amount) {
  if (gauge != nullptr) gauge->Increment(amount);
}

double GaugeFamily::ValueOf(const prometheus::Gauge* gauge) {
  return gauge == nullptr ? 0 : gauge->Value();
}

void HistogramFamily::ObserveIn(prometheus::Histogram* histogram,
                                double value) {
  if (histogram != nullptr) histogram->Observe(value);
}

MetricsRegistry::MetricsRegistry(std::unique_ptr<Rows> rows)
    : rows_(std::move(rows)),
      registry_(std::make_unique<prometheus::Registry>()) {}

MetricsRegistry::~MetricsRegistry() = default;

absl::StatusOr<std::unique_ptr<MetricsRegistry>> MetricsRegistry::Create(
    absl::Span<const absl::Span<const MetricSpec>> tables) {
  auto rows = std::make_unique<Rows>();
  std::vector<std::string> faults;
  for (const absl::Span<const MetricSpec> table : tables) {
    for (const MetricSpec& spec : table) {
      const std::string name(spec.name);
      const std::string fault = Fault(spec);
      if (!fault.empty()) faults.push_back(absl::StrCat(name, ": ", fault));
      if (!rows->by_name.emplace(name, spec).second) {
        faults.push_back(absl::StrCat(name, ": listed twice"));
      }
    }
  }
  if (!faults.empty()) {
    return absl::InvalidArgumentError(absl::StrJoin(faults, "; "));
  }
  return std::unique_ptr<MetricsRegistry>(new MetricsRegistry(std::move(rows)));
}

CounterFamily MetricsRegistry::Counter(
    std::string_view name,
    absl::Span<const std::vector<std::string>> dynamic_values) {
  const MetricSpec& spec = rows_->Find(name, MetricType::kCounter);
  LabelSets labels = Combine(spec, dynamic_values);
  auto& family = prometheus::BuildCounter()
                     .Name(std::string(spec.name))
                     .Help(std::string(spec.help))
                     .Register(*registry_);
  std::vector<prometheus::Counter*> cells;
  for (const auto& set : labels.sets) cells.push_back(&family.Add(set));
  CounterFamily out;
  out.cells_ = {std::move(labels.sizes), std::move(cells)};
  return out;
}

GaugeFamily MetricsRegistry::Gauge(
    std::string_view name,
    absl::Span<const std::vector<std::string>> dynamic_values) {
  const MetricSpec& spec = rows_->Find(name, MetricType::kGauge);
  LabelSets labels = Combine(spec, dynamic_values);
  auto& family = prometheus::BuildGauge()
                     .Name(std::string(spec.name))
                     .Help(std::string(spec.help))
                     .Register(*registry_);
  std::vector<prometheus::Gauge*> cells;
  for (const auto& set : labels.sets) cells.push_back(&family.Add(set));
  GaugeFamily out;
  out.cells_ = {std::move(labels.sizes), std::move(cells)};
  return out;
}

HistogramFamily MetricsRegistry::Histogram(
    std::string_view name,
    absl::Span<const std::vector<std::string>> dynamic_values) {
  const MetricSpec& spec = rows_->Find(name, MetricType::kHistogram);
  LabelSets labels = Combine(spec, dynamic_values);
  prometheus::Histogram::BucketBoundaries buckets(spec.buckets.begin(),
                                                  spec.buckets.end());
  if (buckets.empty()) {
    buckets.assign(kDefaultBuckets.begin(), kDefaultBuckets.end());
  }
  auto& family = prometheus::BuildHistogram()
                     .Name(std::string(spec.name))
                     .Help(std::string(spec.help))
                     .Register(*registry_);
  std::vector<prometheus::Histogram*> cells;
  for (const auto& set : labels.sets) {
    cells.push_back(&family.Add(set, buckets));
  }
  HistogramFamily out;
  out.cells_ = {std::move(labels.sizes), std::move(cells)};
  return out;
}

std::string MetricsRegistry::Text() const {
  return prometheus::TextSerializer().Serialize(registry_->Collect());
}

}  // namespace sallyport
