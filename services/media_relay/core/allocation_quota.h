// How many allocations there may be: of all, of a tenant, of a subject.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ALLOCATION_QUOTA_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ALLOCATION_QUOTA_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "services/media_relay/core/tenant_limits.h"

namespace sallyport::media_relay {

struct AllocationLimits {
  size_t all = 5000;
  size_t per_tenant = 5000;
  size_t per_subject = 10;
};

enum class QuotaVerdict : uint8_t {
  kGranted,
  kQuotaReached,     // of the tenant or the subject: 486
  kCapacityReached,  // of the relay: 508
};

// Asked once for each allocation, never for a packet. Whoever is granted one
// gives it back. Thread-compatible; an implementation may promise more.
class AllocationQuota {
 public:
  virtual ~AllocationQuota() = default;

  virtual QuotaVerdict Take(std::string_view tenant,
                            std::string_view subject) = 0;
  virtual void GiveBack(std::string_view tenant, std::string_view subject) = 0;
};

// Counts of tenants and their subjects. Thread-compatible.
class QuotaCounts {
 public:
  explicit QuotaCounts(const AllocationLimits& limits) : limits_(limits) {}

  bool Take(std::string_view tenant, std::string_view subject);
  void GiveBack(std::string_view tenant, std::string_view subject);
  // What single tenants may have instead, from the next Take() on.
  void SetTenants(std::shared_ptr<const TenantLimits> tenants) {
    overrides_ = std::move(tenants);
  }
  bool empty() const { return tenants_.empty() && subjects_.empty(); }

 private:
  const AllocationLimits limits_;
  std::shared_ptr<const TenantLimits> overrides_;  // null: none
  absl::flat_hash_map<std::string, size_t> tenants_;
  absl::flat_hash_map<std::string, size_t> subjects_;
};

// Of a relay with a single loop. Thread-compatible.
class LocalQuota final : public AllocationQuota {
 public:
  explicit LocalQuota(const AllocationLimits& limits)
      : limits_(limits), counts_(limits) {}

  QuotaVerdict Take(std::string_view tenant, std::string_view subject) override;
  void GiveBack(std::string_view tenant, std::string_view subject) override;
  void SetTenants(std::shared_ptr<const TenantLimits> tenants) {
    counts_.SetTenants(std::move(tenants));
  }

 private:
  const AllocationLimits limits_;
  size_t all_ = 0;
  QuotaCounts counts_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ALLOCATION_QUOTA_H_
