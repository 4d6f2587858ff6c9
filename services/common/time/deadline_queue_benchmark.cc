// Cost of moving one of n armed timers, the common act of a SIP transaction.

#include "services/common/time/deadline_queue.h"

#include <cstdint>

#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "services/common/time/mono_time.h"

namespace sallyport {
namespace {

void BM_MoveOneOf(benchmark::State& state) {
  DeadlineQueue<uint64_t> queue;
  const uint64_t count = static_cast<uint64_t>(state.range(0));
  const MonoTime start = MonoTime();
  for (uint64_t i = 0; i < count; ++i) {
    queue.Set(i, start + absl::Milliseconds(i));
  }
  uint64_t turn = 0;
  for (auto _ : state) {
    const uint64_t key = turn * 7919 % count;
    queue.Set(key, start + absl::Milliseconds(count + turn++));
    benchmark::DoNotOptimize(queue.next());
  }
}
BENCHMARK(BM_MoveOneOf)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

}  // namespace
}  // namespace sallyport
