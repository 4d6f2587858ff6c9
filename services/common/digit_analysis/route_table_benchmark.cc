// Closest match in plans of many patterns.

#include "services/common/digit_analysis/route_table.h"

#include <benchmark/benchmark.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/digit_analysis/dial_pattern.h"

namespace sallyport {
namespace {

// `count` patterns over `spaces` partitions: area codes, office ranges, and in
// each partition a catch-all.
RouteTable MakeTable(int count, int spaces) {
  RouteTable::Builder builder;
  for (int s = 0; s < spaces; ++s) {
    builder.Add(static_cast<uint32_t>(s), *DialPattern::Parse("9.!"));
  }
  for (int i = spaces; i < count; ++i) {
    const std::string text =
        i % 3 == 0 ? absl::StrCat("9.1", 200 + i % 800, i / 800 % 10, "XXXXXX")
        : i % 3 == 1 ? absl::StrCat("9.011", i % 1000, "!")
                     : absl::StrCat(10000 + i, "[2-8]X");
    builder.Add(static_cast<uint32_t>(i % spaces), *DialPattern::Parse(text));
  }
  return std::move(builder).Build();
}

void BM_Find(benchmark::State& state) {
  const RouteTable table = MakeTable(static_cast<int>(state.range(0)),
                                     static_cast<int>(state.range(1)));
  // A search space of five partitions.
  std::vector<uint32_t> spaces;
  for (uint32_t s = 0; s < 5 && s < state.range(1); ++s) spaces.push_back(s);
  const std::vector<std::string> numbers = {"912025550123", "9011442079460000",
                                            "1234525", "5555", "912"};
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table.Find(spaces, numbers[i]));
    i = (i + 1) % numbers.size();
  }
}
BENCHMARK(BM_Find)
    ->Args({100, 1})
    ->Args({10'000, 100})
    ->Args({100'000, 1000})
    ->Args({100'000, 1});

void BM_Compile(benchmark::State& state) {
  state.counters["bytes_per_pattern"] =
      static_cast<double>(
          MakeTable(static_cast<int>(state.range(0)), 100).memory()) /
      static_cast<double>(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        MakeTable(static_cast<int>(state.range(0)), 100).row_count());
  }
}
BENCHMARK(BM_Compile)->Arg(1000)->Arg(100'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sallyport
