#include "services/signaling_edge/core/byte_ring.h"

#include <cstring>

#include "services/common/status/check.h"

namespace sallyport::signaling_edge {

absl::Span<char> ByteRing::Piece(uint64_t position, size_t size) const {
  const size_t at = static_cast<size_t>(position % capacity_);
  const size_t in_block = at % kBlock;
  const size_t together = std::min({size, kBlock - in_block, capacity_ - at});
  return absl::MakeSpan(&blocks_[at / kBlock][in_block], together);
}

void ByteRing::Append(std::string_view octets) {
  SP_CHECK(octets.size() <= capacity_);
  while (!octets.empty()) {
    if (blocks_.size() * kBlock <= end_ % capacity_) {
      blocks_.push_back(std::make_unique<char[]>(
          std::min(kBlock, capacity_ - blocks_.size() * kBlock)));
    }
    const absl::Span<char> piece = Piece(end_, octets.size());
    std::memcpy(piece.data(), octets.data(), piece.size());
    octets.remove_prefix(piece.size());
    end_ += piece.size();
  }
}

void ByteRing::Read(uint64_t position, absl::Span<char> out) const {
  SP_CHECK(Holds(position) && out.size() <= end_ - position);
  while (!out.empty()) {
    const absl::Span<char> piece = Piece(position, out.size());
    std::memcpy(out.data(), piece.data(), piece.size());
    out.remove_prefix(piece.size());
    position += piece.size();
  }
}

}  // namespace sallyport::signaling_edge
