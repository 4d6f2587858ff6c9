#include "services/common/digit_analysis/dial_pattern.h"

#include <algorithm>
#include <bitset>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

using Repeat = PatternElement::Repeat;

constexpr SymbolSet kPlus = SymbolSet{1} << 12;

absl::Status Bad(std::string_view reason, size_t at, std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason,
                   absl::StrCat("character ", at + 1, ": ", AbslView(what)));
}

// Positions in a row of elements: bit i is "all before element i is done".
// An element that repeats loops on the position behind it.
using States = uint64_t;

States Close(absl::Span<const PatternElement> elements, States states) {
  for (size_t i = 0; i < elements.size(); ++i) {
    if (elements[i].repeat == Repeat::kNoneOrMore && (states >> i & 1)) {
      states |= States{2} << i;
    }
  }
  return states;
}

States Step(absl::Span<const PatternElement> elements, States states,
            int symbol) {
  States next = 0;
  for (size_t i = 0; i < elements.size(); ++i) {
    if (!(elements[i].symbols >> symbol & 1)) continue;
    const States behind = States{2} << i;
    if (elements[i].repeat != Repeat::kNoneOrMore && (states >> i & 1)) {
      next |= behind;
    }
    if (elements[i].repeat != Repeat::kOnce) next |= states & behind;
  }
  return Close(elements, next);
}

bool Accepts(absl::Span<const PatternElement> elements, States states) {
  return states >> elements.size() & 1;
}

bool MatchesAll(absl::Span<const PatternElement> elements,
                std::string_view number) {
  States states = Close(elements, 1);
  for (const char c : number) {
    const int symbol = DialSymbolOf(c);
    if (symbol < 0) return false;
    states = Step(elements, states, symbol);
    if (states == 0) return false;
  }
  return Accepts(elements, states);
}

uint32_t SizeOf(SymbolSet set) {
  return static_cast<uint32_t>(std::bitset<32>(set).count());
}

// Reads a pattern from left to right. Thread-compatible.
class Reader {
 public:
  Reader(std::string_view text, const NumberingForm* form)
      : text_(text), form_(form) {}

