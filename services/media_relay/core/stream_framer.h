// What a client says over a connection, cut into units: STUN messages and
// ChannelData (RFC 8656 sections 3.1 and 12.5), or the frames of MS-TURN.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STREAM_FRAMER_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STREAM_FRAMER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "services/common/bytes/byte_span.h"

namespace sallyport::media_relay {

enum class StreamFraming : uint8_t {
  kTurn,     // lengths of STUN and, padded to four, of ChannelData
  kMsTurn,   // four octets before each unit: type, 0, length (MS-TURN 2.1)
  kRfc4571,  // two octets of length, which stay with the unit
};

// Types of MS-TURN frames.
inline constexpr uint8_t kMsTurnControl = 2;
inline constexpr uint8_t kMsTurnData = 3;
inline constexpr size_t kMsTurnFrameHeader = 4;

// Longest unit, its frame or padding included: what a datagram may be long. A
// longer one could not be relayed.
inline constexpr size_t kMaxStreamUnit = 2048;

struct StreamUnit {
  // One STUN message or one ChannelData with its padding; of MS-TURN what is
  // behind the frame's head. Borrowed from the input, or from the framer until
  // its next call.
  ByteSpan bytes;
  uint8_t type = 0;       // of the MS-TURN frame
  bool buffered = false;  // borrowed from the framer
};

// Holds at most one unit that has not come whole, so a connection costs at most
// kMaxStreamUnit octets here, and none between units. Thread-compatible.
class StreamFramer {
 public:
  enum class Result : uint8_t {
    kUnit,    // `unit` is one
    kMore,    // `input` is used up
    kBroken,  // neither framing: nothing that follows can be understood
  };

  explicit StreamFramer(StreamFraming framing) : framing_(framing) {}

  // Takes octets from the front of `input` until a unit is whole.
  Result Next(ByteSpan& input, StreamUnit& unit);

  StreamFraming framing() const { return framing_; }
  // Octets of a unit that is not whole; not all may be there for ever.
  size_t held() const { return partial_.size(); }

 private:
  // Whole size of the unit that begins so; 0: cannot be told yet.
  size_t SizeOf(ByteSpan begin, bool& broken) const;
  StreamUnit Make(ByteSpan whole, bool buffered) const;

  const StreamFraming framing_;
  bool given_ = false;  // partial_ was lent out
  std::vector<uint8_t> partial_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STREAM_FRAMER_H_
