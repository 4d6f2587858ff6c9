// Places of a KeyedCounts that are given back by themselves.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_KEYED_PLACES_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_KEYED_PLACES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "services/signaling_edge/core/keyed_counts.h"

namespace sallyport::signaling_edge {

// What one key has taken, for as long as this lives. Thread-compatible.
class KeyedPlaces {
 public:
  // None.
  KeyedPlaces() = default;
  // So many more of `key`, which may have `most` of them; all of them or, empty
  // then, none. `counts` must outlive the result.
  static std::optional<KeyedPlaces> Take(KeyedCounts& counts, uint64_t key,
                                         size_t places, uint32_t most) {
    KeyedPlaces out;
    out.counts_ = &counts;
    out.key_ = key;
    for (; out.places_ < places; ++out.places_) {
      if (!counts.AddUnder(key, most)) return std::nullopt;
    }
    return out;
  }
  ~KeyedPlaces() { GiveBack(); }
  KeyedPlaces(KeyedPlaces&& other) noexcept { *this = std::move(other); }
  KeyedPlaces& operator=(KeyedPlaces&& other) noexcept {
    if (this == &other) return *this;
    GiveBack();
    counts_ = other.counts_;
    key_ = other.key_;
    places_ = std::exchange(other.places_, 0);
    return *this;
  }

  void GiveBack() {
    for (; places_ > 0; --places_) counts_->Remove(key_);
  }

 private:
  KeyedCounts* counts_ = nullptr;
  uint64_t key_ = 0;
  size_t places_ = 0;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_KEYED_PLACES_H_