  absl::Status Read() {
    while (at_ < text_.size()) {
      if (absl::Status status = ReadOne(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  std::vector<PatternElement> elements;
  std::optional<size_t> dot;
  std::optional<size_t> at;

 private:
  absl::Status ReadOne() {
    const char c = text_[at_];
    switch (c) {
      case 'X':
        return Add(kAllDigits, Repeat::kOnce, /*repeatable=*/true, 1);
      case '!':
        return Add(kAllDigits, Repeat::kOneOrMore, /*repeatable=*/false, 1);
      case '\\':
        if (text_.substr(at_, 2) != "\\+") {
          return Bad("PATTERN_BAD_CHARACTER", at_,
                     "a backslash stands only before '+'");
        }
        return Add(kPlus, Repeat::kOnce, /*repeatable=*/true, 2);
      case '[':
        return ReadClass();
      case '+':
      case '?':
        return ReadRepeat(c);
      case '.':
        if (dot.has_value()) {
          return Bad("PATTERN_TWO_DOTS", at_,
                     "a second '.': an access code ends once");
        }
        dot = elements.size();
        repeatable_ = false;
        ++at_;
        return absl::OkStatus();
      case '@':
        return AddForm();
      case ']':
        return Bad("PATTERN_BAD_CLASS", at_, "']' without '['");
      case 'x':
        return Bad("PATTERN_BAD_CHARACTER", at_, "write 'X' for any digit");
      default:
        break;
    }
    const int symbol = DialSymbolOf(c);
    if (symbol < 0) {
      return Bad("PATTERN_BAD_CHARACTER", at_, "not a pattern character");
    }
    return Add(SymbolSet{1} << symbol, Repeat::kOnce, /*repeatable=*/true, 1);
  }

  absl::Status Add(SymbolSet symbols, Repeat repeat, bool repeatable,
                   size_t length) {
    if (elements.size() == kMaxPatternElements) {
      return Bad(
          "PATTERN_TOO_LONG", at_,
          absl::StrCat("more than ", kMaxPatternElements, " symbols to match"));
    }
    elements.push_back({symbols, repeat});
    repeatable_ = repeatable;
    at_ += length;
    return absl::OkStatus();
  }

  absl::Status AddForm() {
    if (at.has_value()) {
      return Bad("PATTERN_TWO_ATS", at_,
                 "a second '@': a pattern may have one");
    }
    if (form_ == nullptr) {
      return Bad("PATTERN_NUMBERING_PLAN_UNAVAILABLE", at_,
                 "'@' stands for a numbering plan, and none can be used here");
    }
    at = elements.size();
    for (const PatternElement& element : form_->elements) {
      if (absl::Status status = Add(element.symbols, element.repeat,
                                    /*repeatable=*/false, 0);
          !status.ok()) {
        return status;
      }
    }
    ++at_;
    return absl::OkStatus();
  }

  absl::Status ReadRepeat(char c) {
    if (!repeatable_) {
      return Bad("PATTERN_BAD_REPEAT", at_,
                 absl::StrCat("'", absl::string_view(&c, 1),
                              "' must follow a digit, X or a class"));
    }
    elements.back().repeat =
        c == '+' ? Repeat::kOneOrMore : Repeat::kNoneOrMore;
    repeatable_ = false;
    ++at_;
    return absl::OkStatus();
  }

  absl::Status ReadClass() {
    const size_t open = at_++;
    bool negated = false;
    if (at_ < text_.size() && text_[at_] == '^') {
      if (negation_seen_) {
        return Bad("PATTERN_BAD_CLASS", at_,
                   "a second negated class: a pattern may have one");
      }
      negation_seen_ = negated = true;
      ++at_;
    }
    SymbolSet set = 0;
    for (;;) {
      if (at_ == text_.size()) {
        return Bad("PATTERN_BAD_CLASS", open, "'[' without ']'");
      }
      if (text_[at_] == ']') break;
      if (absl::Status status = ReadClassItem(set); !status.ok()) {
        return status;
      }
    }
    if (set == 0) {
      return Bad("PATTERN_BAD_CLASS", open, "an empty class");
    }
    // Negation is over the digits: '*', '#' and '+' are never meant by it.
    if (negated) set = kAllDigits & ~set;
    if (set == 0) {
      return Bad("PATTERN_BAD_CLASS", open,
                 "the class excludes every digit and matches nothing");
    }
    return Add(set, Repeat::kOnce, /*repeatable=*/true, 1);
  }

  // One symbol or one range of digits; `at_` is inside the text.
  absl::Status ReadClassItem(SymbolSet& set) {
    const int first = DialSymbolOf(text_[at_]);
    if (first < 0) {
      return Bad("PATTERN_BAD_CLASS", at_,
                 text_[at_] == '-'   ? "'-' stands between two digits"
                 : text_[at_] == '^' ? "'^' can only come first in a class"
                                     : "not a class character");
    }
    if (at_ + 1 >= text_.size() || text_[at_ + 1] != '-') {
      set |= SymbolSet{1} << first;
      ++at_;
      return absl::OkStatus();
    }
    const int last = at_ + 2 < text_.size() ? DialSymbolOf(text_[at_ + 2]) : -1;
    if (first > 9 || last < 0 || last > 9) {
      return Bad("PATTERN_BAD_CLASS", at_ + 1, "'-' stands between two digits");
    }
    if (first > last) {
      return Bad("PATTERN_BAD_CLASS", at_, "a range that runs backwards");
    }
    for (int s = first; s <= last; ++s) set |= SymbolSet{1} << s;
    at_ += 3;
    return absl::OkStatus();
  }

  std::string_view text_;
  const NumberingForm* form_;
  size_t at_ = 0;
  bool repeatable_ = false;  // whether '+' or '?' may come now
  bool negation_seen_ = false;
};

// For each length up to kMaxNumberLength, how many strings the elements
// match: the subset construction, then a count of paths through it. Empty if
// it takes more than kMaxStates states.
std::vector<MatchCount> CountByLength(
    absl::Span<const PatternElement> elements) {
  std::vector<States> states = {Close(elements, 1)};
  absl::flat_hash_map<States, uint32_t> ids = {{states[0], 0}};
  // edges[s] = {target, over how many symbols}.
  std::vector<std::vector<std::pair<uint32_t, uint32_t>>> edges;
  for (size_t s = 0; s < states.size(); ++s) {
    absl::flat_hash_map<uint32_t, uint32_t> out;
    for (int symbol = 0; symbol < kDialSymbols; ++symbol) {
      const States next = Step(elements, states[s], symbol);
      if (next == 0) continue;
      const auto [it, added] =
          ids.try_emplace(next, static_cast<uint32_t>(states.size()));
      if (added) {
        if (states.size() == StringCount::kMaxStates) return {};
        states.push_back(next);
      }
      ++out[it->second];
    }
    edges.emplace_back(out.begin(), out.end());
  }
  std::vector<MatchCount> counts(kMaxNumberLength + 1);
  std::vector<MatchCount> ways(states.size());
  ways[0] = MatchCount(1);
  for (size_t length = 0; length <= kMaxNumberLength; ++length) {
    std::vector<MatchCount> next(states.size());
    for (size_t s = 0; s < states.size(); ++s) {
      if (ways[s] == MatchCount()) continue;
      if (Accepts(elements, states[s])) counts[length] += ways[s];
      for (const auto& [target, symbols] : edges[s]) {
        MatchCount more = ways[s];
        more *= symbols;
        next[target] += more;
      }
    }
    ways = std::move(next);
  }
  return counts;
}

}  // namespace

absl::StatusOr<StringCount> StringCount::Of(
    const std::vector<PatternElement>& elements) {
  StringCount out;
  size_t open_elements = 0;
  out.fixed_product_ = MatchCount(1);
  for (const PatternElement& element : elements) {
    if (element.repeat != Repeat::kNoneOrMore) {
      ++out.min_length_;
      out.fixed_product_ *= SizeOf(element.symbols);
    }
    if (element.repeat != Repeat::kOnce) {
      ++open_elements;
      out.open_symbols_ = static_cast<uint8_t>(SizeOf(element.symbols));
    }
  }
  out.open_ended_ = open_elements > 0;
  if (open_elements > 1) {
    out.counts_ = CountByLength(elements);
    if (out.counts_.empty()) {
      return MakeError(absl::StatusCode::kInvalidArgument,
                       "PATTERN_TOO_COMPLEX",
                       "too many overlapping elements of open length");
    }
  }
  return out;
}

MatchCount StringCount::At(size_t length) const {
  if (!counts_.empty()) {
    return length < counts_.size() ? counts_[length] : MatchCount();
  }
  if (length < min_length_ || (length > min_length_ && !open_ended_)) {
    return MatchCount();
  }
  MatchCount count = fixed_product_;
  for (size_t i = min_length_; i < length; ++i) count *= open_symbols_;
  return count;
}

absl::StatusOr<DialPattern> DialPattern::Read(std::string_view text,
                                              const NumberingForm* form) {
  if (text.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "PATTERN_EMPTY",
                     "the pattern is empty");
  }
  if (text.size() > kMaxPatternLength) {
    return MakeError(
        absl::StatusCode::kInvalidArgument, "PATTERN_TOO_LONG",
        absl::StrCat("longer than ", kMaxPatternLength, " characters"));
  }
  Reader reader(text, form);
  if (absl::Status status = reader.Read(); !status.ok()) return status;
  if (reader.elements.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "PATTERN_EMPTY",
                     "the pattern holds nothing to match");
  }
  bool may_start = true;  // whether a number may begin here
  for (const PatternElement& element : reader.elements) {
    const bool optional = element.repeat == Repeat::kNoneOrMore;
    // number.h: '+' is only ever the first symbol of a number.
    if (element.symbols == kPlus && !optional && !may_start) {
      return MakeError(absl::StatusCode::kInvalidArgument,
                       "PATTERN_NEVER_MATCHES",
                       "a plus behind other symbols: no number has it there");
    }
    if (!optional) may_start = false;
  }
  DialPattern pattern;
  pattern.text_ = std::string(text);
  pattern.elements_ = std::move(reader.elements);
  pattern.dot_ = reader.dot;
  if (reader.at.has_value()) {
    pattern.at_ = *reader.at;
    pattern.form_ = form;
  }
  return pattern;
}

absl::StatusOr<std::vector<PatternElement>> DialPattern::ReadElements(
    std::string_view text) {
  SP_ASSIGN_OR_RETURN(DialPattern pattern, Read(text, nullptr));
  return std::move(pattern.elements_);
}

absl::StatusOr<DialPattern> DialPattern::Parse(std::string_view text,
                                               const NumberingForm* form) {
  SP_ASSIGN_OR_RETURN(DialPattern pattern, Read(text, form));
  SP_ASSIGN_OR_RETURN(pattern.count_, StringCount::Of(pattern.elements_));
  return pattern;
}

bool DialPattern::Matches(std::string_view number) const {
  return MatchesAll(elements_, number);
}

size_t DialPattern::MatchedPrefix(std::string_view number) const {
  States states = Close(elements_, 1);
  for (size_t i = 0; i < number.size(); ++i) {
    const int symbol = DialSymbolOf(number[i]);
    states = symbol < 0 ? 0 : Step(elements_, states, symbol);
    if (states == 0) return i;
  }
  return number.size();
}

size_t DialPattern::PreDotLength(std::string_view number) const {
  return dot_.has_value() ? LengthBefore(*dot_, number) : 0;
}

size_t DialPattern::PreAtLength(std::string_view number) const {
  return form_ != nullptr ? LengthBefore(at_, number) : 0;
}

std::vector<DialPattern::PlacedPart> DialPattern::PartsOf(
    std::string_view number) const {
  std::vector<PlacedPart> out;
  if (form_ == nullptr) return out;
  size_t element = at_;
  size_t begin = LengthBefore(element, number);
  for (const NumberingForm::Part& part : form_->parts) {
    element += part.elements;
    const size_t end = std::max(begin, LengthBefore(element, number));
    out.push_back({part.part, begin, end});
    begin = end;
  }
  return out;
}

size_t DialPattern::LengthBefore(size_t element,
                                 std::string_view number) const {
  const absl::Span<const PatternElement> all(elements_);
  const absl::Span<const PatternElement> before = all.subspan(0, element);
  const absl::Span<const PatternElement> behind = all.subspan(element);
  States states = Close(before, 1);
  for (size_t i = 0; i <= number.size(); ++i) {
    if (Accepts(before, states) && MatchesAll(behind, number.substr(i))) {
      return i;
    }
    if (i == number.size()) break;
    const int symbol = DialSymbolOf(number[i]);
    states = symbol < 0 ? 0 : Step(before, states, symbol);
    if (states == 0) break;
  }
  return 0;
}

}  // namespace sallyport
