// What the loops do, summed into the load of the relay.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_RPC_LOAD_REPORT_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_RPC_LOAD_REPORT_H_

#include <cstddef>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "sallyport/media_relay/v1/relay_status.pb.h"
#include "services/media_relay/io/relay_fleet.h"
#include "services/media_relay/io/relay_loop.h"

namespace sallyport::media_relay {

// How much of each the relay can hold.
struct RelayCapacity {
  size_t sessions = 0;
  size_t allocations = 0;
};

// The sum of the loops at `now`; the busiest loop's load is the largest. Pure.
v1::RelayLoad LoadOf(absl::Span<const RelayLoopReport> loops,
                     const RelayCapacity& capacity, absl::Time now);

// The share of what is scarcest that is in use, 0 to 1. Pure.
double ShareOf(const v1::RelayLoad& load);

// Asks every loop and calls `done` once, on the last one's thread. With an
// error the list lacks the loops that had too much to do.
void CollectReports(
    RelayFleet& fleet,
    std::function<void(std::vector<RelayLoopReport>, const absl::Status&)>
        done);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_RPC_LOAD_REPORT_H_
