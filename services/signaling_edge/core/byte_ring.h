// Octets of which the last so many are kept.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_BYTE_RING_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_BYTE_RING_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/types/span.h"

namespace sallyport::signaling_edge {

// What is appended stays where it is until as much again as the ring holds has
// come: nothing is searched, moved or freed to make room, so that appending
// always takes the same time. Memory is taken a block at a time, up to the
// capacity, and kept. Thread-compatible.
class ByteRing {
 public:
  // Of octets; 0 keeps nothing.
  explicit ByteRing(size_t capacity) : capacity_(capacity) {}

  // Where the next octets will be; never decreases but by Clear().
  uint64_t end() const { return end_; }
  // At most capacity() at once.
  void Append(std::string_view octets);
  // Whether octets from `position` on, appended before, are all still there.
  bool Holds(uint64_t position) const {
    return position < end_ && end_ - position <= capacity_;
  }
  // Those at `position`, which Holds() it. Never beyond end().
  void Read(uint64_t position, absl::Span<char> out) const;
  // Forgets all; what comes next is at 0 again.
  void Clear() { end_ = 0; }

  size_t capacity() const { return capacity_; }
  // That are kept.
  size_t size() const {
    return static_cast<size_t>(std::min<uint64_t>(end_, capacity_));
  }

 private:
  static constexpr size_t kBlock = size_t{64} << 10;

  // Of `size` octets at `position`, those that lie together.
  absl::Span<char> Piece(uint64_t position, size_t size) const;

  const size_t capacity_;
  uint64_t end_ = 0;
  std::vector<std::unique_ptr<char[]>> blocks_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_BYTE_RING_H_
