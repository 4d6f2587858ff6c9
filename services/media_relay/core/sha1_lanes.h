// SHA-1 of many messages side by side: one block of each at a time, in the
// lanes of the processor's vectors (FIPS 180-4 section 6.1.2).

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_SHA1_LANES_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_SHA1_LANES_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace sallyport::media_relay {

inline constexpr size_t kSha1Block = 64;

// The five words of each message's state: `words[word][lane]`.
template <size_t kLanes>
struct alignas(64) Sha1LaneState {
  std::array<std::array<uint32_t, kLanes>, 5> words;
};
using Sha1State8 = Sha1LaneState<8>;
using Sha1State16 = Sha1LaneState<16>;

// Whether this processor can.
bool HasSha1Lanes8();   // AVX2
bool HasSha1Lanes16();  // AVX-512, F and BW

// Takes the block at `blocks[lane]` into the state of each lane whose bit is
// set in `active`; the other blocks are read all the same. Only where the
// processor can.
void CompressSha1Lanes(Sha1State8& state,
                       const std::array<const uint8_t*, 8>& blocks,
                       uint32_t active);
void CompressSha1Lanes(Sha1State16& state,
                       const std::array<const uint8_t*, 16>& blocks,
                       uint32_t active);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_SHA1_LANES_H_
