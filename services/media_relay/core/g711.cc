#include "services/media_relay/core/g711.h"

#include <algorithm>
#include <bit>
#include <cstdint>

namespace sallyport::media_relay {
namespace {

constexpr int kLargest = 32635;
constexpr int kMuLawBias = 0x84;

}  // namespace

uint8_t MuLawFromLinear(int16_t sample) {
  const int sign = sample < 0 ? 0x80 : 0;
  const int magnitude =
      std::min(sample < 0 ? -static_cast<int>(sample) : int{sample}, kLargest) +
      kMuLawBias;
  // At least the bias, whose highest bit is the seventh.
  const int exponent =
      static_cast<int>(std::bit_width(static_cast<unsigned>(magnitude))) - 8;
  const int mantissa = (magnitude >> (exponent + 3)) & 0xF;
  return static_cast<uint8_t>(~(sign | (exponent << 4) | mantissa));
}

int16_t LinearFromMuLaw(uint8_t octet) {
  const int bits = ~octet & 0xFF;
  const int magnitude =
      ((((bits & 0xF) << 3) + kMuLawBias) << ((bits >> 4) & 7)) - kMuLawBias;
  return static_cast<int16_t>((bits & 0x80) != 0 ? -magnitude : magnitude);
}

uint8_t ALawFromLinear(int16_t sample) {
  const int sign = sample < 0 ? 0 : 0x80;
  // One's complement, as the codes of both signs mirror each other.
  const int magnitude = std::min(
      sample < 0 ? -static_cast<int>(sample) - 1 : int{sample}, kLargest);
  int code = magnitude >> 4;
  if (magnitude >= 256) {
    const int exponent =
        static_cast<int>(std::bit_width(static_cast<unsigned>(magnitude))) - 8;
    code = (exponent << 4) | ((magnitude >> (exponent + 3)) & 0xF);
  }
  return static_cast<uint8_t>((code | sign) ^ 0x55);
}

int16_t LinearFromALaw(uint8_t octet) {
  const int bits = octet ^ 0x55;
  const int exponent = (bits >> 4) & 7;
  int magnitude = ((bits & 0xF) << 4) + 8;
  if (exponent > 0) magnitude = (magnitude + 0x100) << (exponent - 1);
  return static_cast<int16_t>((bits & 0x80) != 0 ? magnitude : -magnitude);
}

}  // namespace sallyport::media_relay
