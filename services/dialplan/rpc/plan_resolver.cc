#include "services/dialplan/rpc/plan_resolver.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_entry.h"
#include "services/common/plan_snapshot/route_answer.h"
#include "services/common/status/status_macros.h"

namespace sallyport::dialplan {

namespace pb = ::sallyport::dialplan::v1;

absl::StatusOr<std::shared_ptr<const Resolver>> CompileTenant(
    const PlanBoard::View& view, std::string_view tenant) {
  auto snapshot = std::make_shared<PlanSnapshot>();
  snapshot->version = view.head.version;
  snapshot->checksum = view.head.checksum;
  if (const RecordPtr own = view.records.Find(tenant)) {
    AddTo(*snapshot, own->entry);
  }
  const std::string prefix = std::string(tenant) + "/";
  for (auto it = view.records.LowerBound(prefix);
       it != view.records.end() &&
       (*it)->name().compare(0, prefix.size(), prefix) == 0;
       ++it) {
    AddTo(*snapshot, (*it)->entry);
  }
  ResolveDefaults(*snapshot);
  return Resolver::Create(std::move(snapshot));
}

std::shared_ptr<PlanResolver::Tenant> PlanResolver::TenantAt(
    std::string_view name) {
  absl::MutexLock lock(&mutex_);
  const auto it = tenants_.find(AbslView(name));
  if (it != tenants_.end()) return it->second;
  return tenants_.try_emplace(std::string(name), std::make_shared<Tenant>())
      .first->second;
}

absl::StatusOr<std::shared_ptr<const Resolver>> PlanResolver::Current(
    std::string_view tenant, int64_t* version) {
  const auto [newest, changed] = board_.VersionsOf(tenant);
  *version = newest;
  if (changed == 0) {
    // Nothing is remembered of names that callers make up.
    return CompileTenant({}, tenant);
  }
  const std::shared_ptr<Tenant> place = TenantAt(tenant);
  absl::MutexLock lock(&place->mutex);
  if (place->changed_version < changed) {
    SP_ASSIGN_OR_RETURN(place->resolver, CompileTenant(board_.view(), tenant));
    place->changed_version = changed;
  }
  return place->resolver;
}

bool PlanResolver::IsCompiled(std::string_view tenant) {
  const int64_t changed = board_.VersionsOf(tenant).second;
  if (changed == 0) return true;
  const std::shared_ptr<Tenant> place = TenantAt(tenant);
  // Who holds it long compiles.
  if (!place->mutex.TryLock()) return false;
  const bool compiled = place->changed_version >= changed;
  place->mutex.Unlock();
  return compiled;
}

absl::StatusOr<pb::ResolveRouteResponse> PlanResolver::Answer(
    const pb::ResolveRouteRequest& request) {
  int64_t version = 0;
  SP_ASSIGN_OR_RETURN(const std::shared_ptr<const Resolver> resolver,
                      Current(request.parent(), &version));
  SP_ASSIGN_OR_RETURN(pb::ResolveRouteResponse out,
                      AnswerRoute(request, *resolver));
  // It may have been compiled from a newer one than was asked for.
  out.set_version(std::max(version, resolver->snapshot().version));
  return out;
}

}  // namespace sallyport::dialplan
