// Any text as a pattern, any text as a number: what parses keeps its promises.

#include "services/common/digit_analysis/dial_pattern.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "services/common/digit_analysis/number.h"
#include "services/common/digit_analysis/route_table.h"
#include "services/common/status/check.h"

namespace {

using sallyport::DialPattern;
using sallyport::kMaxNumberLength;
using sallyport::MatchCount;

void Check(const DialPattern& pattern, const std::string& number) {
  const bool matches = pattern.Matches(number);
  const size_t prefix = pattern.MatchedPrefix(number);
  SP_CHECK(prefix <= number.size());
  SP_CHECK(!matches || prefix == number.size());
  if (number.size() <= kMaxNumberLength) {
    SP_CHECK(!matches || pattern.CountStrings(number.size()) > MatchCount());
  }
  SP_CHECK(!matches || number.size() >= pattern.min_length());
  SP_CHECK(pattern.PreDotLength(number) <= number.size());
  sallyport::RouteTable::Builder builder;
  builder.Add(0, pattern);
  const sallyport::RouteTable table = std::move(builder).Build();
  SP_CHECK(number.size() > kMaxNumberLength ||
           table.Find({0}, number).has_value() == matches);
}

}  // namespace

// The pattern, a newline, the number.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t newline = input.find('\n');
  const std::string_view text = input.substr(0, newline);
  const std::string_view dialled =
      newline == std::string_view::npos ? "" : input.substr(newline + 1);
  const auto pattern = DialPattern::Parse(text);
  if (!pattern.ok()) {
    SP_CHECK(!pattern.status().message().empty());
    return 0;
  }
  SP_CHECK(pattern->text() == text);
  // What was read reads the same again.
  const auto again = DialPattern::Parse(pattern->text());
  SP_CHECK(again.ok() && again->elements() == pattern->elements());
  Check(*pattern, std::string(dialled));
  const auto number = sallyport::Number::Parse(dialled);
  if (number.ok()) Check(*pattern, number->text());
  return 0;
}
