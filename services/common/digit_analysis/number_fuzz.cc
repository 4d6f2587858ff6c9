// Any text as a number: what parses is dialling symbols and parses again.

#include "services/common/digit_analysis/number.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "services/common/digit_analysis/transform.h"
#include "services/common/status/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto number = sallyport::Number::Parse(text);
  if (number.ok()) {
    SP_CHECK(!number->text().empty() &&
             number->text().size() <= sallyport::kMaxNumberLength);
    for (const char c : number->text()) {
      SP_CHECK(sallyport::DialSymbolOf(c) >= 0);
    }
    const auto again = sallyport::Number::Parse(number->text());
    SP_CHECK(again.ok() && *again == *number);
  }
  // The first half as a mask for the second.
  const std::string_view mask = text.substr(0, size / 2);
  const std::string_view digits = text.substr(size / 2);
  if (sallyport::CheckMask(mask).ok()) {
    const std::string masked = sallyport::ApplyMask(mask, digits);
    SP_CHECK(mask.empty() || masked.size() <= mask.size());
  }
  return 0;
}
