#include "services/signaling_edge/core/tenant_counts.h"

#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "services/common/bytes/string_view.h"

namespace sallyport::signaling_edge {

TenantCounts::TenantCounts(RandomSource& random)
    : key_(random.NextU64()), calls_(kTenants), contacts_(kTenants) {}

uint64_t TenantCounts::KeyOf(std::string_view tenant) const {
  return absl::Hash<std::pair<uint64_t, absl::string_view>>{}(
      {key_, AbslView(tenant)});
}

}  // namespace sallyport::signaling_edge
