#include "services/signaling_edge/io/start_mode.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/served_plans.h"
#include "services/signaling_edge/core/um_recycler_config.h"

namespace sallyport::signaling_edge {
namespace {

std::string Text(const std::optional<bool>& value) {
  return !value.has_value() ? "" : *value ? "1" : "0";
}

}  // namespace

absl::StatusOr<std::unique_ptr<StartMode>> StartMode::Create(std::string file,
                                                             std::string edge) {
  auto out = absl::WrapUnique(new StartMode(std::move(file), std::move(edge)));
  SP_ASSIGN_OR_RETURN(const std::optional<bool> value, out->Read());
  absl::MutexLock lock(&out->mutex_);
  out->at_start_ = value;
  out->now_ = value;
  return out;
}

absl::StatusOr<std::optional<bool>> StartMode::Read() const {
  if (file_.empty()) return std::optional<bool>();
  SP_ASSIGN_OR_RETURN(const std::string content,
                      ReadWholeFile(file_, kMaxUmRecyclerConfig));
  return ParseStartSecured(content);
}

StartMode::Decision StartMode::OnPlan(const PlanIndex& plan, bool& first) {
  absl::MutexLock lock(&mutex_);
  first = !decision_.has_value();
  if (!first) return *decision_;
  Decision made;
  if (FollowsRtm(plan, edge_) && !ServesAnyPlan(plan, edge_)) {
    made.secured = at_start_.value_or(false);
    made.by_file = at_start_.has_value();
  } else {
    made.secured = ServesSecuredPlan(plan, edge_);
    made.file_ignored = at_start_.has_value();
  }
  decision_ = made;
  return made;
}

std::optional<StartMode::Decision> StartMode::decision() const {
  absl::MutexLock lock(&mutex_);
  return decision_;
}

std::optional<bool> StartMode::ListenersFor(const PlanIndex& plan) const {
  absl::MutexLock lock(&mutex_);
  if (!decision_.has_value() || !decision_->by_file ||
      !FollowsRtm(plan, edge_)) {
    return std::nullopt;
  }
  return decision_->secured;
}

void StartMode::Refresh() {
  if (file_.empty()) return;
  auto value = Read();
  absl::MutexLock lock(&mutex_);
  now_ = std::move(value);
}

std::vector<SettingDifference> StartMode::Waiting() const {
  absl::MutexLock lock(&mutex_);
  // Where dial plans decide, the file waits for nothing.
  if (!decision_.has_value() || decision_->file_ignored) return {};
  const std::string before = Text(at_start_);
  const std::string after =
      now_.ok() ? Text(*now_)
                : absl::StrCat("refused: ", now_.status().message());
  if (before == after) return {};
  return {{"um_recycler_config_file: StartSecured", before, after}};
}

}  // namespace sallyport::signaling_edge
