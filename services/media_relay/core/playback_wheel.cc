#include "services/media_relay/core/playback_wheel.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {
namespace {

uint64_t TickAt(MonoTime time) {
  return static_cast<uint64_t>(time.since_origin() / PlaybackWheel::kStep);
}

MonoTime TimeOf(uint64_t tick) {
  return MonoTime::FromOrigin(static_cast<int64_t>(tick) *
                              PlaybackWheel::kStep);
}

}  // namespace

void PlaybackWheel::Put(size_t place, size_t index, SocketId key) {
  places_[place][index] = key;
  where_[key].index = index;
}

void PlaybackWheel::Add(SocketId key, MonoTime now) {
  if (where_.contains(key)) return;
  if (where_.empty()) {
    tick_ = TickAt(now) + 1;
    served_ = 0;
  }
  const auto fewest = std::min_element(
      places_.begin(), places_.end(),
      [](const auto& a, const auto& b) { return a.size() < b.size(); });
  where_[key] = {static_cast<size_t>(fewest - places_.begin()), fewest->size()};
  fewest->push_back(key);
}

void PlaybackWheel::Remove(SocketId key) {
  const auto it = where_.find(key);
  if (it == where_.end()) return;
  const Where where = it->second;
  where_.erase(it);
  std::vector<SocketId>& place = places_[where.place];
  size_t hole = where.index;
  // Of a place that is being served, what was served stays before the rest.
  if (where.place == tick_ % kPlaces && hole < served_) {
    --served_;
    if (hole != served_) Put(where.place, hole, place[served_]);
    hole = served_;
  }
  if (hole + 1 != place.size()) Put(where.place, hole, place.back());
  place.pop_back();
}

MonoTime PlaybackWheel::deadline() const {
  if (where_.empty()) return MonoTime::InfiniteFuture();
  for (size_t i = 0; i < kPlaces; ++i) {
    const size_t size = places_[(tick_ + i) % kPlaces].size();
    if (size > (i == 0 ? served_ : 0)) return TimeOf(tick_ + i);
  }
  // All of it is at the place that was just served.
  return TimeOf(tick_ + kPlaces);
}

std::optional<PlaybackWheel::Due> PlaybackWheel::Next(MonoTime now) {
  if (where_.empty()) return std::nullopt;
  const uint64_t last = TickAt(now);
  const auto longest = static_cast<uint64_t>(kLongestLag / kStep);
  if (last > tick_ + longest) {
    tick_ = last - longest;
    served_ = 0;
  }
  for (; tick_ <= last; ++tick_, served_ = 0) {
    const std::vector<SocketId>& place = PlaceOf(tick_);
    if (served_ < place.size()) {
      return Due{place[served_++], tick_ / kPlaces};
    }
  }
  return std::nullopt;
}

}  // namespace sallyport::media_relay
