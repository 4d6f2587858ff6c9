#include "services/common/plan_snapshot/plan_checksum.h"

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/bytes/string_view.h"
#include "services/common/crypto/digest.h"

namespace sallyport {
namespace {

Sha256Digest HashOf(std::string_view name, std::string_view etag) {
  const std::string text =
      absl::StrCat(AbslView(name), "\n", AbslView(etag), "\n");
  return Sha256(AsBytes(text));
}

}  // namespace

void PlanChecksum::Add(std::string_view name, std::string_view etag) {
  AddHash(HashOf(name, etag));
}

void PlanChecksum::AddHash(const std::array<uint8_t, 32>& hash) {
  unsigned carry = 0;
  for (size_t i = sum_.size(); i-- > 0;) {
    const unsigned sum = sum_[i] + hash[i] + carry;
    sum_[i] = static_cast<uint8_t>(sum);
    carry = sum >> 8;
  }
}

void PlanChecksum::Remove(std::string_view name, std::string_view etag) {
  RemoveHash(HashOf(name, etag));
}

void PlanChecksum::RemoveHash(const std::array<uint8_t, 32>& hash) {
  int borrow = 0;
  for (size_t i = sum_.size(); i-- > 0;) {
    int difference = sum_[i] - hash[i] - borrow;
    borrow = difference < 0 ? 1 : 0;
    if (borrow == 1) difference += 256;
    sum_[i] = static_cast<uint8_t>(difference);
  }
}

std::string PlanChecksum::Hex() const { return HexEncode(sum_); }

}  // namespace sallyport
