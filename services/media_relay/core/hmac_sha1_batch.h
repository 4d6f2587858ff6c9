// HMAC-SHA1 of many packets side by side, for SRTP's authentication tags
// (RFC 2104, RFC 3711 section 4.2.1).

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_HMAC_SHA1_BATCH_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_HMAC_SHA1_BATCH_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::media_relay {

inline constexpr size_t kHmacSha1Size = 20;

// A key as SHA-1 has it after the inner and after the outer pad.
struct HmacSha1Key {
  std::array<uint32_t, 5> inner;
  std::array<uint32_t, 5> outer;

  // At most 64 octets.
  static HmacSha1Key Of(ByteSpan key);
  void Cleanse();
};

// One packet: `size` octets at `data`, and the four of `suffix` behind them.
struct HmacSha1Job {
  HmacSha1Key key;
  const uint8_t* data;
  size_t size;
  uint32_t suffix;
  std::array<uint8_t, kHmacSha1Size> digest;

  // Whether `digest`, once filled in, is of all this too.
  bool IsOf(const HmacSha1Key& other_key, const uint8_t* other_data,
            size_t other_size, uint32_t other_suffix) const;
};

// Fills in `digest`.
void ComputeHmacSha1(HmacSha1Job& job);
// How many are computed: a block of each of 16 at a time (AVX-512), of 8
// (AVX2), or one after the other, by SHA instructions where there are some.
enum class HmacSha1Way : uint8_t { kOneByOne, kLanes8, kLanes16 };
// Of this processor.
bool CanCompute(HmacSha1Way way);
HmacSha1Way FastestHmacSha1Way();
// The same for all of them. `way` must be one that the processor can.
void ComputeHmacSha1(absl::Span<HmacSha1Job> jobs,
                     HmacSha1Way way = FastestHmacSha1Way());

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_HMAC_SHA1_BATCH_H_
