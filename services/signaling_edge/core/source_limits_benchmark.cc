// What a message of one of a million sources costs in the tables that judge
// it, with room for a million and with the usual room; and that both take no
// more memory than at their making (issue 5, capability 9).
#include <malloc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "services/common/net/socket_address.h"
#include "services/common/random/system_random.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/admission.h"
#include "services/signaling_edge/core/edge_options.h"
#include "services/signaling_edge/core/loop_share.h"
#include "services/signaling_edge/core/source_watch.h"

namespace sallyport::signaling_edge {
namespace {

// In an order in which neighbours are far from each other.
std::vector<SocketAddress> Sources(uint32_t count) {
  std::vector<SocketAddress> out;
  out.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t n = (i * 2654435761u) % count;
    const std::array<uint8_t, 4> ip = {10, static_cast<uint8_t>(n >> 16),
                                       static_cast<uint8_t>(n >> 8),
                                       static_cast<uint8_t>(n)};
    out.push_back(*SocketAddress::FromBytes(ip, 5060));
  }
  return out;
}

// Arguments: sources that send, sources that there is room for.
void BM_MessageOfAStranger(benchmark::State& state) {
  SystemRandom random;
  EdgeOptions options;
  options.tracked_sources = static_cast<size_t>(state.range(1));
  LoopShare share(options, random);
  const auto sources = Sources(static_cast<uint32_t>(state.range(0)));
  MonoTime now = MonoTime::FromOrigin(absl::Hours(1));
  size_t turn = 0;
  const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
  for (auto _ : state) {
    const SocketAddress& source = sources[turn++ % sources.size()];
    now += absl::Microseconds(1);
    benchmark::DoNotOptimize(share.admission().OnMessage(source, false, now));
    benchmark::DoNotOptimize(share.watch().Of(source, now));
    benchmark::DoNotOptimize(share.watch().HasProven(source, now));
    benchmark::DoNotOptimize(
        share.watch().OnUnproven(source, "bob", false, now));
  }
  state.counters["grown_bytes"] =
      static_cast<double>(mallinfo2().uordblks + mallinfo2().hblkhd - before);
}
BENCHMARK(BM_MessageOfAStranger)
    ->Args({1, 65'536})
    ->Args({1'000, 65'536})
    ->Args({1'000'000, 65'536})
    ->Args({1'000'000, 1'000'000});

void BM_ConnectionOfAStranger(benchmark::State& state) {
  SystemRandom random;
  EdgeOptions options;
  LoopShare share(options, random);
  const auto sources = Sources(static_cast<uint32_t>(state.range(0)));
  MonoTime now = MonoTime::FromOrigin(absl::Hours(1));
  size_t turn = 0;
  for (auto _ : state) {
    const SocketAddress& source = sources[turn++ % sources.size()];
    now += absl::Microseconds(1);
    const uint64_t key = share.KeyOf(source);
    benchmark::DoNotOptimize(share.admission().OnConnection(
        source, 100, share.sources().Of(key), now));
    share.sources().Add(key);
    share.sources().Remove(key);
  }
}
BENCHMARK(BM_ConnectionOfAStranger)->Arg(1)->Arg(1'000'000);

}  // namespace
}  // namespace sallyport::signaling_edge
