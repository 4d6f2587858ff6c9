// Lines of patterns: whether the others leave a number to the first. One that
// is found must be its own, and the search must end in time.

#include "services/common/digit_analysis/cover_search.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_split.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/status/check.h"

namespace {

using sallyport::CoverSource;
using sallyport::DialPattern;

// Every second one wins ties. All are found at the empty place, which is where
// those are that begin with no single symbol: it asks more of the search.
class Others final : public CoverSource {
 public:
  bool AnyBelow(std::string_view digits) const override {
    return digits.empty() && !patterns.empty();
  }
  void ForEachAt(std::string_view digits, Visit visit) const override {
    if (!digits.empty()) return;
    for (size_t i = 0; i < patterns.size(); ++i) {
      visit(patterns[i], i % 2 == 0, static_cast<uint32_t>(i));
    }
  }
  Exact ExactAt(std::string_view, uint32_t*) const override {
    return Exact::kNone;
  }

  std::vector<DialPattern> patterns;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 2000) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<DialPattern> patterns;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (const std::string& line : lines) {
    auto pattern = DialPattern::Parse(line);
    if (pattern.ok()) patterns.push_back(*std::move(pattern));
  }
  if (patterns.empty()) return 0;
  Others others;
  others.patterns.assign(patterns.begin() + 1, patterns.end());
  constexpr size_t kSteps = 100000;
  sallyport::CoverBudget budget{kSteps};
  const sallyport::CoverAnswer answer =
      sallyport::SearchUncovered(patterns[0], others, budget);
  if (answer.state != sallyport::CoverAnswer::State::kOpen) return 0;
  const std::string& number = answer.number;
  SP_CHECK(sallyport::Number::Parse(number).ok());
  SP_CHECK(patterns[0].Matches(number));
  const auto own = patterns[0].CountStrings(number.size());
  for (size_t i = 0; i < others.patterns.size(); ++i) {
    if (!others.patterns[i].Matches(number)) continue;
    const auto count = others.patterns[i].CountStrings(number.size());
    SP_CHECK(own < count || (i % 2 != 0 && own == count));
  }
  return 0;
}
