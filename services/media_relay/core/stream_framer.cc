#include "services/media_relay/core/stream_framer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/channel_data.h"
#include "services/media_relay/core/stun_message.h"

namespace sallyport::media_relay {
namespace {

// Where both framings have said their length.
constexpr size_t kHead = 4;

size_t Load16(const uint8_t* p) {
  return static_cast<size_t>((p[0] << 8) | p[1]);
}

}  // namespace

size_t StreamFramer::SizeOf(ByteSpan begin, bool& broken) const {
  if (begin.empty()) return 0;
  const uint8_t first = begin[0];
  size_t size = 0;
  if (framing_ == StreamFraming::kRfc4571) {
    if (begin.size() < 2) return 0;
    size = 2 + Load16(begin.data());
  } else if (framing_ == StreamFraming::kMsTurn) {
    broken = (first != kMsTurnControl && first != kMsTurnData) ||
             (begin.size() > 1 && begin[1] != 0);
    if (broken || begin.size() < kHead) return 0;
    size = kMsTurnFrameHeader + Load16(&begin[2]);
  } else if (first < 0x40) {
    if (begin.size() < kHead) return 0;
    const size_t length = Load16(&begin[2]);
    broken = length % 4 != 0;
    size = kStunHeaderSize + length;
  } else {
    broken = first > 0x7F;
    if (broken || begin.size() < kHead) return 0;
    // Padded on connections (RFC 8656 section 12.5).
    size = kChannelDataHeaderSize + ((Load16(&begin[2]) + 3) & ~size_t{3});
  }
  if (size > kMaxStreamUnit) broken = true;
  return broken ? 0 : size;
}

StreamUnit StreamFramer::Make(ByteSpan whole, bool buffered) const {
  if (framing_ == StreamFraming::kMsTurn) {
    return {whole.subspan(kMsTurnFrameHeader), whole[0], buffered};
  }
  return {whole, 0, buffered};
}

StreamFramer::Result StreamFramer::Next(ByteSpan& input, StreamUnit& unit) {
  if (given_) {
    given_ = false;
    partial_ = {};
  }
  for (;;) {
    bool broken = false;
    const size_t size =
        SizeOf(partial_.empty() ? input : ByteSpan(partial_), broken);
    if (broken) return Result::kBroken;
    if (size != 0 && partial_.empty() && input.size() >= size) {
      unit = Make(input.first(size), /*buffered=*/false);
      input.remove_prefix(size);
      return Result::kUnit;
    }
    if (size != 0 && partial_.size() == size) {
      given_ = true;
      unit = Make(partial_, /*buffered=*/true);
      return Result::kUnit;
    }
    if (input.empty()) return Result::kMore;
    const size_t head = framing_ == StreamFraming::kRfc4571 ? 2 : kHead;
    const size_t wanted = size == 0 ? head : size;
    const size_t count = std::min(wanted - partial_.size(), input.size());
    partial_.reserve(wanted);
    partial_.insert(partial_.end(), input.begin(),
                    input.begin() + static_cast<ptrdiff_t>(count));
    input.remove_prefix(count);
  }
}

}  // namespace sallyport::media_relay
