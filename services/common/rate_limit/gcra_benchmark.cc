// Cost of one decision among a million sources.

#include "services/common/rate_limit/gcra.h"

#include <array>
#include <cstdint>
#include <cstring>

#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/random/system_random.h"
#include "services/common/time/mono_time.h"

namespace sallyport {
namespace {

void BM_TakeAmongAMillion(benchmark::State& state) {
  SystemRandom random;
  GcraTable table(GcraLimit::PerSecond(100, 10), 1'000'000, random);
  MonoTime now = MonoTime::FromOrigin(absl::Seconds(1));
  uint32_t turn = 0;
  std::array<uint8_t, 4> source;
  for (auto _ : state) {
    const uint32_t address = turn++ * 2654435761u % 1'000'000;
    std::memcpy(source.data(), &address, sizeof(address));
    now += absl::Nanoseconds(100);
    benchmark::DoNotOptimize(table.Take(source, now));
  }
}
BENCHMARK(BM_TakeAmongAMillion);

}  // namespace
}  // namespace sallyport
