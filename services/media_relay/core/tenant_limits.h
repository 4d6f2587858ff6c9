// What holds for the allocations of single tenants instead of the relay's own
// limits, as credential_issuer's policy of the tenant says.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TENANT_LIMITS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TENANT_LIMITS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace sallyport::media_relay {

// What is zero is as for all tenants.
struct TenantLimit {
  // Payload octets a second, each way.
  uint64_t allocation_bytes_per_second = 0;
  uint64_t subject_bytes_per_second = 0;
  uint64_t tenant_bytes_per_second = 0;
  size_t max_allocations = 0;
  size_t max_allocations_per_subject = 0;
};

// By tenant id, as user names hold it. Immutable.
class TenantLimits {
 public:
  using Map = absl::flat_hash_map<std::string, TenantLimit>;

  TenantLimits() = default;
  explicit TenantLimits(Map limits) : limits_(std::move(limits)) {}

  // All zero for a tenant that is not named.
  TenantLimit Of(std::string_view tenant) const {
    const auto it = limits_.find(std::string(tenant));
    return it == limits_.end() ? TenantLimit() : it->second;
  }
  size_t size() const { return limits_.size(); }

 private:
  Map limits_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TENANT_LIMITS_H_
