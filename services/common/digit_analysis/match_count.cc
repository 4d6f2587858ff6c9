#include "services/common/digit_analysis/match_count.h"

#include <algorithm>
#include <string>

#include "absl/numeric/int128.h"

namespace sallyport {

MatchCount& MatchCount::operator*=(uint32_t factor) {
  uint64_t carry = 0;
  for (uint64_t& limb : limbs_) {
    const absl::uint128 product = absl::uint128(limb) * factor + carry;
    limb = absl::Uint128Low64(product);
    carry = absl::Uint128High64(product);
  }
  return *this;
}

MatchCount& MatchCount::operator+=(const MatchCount& other) {
  uint64_t carry = 0;
  for (size_t i = 0; i < limbs_.size(); ++i) {
    const absl::uint128 sum =
        absl::uint128(limbs_[i]) + other.limbs_[i] + carry;
    limbs_[i] = absl::Uint128Low64(sum);
    carry = absl::Uint128High64(sum);
  }
  return *this;
}

std::strong_ordering MatchCount::operator<=>(const MatchCount& other) const {
  for (size_t i = limbs_.size(); i-- > 0;) {
    if (limbs_[i] != other.limbs_[i]) return limbs_[i] <=> other.limbs_[i];
  }
  return std::strong_ordering::equal;
}

std::string MatchCount::ToString() const {
  std::array<uint64_t, 4> rest = limbs_;
  std::string digits;
  do {
    absl::uint128 remainder = 0;
    for (size_t i = rest.size(); i-- > 0;) {
      const absl::uint128 part = (remainder << 64) + rest[i];
      rest[i] = absl::Uint128Low64(part / 10);
      remainder = part % 10;
    }
    digits.push_back(static_cast<char>('0' + absl::Uint128Low64(remainder)));
  } while (rest != std::array<uint64_t, 4>{});
  std::reverse(digits.begin(), digits.end());
  return digits;
}

}  // namespace sallyport
