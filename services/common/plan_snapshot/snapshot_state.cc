#include "services/common/plan_snapshot/snapshot_state.h"

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
      return Finish(std::move(resources), sum, message);
    }
    case pb::WatchSnapshotResponse::kDelta: {
      pending_.clear();
      if (version_ == 0 || message.delta().base_version() != version_) {
        return OutOfStep();
      }
      Resources resources = resources_;
      PlanChecksum sum = sum_;
      const auto remove = [&](const std::string& name) {
        const auto it = resources.find(name);
        if (it == resources.end()) return;
        sum.Remove(name, EtagOf(*it->second));
        resources.erase(it);
      };
      for (const std::string& name : message.delta().deleted()) remove(name);
      for (const pb::Resource& resource : message.delta().upserted()) {
        remove(NameOf(resource));
        sum.Add(NameOf(resource), EtagOf(resource));
        resources[NameOf(resource)] =
            std::make_shared<const pb::Resource>(resource);
      }
      return Finish(std::move(resources), sum, message);
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

absl::StatusOr<bool> SnapshotState::Finish(
    Resources resources, const PlanChecksum& sum,
    const pb::WatchSnapshotResponse& from) {
  if (sum.Hex() != from.checksum()) {
    return MakeError(absl::StatusCode::kDataLoss, "SNAPSHOT_CHECKSUM_MISMATCH",
                     "what was received is not what dialplan has");
  }
  resources_ = std::move(resources);
  sum_ = sum;
  version_ = from.version();
  checksum_ = from.checksum();
  return true;
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
