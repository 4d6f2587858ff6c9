// Any plan and any number: the table must say what each pattern says alone,
// and take no more steps than its size allows.

#include "services/common/digit_analysis/route_table.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/match_count.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/status/check.h"

// A line each: "=" and a number to look for, or a space 0 to 3 and a pattern.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using sallyport::DialPattern;
  using sallyport::MatchCount;
  constexpr size_t kMaxPatterns = 64;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  sallyport::RouteTable::Builder builder;
  std::vector<std::pair<uint32_t, DialPattern>> rows;
  std::vector<sallyport::Number> numbers;
  size_t elements = 1;
  while (!input.empty()) {
    const size_t newline = std::min(input.find('\n'), input.size());
    const std::string_view line = input.substr(0, newline);
    input.remove_prefix(std::min(newline + 1, input.size()));
    if (line.empty()) continue;
    if (line[0] == '=') {
      auto number = sallyport::Number::Parse(line.substr(1));
      if (number.ok() && numbers.size() < 16) {
        numbers.push_back(*std::move(number));
      }
      continue;
    }
    auto pattern = DialPattern::Parse(line.substr(1));
    if (!pattern.ok() || rows.size() == kMaxPatterns) continue;
    const uint32_t space = static_cast<uint8_t>(line[0]) % 4;
    SP_CHECK(builder.Add(space, *pattern) == rows.size());
    elements += pattern->elements().size();
    rows.emplace_back(space, *std::move(pattern));
  }
  const sallyport::RouteTable table = std::move(builder).Build();
  SP_CHECK(table.row_count() == rows.size());
  const std::vector<uint32_t> spaces = {2, 0, 3};
  for (const sallyport::Number& number : numbers) {
    using Choice = std::tuple<MatchCount, size_t, size_t>;
    std::optional<Choice> want;
    bool longer = false;
    for (size_t rank = 0; rank < spaces.size(); ++rank) {
      for (size_t row = 0; row < rows.size(); ++row) {
        if (rows[row].first != spaces[rank]) continue;
        const DialPattern& pattern = rows[row].second;
        const bool matches = pattern.Matches(number.text());
        longer = longer || (!matches && pattern.MatchedPrefix(number.text()) ==
                                            number.text().size());
        if (!matches) continue;
        const Choice choice{pattern.CountStrings(number.text().size()), rank,
                            row};
        if (!want.has_value() || choice < *want) want = choice;
      }
    }
    size_t steps = 0;
    const auto got = table.Find(spaces, number.text(), &steps);
    SP_CHECK(got.has_value() == want.has_value());
    if (got.has_value()) {
      SP_CHECK(got->row == std::get<2>(*want));
      SP_CHECK(got->rank == std::get<1>(*want));
      SP_CHECK(got->count == std::get<0>(*want));
    }
    SP_CHECK(steps <=
             2 * elements * (number.text().size() + 1) * spaces.size());
    if (longer) SP_CHECK(table.LongerPossible(spaces, number.text()));
  }
  return 0;
}
