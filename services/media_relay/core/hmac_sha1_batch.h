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
};

// Fills in `digest`.
void ComputeHmacSha1(HmacSha1Job& job);
// The same for all of them: sixteen at a time where the processor has AVX-512,
// else one by one.
void ComputeHmacSha1(absl::Span<HmacSha1Job> jobs);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_HMAC_SHA1_BATCH_H_
