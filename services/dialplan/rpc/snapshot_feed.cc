#include "services/dialplan/rpc/snapshot_feed.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "grpcpp/support/slice.h"
#include "sallyport/dialplan/v1/snapshot.pb.h"
#include "services/common/config/proto_time.h"
#include "services/dialplan/rpc/resource_wire.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

// Streams join an image that others are being sent while it is at most so many
// changes old.
constexpr size_t kJoinable = 1000;

// Moves the octets, without a copy.
grpc::ByteBuffer BufferOf(std::string octets) {
  auto* owned = new std::string(std::move(octets));
  const grpc::Slice slice(
      owned->data(), owned->size(),
      [](void* text) { delete static_cast<std::string*>(text); }, owned);
  return grpc::ByteBuffer(&slice, 1);
}

// All but the payload.
std::string Stamp(const PlanBoard::Head& head) {
  pb::WatchSnapshotResponse message;
  message.set_version(head.version);
  message.set_checksum(head.checksum);
  *message.mutable_create_time() = ToProto(head.time);
  return message.SerializeAsString();
}

grpc::ByteBuffer MessageOf(const PlanBoard::Head& head, int field,
                           const std::string& payload) {
  std::string out = Stamp(head);
  out.reserve(out.size() + payload.size() + 16);
  AppendBytes(field, payload, out);
  return BufferOf(std::move(out));
}

// The records of some tenants, in byte order of their names.
std::vector<RecordPtr> Choose(const RecordMap& records,
                              const PlanBoard::Tenants& tenants) {
  std::vector<RecordPtr> out;
  for (const std::string& tenant :
       std::set<std::string>(tenants.begin(), tenants.end())) {
    if (RecordPtr own = records.Find(tenant)) out.push_back(std::move(own));
    const std::string prefix = tenant + "/";
    for (auto it = records.LowerBound(prefix);
         it != records.end() &&
         (*it)->name().compare(0, prefix.size(), prefix) == 0;
         ++it) {
      out.push_back(*it);
    }
  }
  std::sort(out.begin(), out.end(), [](const RecordPtr& a, const RecordPtr& b) {
    return a->name() < b->name();
  });
  return out;
}

}  // namespace

SnapshotImage::SnapshotImage(PlanBoard::View view,
                             const PlanBoard::Tenants& tenants,
                             bool with_secrets, size_t part_bytes)
    : head_(std::move(view.head)),
      with_secrets_(with_secrets),
      part_bytes_(part_bytes),
      all_(std::move(view.records)),
      filtered_(!tenants.empty()) {
  if (filtered_) chosen_ = Choose(all_, tenants);
  places_.push_back({all_.begin(), 0});
}

bool SnapshotImage::AtEnd(const Place& place) const {
  return filtered_ ? place.chosen == chosen_.size() : place.at == all_.end();
}

SnapshotImage::Part SnapshotImage::Encode(Place& place) const {
  std::string payload;
  payload.reserve(part_bytes_ + (part_bytes_ >> 3));
  while (!AtEnd(place) && payload.size() < part_bytes_) {
    const PlanRecord& record = filtered_ ? *chosen_[place.chosen] : **place.at;
    AppendResource(pb::SnapshotPart::kResourcesFieldNumber, record,
                   with_secrets_, payload);
    if (filtered_) {
      ++place.chosen;
    } else {
      ++place.at;
    }
  }
  Part out;
  out.last = AtEnd(place);
  if (out.last) {
    pb::SnapshotPart last;
    last.set_last(true);
    payload += last.SerializeAsString();
  }
  out.message =
      MessageOf(head_, pb::WatchSnapshotResponse::kFullFieldNumber, payload);
  return out;
}

SnapshotImage::Part SnapshotImage::Get(size_t index) {
  absl::MutexLock lock(&mutex_);
  if (const auto it = kept_.find(index); it != kept_.end()) return it->second;
  Place place = places_.at(index);
  Part part = Encode(place);
  if (!part.last && places_.size() == index + 1) places_.push_back(place);
  kept_[index] = part;
  // Those that come first go first, as all streams go the same way.
  if (kept_.size() > kKeptParts) kept_.erase(kept_.begin());
  return part;
}

SnapshotFeed::SnapshotFeed(const PlanBoard& board, Options options)
    : board_(board),
      options_(std::move(options)),
      view_(board.view(options_.tenants)) {}

void SnapshotFeed::Advance() {
  absl::MutexLock lock(&mutex_);
  PlanBoard::View newest = board_.view(options_.tenants);
  if (newest.head.version == view_.head.version) return;
  view_ = std::move(newest);
  deltas_.clear();
}

SnapshotFeed::Step SnapshotFeed::Next(int64_t version,
                                      std::string_view checksum) {
  absl::MutexLock lock(&mutex_);
  Step out;
  out.version = view_.head.version;
  if (version == view_.head.version && version > 0 && checksum.empty()) {
    return out;
  }
  const auto known = checksum.empty() ? deltas_.find(version) : deltas_.end();
  if (known != deltas_.end()) {
    out.delta = known->second;
  } else if (const auto names =
                 board_.NamesSince(version, checksum, options_.tenants);
             names.has_value()) {
    if (version == view_.head.version) return out;
    // The board may be ahead of this feed's version, and the names with it:
    // their values are those of this version all the same.
    if (version < view_.head.version) {
      out.delta = EncodeDelta(version, *names);
      if (checksum.empty()) deltas_[version] = out.delta;
    }
  }
  if (!out.delta.has_value()) {
    out.image = Image();
    out.version = out.image->version();
  }
  return out;
}

std::optional<grpc::ByteBuffer> SnapshotFeed::EncodeDelta(
    int64_t base, const std::set<std::string>& names) const {
  pb::SnapshotDelta head;
  head.set_base_version(base);
  std::string payload = head.SerializeAsString();
  for (const std::string& name : names) {
    if (const RecordPtr record = view_.records.Find(name)) {
      AppendResource(pb::SnapshotDelta::kUpsertedFieldNumber, *record,
                     options_.with_secrets, payload);
    } else {
      AppendBytes(pb::SnapshotDelta::kDeletedFieldNumber, name, payload);
    }
    if (payload.size() > options_.max_delta_bytes) return std::nullopt;
  }
  return MessageOf(view_.head, pb::WatchSnapshotResponse::kDeltaFieldNumber,
                   payload);
}

std::shared_ptr<SnapshotImage> SnapshotFeed::Image() {
  if (std::shared_ptr<SnapshotImage> image = image_.lock()) {
    if (image->version() == view_.head.version) return image;
    const auto names =
        board_.NamesSince(image->version(), "", options_.tenants);
    if (names.has_value() && names->size() <= kJoinable) return image;
  }
  auto image = std::make_shared<SnapshotImage>(
      view_, options_.tenants, options_.with_secrets, options_.part_bytes);
  image_ = image;
  return image;
}

grpc::ByteBuffer EncodeHeartbeat(int64_t version) {
  pb::WatchSnapshotResponse message;
  message.set_version(version);
  message.mutable_heartbeat();
  return BufferOf(message.SerializeAsString());
}

}  // namespace sallyport::dialplan
