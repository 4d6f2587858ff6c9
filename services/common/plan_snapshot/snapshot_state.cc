#include "services/common/plan_snapshot/snapshot_state.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/digest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_entry.h"
#include "services/common/plan_snapshot/snapshot_proto.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::dialplan::v1;

// The cache: this, the SHA-256 of what follows, one serialized full message.
constexpr std::string_view kMagic = "sallyport-plan-1\n";

absl::Status OutOfStep() {
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   "SNAPSHOT_OUT_OF_STEP",
                   "the message does not follow the version held");
}

absl::Status CheckSum(const PlanChecksum& sum,
                      const pb::WatchSnapshotResponse& message) {
  if (sum.Hex() == message.checksum()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kDataLoss, "SNAPSHOT_CHECKSUM_MISMATCH",
                   "what was received is not what dialplan has");
}

absl::Status Corrupt() {
  return MakeError(absl::StatusCode::kDataLoss, "SNAPSHOT_CACHE_CORRUPT",
                   "the saved snapshot is not what was written");
}

}  // namespace

absl::StatusOr<bool> SnapshotState::Apply(
    const pb::WatchSnapshotResponse& message) {
  switch (message.payload_case()) {
    case pb::WatchSnapshotResponse::kFull: {
      if (message.version() != pending_version_) pending_.clear();
      pending_version_ = message.version();
      for (const pb::Resource& resource : message.full().resources()) {
        pending_[NameOf(resource)] =
            std::make_shared<const pb::Resource>(resource);
      }
      if (!message.full().last()) return false;
      pending_version_ = 0;
      Resources resources = std::exchange(pending_, {});
      PlanChecksum sum;
      for (const auto& [name, resource] : resources) {
        sum.Add(name, EtagOf(*resource));
      }
      SP_RETURN_IF_ERROR(CheckSum(sum, message));
      resources_ = std::move(resources);
      all_touched_ = true;
      Accept(sum, message);
      return true;
    }
    case pb::WatchSnapshotResponse::kDelta: {
      pending_.clear();
      if (version_ == 0 || message.delta().base_version() != version_) {
        return OutOfStep();
      }
      // The sum first: what does not fit must leave everything as it was, and
      // a small change must not cost a copy of a large plan.
      PlanChecksum sum = sum_;
      std::map<std::string_view, const pb::Resource*> after;
      for (const std::string& name : message.delta().deleted()) {
        after[name] = nullptr;
      }
      for (const pb::Resource& resource : message.delta().upserted()) {
        after[NameOf(resource)] = &resource;
      }
      for (const auto& [name, resource] : after) {
        const auto it = resources_.find(std::string(name));
        if (it != resources_.end()) sum.Remove(name, EtagOf(*it->second));
        if (resource != nullptr) sum.Add(name, EtagOf(*resource));
      }
      SP_RETURN_IF_ERROR(CheckSum(sum, message));
      for (const auto& [name, resource] : after) {
        if (!all_touched_) touched_.emplace(TenantOf(name));
        if (resource == nullptr) {
          resources_.erase(std::string(name));
        } else {
          resources_[std::string(name)] =
              std::make_shared<const pb::Resource>(*resource);
        }
      }
      Accept(sum, message);
      return true;
    }
    case pb::WatchSnapshotResponse::kHeartbeat:
      if (message.version() != version_) return OutOfStep();
      return false;
    case pb::WatchSnapshotResponse::PAYLOAD_NOT_SET:
      // A kind of a later version: what it changed is unknown here.
      return OutOfStep();
  }
  return OutOfStep();
}

void SnapshotState::Accept(const PlanChecksum& sum,
                           const pb::WatchSnapshotResponse& from) {
  sum_ = sum;
  version_ = from.version();
  checksum_ = from.checksum();
}

std::shared_ptr<const PlanSnapshot> SnapshotState::Snapshot() const {
  auto snapshot = std::make_shared<PlanSnapshot>();
  snapshot->version = version_;
  snapshot->checksum = checksum_;
  for (const auto& [name, resource] : resources_) {
    if (std::optional<PlanEntry> entry = EntryOf(*resource)) {
      AddTo(*snapshot, *std::move(entry));
    }
  }
  ResolveDefaults(*snapshot);
  return snapshot;
}

PlanUpdate SnapshotState::TakeUpdate() {
  PlanUpdate update;
  update.version = version_;
  update.checksum = checksum_;
  update.all = std::exchange(all_touched_, false);
  std::map<std::string, std::shared_ptr<PlanSnapshot>, std::less<>> plans;
  const auto add = [&plans](const pb::Resource& resource) {
    std::optional<PlanEntry> entry = EntryOf(resource);
    if (!entry.has_value()) return;
    const std::string_view tenant = TenantOf(NameOf(resource));
    auto it = plans.find(tenant);
    if (it == plans.end()) it = plans.try_emplace(std::string(tenant)).first;
    if (it->second == nullptr) it->second = std::make_shared<PlanSnapshot>();
    AddTo(*it->second, *std::move(entry));
  };
  if (update.all) {
    for (const auto& [name, resource] : resources_) add(*resource);
  }
  for (const std::string& tenant : std::exchange(touched_, {})) {
    if (update.all) break;
    plans.try_emplace(tenant);  // of which nothing may be left
    const auto own = resources_.find(tenant);
    if (own != resources_.end()) add(*own->second);
    const std::string prefix = tenant + "/";
    for (auto it = resources_.lower_bound(prefix);
         it != resources_.end() &&
         it->first.compare(0, prefix.size(), prefix) == 0;
         ++it) {
      add(*it->second);
    }
  }
  for (auto& [name, plan] : plans) {
    if (plan != nullptr) {
      plan->version = version_;
      plan->checksum = checksum_;
      ResolveDefaults(*plan);
    }
    update.tenants.push_back({name, std::move(plan)});
  }
  return update;
}

std::string SnapshotState::Save() const {
  pb::WatchSnapshotResponse message;
  message.set_version(version_);
  message.set_checksum(checksum_);
  message.mutable_full()->set_last(true);
  for (const auto& [name, resource] : resources_) {
    *message.mutable_full()->add_resources() = *resource;
  }
  const std::string body = message.SerializeAsString();
  const Sha256Digest digest = Sha256(AsBytes(body));
  std::string out(kMagic);
  out.append(AsText(digest));
  out.append(body);
  return out;
}

absl::StatusOr<SnapshotState> SnapshotState::Restore(std::string_view saved) {
  constexpr size_t kHead = kMagic.size() + sizeof(Sha256Digest);
  if (saved.size() < kHead || saved.substr(0, kMagic.size()) != kMagic) {
    return Corrupt();
  }
  const std::string_view body = saved.substr(kHead);
  const Sha256Digest digest = Sha256(AsBytes(body));
  if (saved.substr(kMagic.size(), digest.size()) != AsText(digest)) {
    return Corrupt();
  }
  pb::WatchSnapshotResponse message;
  if (!message.ParseFromArray(body.data(), static_cast<int>(body.size())) ||
      !message.has_full() || !message.full().last()) {
    return Corrupt();
  }
  SnapshotState state;
  if (message.version() == 0) return state;  // saved before anything came
  if (!state.Apply(message).ok()) return Corrupt();
  return state;
}

}  // namespace sallyport
