#include "services/dialplan/rpc/plan_resolver.h"

#include <memory>
#include <optional>
#include <utility>

#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_entry.h"
#include "services/common/plan_snapshot/route_answer.h"
#include "services/common/status/status_macros.h"

namespace sallyport::dialplan {

namespace pb = ::sallyport::dialplan::v1;

absl::StatusOr<std::shared_ptr<const Resolver>> PlanResolver::Current() {
  absl::MutexLock lock(&mutex_);
  const int64_t have = current_ == nullptr ? 0 : current_->snapshot().version;
  const std::optional<PlanBoard::Update> update =
      current_ == nullptr || board_.head().version != have
          ? board_.Since(0, "", {})
          : std::nullopt;
  if (!update.has_value()) return current_;
  auto snapshot = std::make_shared<PlanSnapshot>();
  snapshot->version = update->head.version;
  snapshot->checksum = update->head.checksum;
  for (const auto& [name, record] : update->records) {
    AddTo(*snapshot, record->entry);
  }
  ResolveDefaults(*snapshot);
  SP_ASSIGN_OR_RETURN(current_, Resolver::Create(std::move(snapshot)));
  return current_;
}

absl::StatusOr<pb::ResolveRouteResponse> PlanResolver::Answer(
    const pb::ResolveRouteRequest& request) {
  SP_ASSIGN_OR_RETURN(const std::shared_ptr<const Resolver> resolver,
                      Current());
  return AnswerRoute(request, *resolver);
}

}  // namespace sallyport::dialplan
