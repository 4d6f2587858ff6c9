// How much of this edge each tenant takes up.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TENANT_COUNTS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TENANT_COUNTS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "services/common/random/random_source.h"
#include "services/signaling_edge/core/keyed_counts.h"

namespace sallyport::signaling_edge {

// Calls and registered contacts by tenant, for the bounds that the plan gives
// each (TenantLimits). All are counted, with a bound or without, as a plan may
// bring one at any time. Fixed memory, 1 MiB, for kTenants with calls and
// kTenants with contacts at a time; of more, some are not counted (see
// KeyedCounts). Thread-safe.
class TenantCounts {
 public:
  static constexpr size_t kTenants = 16'384;

  explicit TenantCounts(RandomSource& random);

  // For both tables; `tenant` is tenants/{t}.
  uint64_t KeyOf(std::string_view tenant) const;

  KeyedCounts& calls() { return calls_; }
  KeyedCounts& contacts() { return contacts_; }
  const KeyedCounts& calls() const { return calls_; }
  const KeyedCounts& contacts() const { return contacts_; }

  // A bound of the plan, where 0 is none, as the tables have it.
  static uint32_t MostOf(uint32_t bound) {
    return bound == 0 ? UINT32_MAX : bound;
  }

 private:
  const uint64_t key_;
  KeyedCounts calls_;
  KeyedCounts contacts_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TENANT_COUNTS_H_
