#include "services/media_relay/rpc/load_report.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/config/proto_time.h"

namespace sallyport::media_relay {
namespace {

double Share(uint32_t used, uint32_t total) {
  return total == 0 ? 0 : static_cast<double>(used) / total;
}

// What several loops add to. Thread-safe.
struct Collected {
  absl::Mutex mutex;
  std::vector<RelayLoopReport> reports ABSL_GUARDED_BY(mutex);
};

}  // namespace

v1::RelayLoad LoadOf(absl::Span<const RelayLoopReport> loops,
                     const RelayCapacity& capacity, absl::Time now) {
  v1::RelayLoad load;
  for (const RelayLoopReport& loop : loops) {
    load.set_session_count(load.session_count() +
                           static_cast<uint32_t>(loop.sessions));
    load.set_allocation_count(load.allocation_count() +
                              static_cast<uint32_t>(loop.allocations));
    load.set_ports_used(load.ports_used() +
                        static_cast<uint32_t>(loop.ports_used));
    load.set_ports_total(load.ports_total() +
                         static_cast<uint32_t>(loop.ports_total));
    load.set_packets_per_second(load.packets_per_second() +
                                loop.packets_per_second);
    load.set_bits_per_second(load.bits_per_second() + loop.bits_per_second);
    load.set_busiest_loop_load(std::max(load.busiest_loop_load(), loop.load));
    load.set_draining(load.draining() || loop.draining);
  }
  load.set_session_capacity(static_cast<uint32_t>(capacity.sessions));
  load.set_allocation_capacity(static_cast<uint32_t>(capacity.allocations));
  *load.mutable_measure_time() = sallyport::ToProto(now);
  return load;
}

double ShareOf(const v1::RelayLoad& load) {
  const double share = std::max(
      {Share(load.session_count(), load.session_capacity()),
       Share(load.allocation_count(), load.allocation_capacity()),
       Share(load.ports_used(), load.ports_total()), load.busiest_loop_load()});
  return std::clamp(share, 0.0, 1.0);
}

void CollectReports(
    RelayFleet& fleet,
    std::function<void(std::vector<RelayLoopReport>, const absl::Status&)>
        done) {
  auto collected = std::make_shared<Collected>();
  fleet.PostToAll(
      [collected](size_t, RelayLoopContext& context) {
        absl::MutexLock lock(&collected->mutex);
        collected->reports.push_back(context.report);
      },
      [collected, done = std::move(done)](const absl::Status& status) {
        std::vector<RelayLoopReport> reports;
        {
          absl::MutexLock lock(&collected->mutex);
          reports = std::move(collected->reports);
        }
        done(std::move(reports), status);
      });
}

}  // namespace sallyport::media_relay
