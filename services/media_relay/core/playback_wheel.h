// When each of many playbacks sends its next packet.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PLAYBACK_WHEEL_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PLAYBACK_WHEEL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {

// A wheel that turns in 20 ms and has a place every 2 ms; what is at a place is
// due when the wheel comes by, in one batch. Everything is O(1) but for the ten
// places, however many there are; a round never drifts. Thread-compatible.
class PlaybackWheel {
 public:
  static constexpr size_t kPlaces = 10;
  static constexpr absl::Duration kStep = absl::Milliseconds(2);
  // What is later than this is left out: a receiver could not use it.
  static constexpr absl::Duration kLongestLag = absl::Milliseconds(100);

  struct Due {
    SocketId key;
    uint64_t round;  // of 20 ms, since the origin of time
  };

  // At the place with the fewest; nothing when it is there.
  void Add(SocketId key, MonoTime now);
  void Remove(SocketId key);

  // Of the next place with anything; InfiniteFuture() when there is none.
  MonoTime deadline() const;
  // To be called until it yields nothing. Remove() and Add() may be called in
  // between.
  std::optional<Due> Next(MonoTime now);

  size_t size() const { return where_.size(); }
  bool Has(SocketId key) const { return where_.contains(key); }

 private:
  struct Where {
    size_t place;
    size_t index;
  };

  std::vector<SocketId>& PlaceOf(uint64_t tick) {
    return places_[tick % kPlaces];
  }
  void Put(size_t place, size_t index, SocketId key);

  std::array<std::vector<SocketId>, kPlaces> places_;
  absl::flat_hash_map<SocketId, Where> where_;
  uint64_t tick_ = 0;  // of kStep since the origin; the next to be served
  size_t served_ = 0;  // at its place
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PLAYBACK_WHEEL_H_
