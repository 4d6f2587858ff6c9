// How many strings a pattern matches: exact, as ties must be ties.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_MATCH_COUNT_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_MATCH_COUNT_H_

#include <array>
#include <compare>
#include <cstdint>
#include <string>

namespace sallyport {

// An unsigned number of 256 bits. The greatest count there is, 17 symbols in
// each of 48 places, is below 2^197, so nothing here can overflow.
// Immutable in effect: a value type. Thread-compatible.
class MatchCount {
 public:
  constexpr MatchCount() = default;
  constexpr explicit MatchCount(uint64_t value) : limbs_{value, 0, 0, 0} {}

  MatchCount& operator*=(uint32_t factor);
  MatchCount& operator+=(const MatchCount& other);

  bool operator==(const MatchCount&) const = default;
  std::strong_ordering operator<=>(const MatchCount& other) const;

  // The lowest 64 bits.
  uint64_t low() const { return limbs_[0]; }

  // In decimal.
  std::string ToString() const;

 private:
  std::array<uint64_t, 4> limbs_{};  // lowest first
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_MATCH_COUNT_H_
