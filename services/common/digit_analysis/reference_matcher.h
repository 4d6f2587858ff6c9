// An independent reading of the pattern rules, for tests: slow, plain, and
// sharing nothing with what it checks.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_REFERENCE_MATCHER_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_REFERENCE_MATCHER_H_

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "services/common/random/fake_random.h"

namespace sallyport {

// Patterns by backtracking over their text. Thread-compatible.
class ReferencePattern {
 public:
  explicit ReferencePattern(const std::string& text) {
    for (size_t i = 0; i < text.size();) {
      Item item;
      if (text[i] == '.') {
        ++i;
        continue;
      }
      if (text[i] == '\\') {
        item.chars = "+";
        i += 2;
      } else if (text[i] == 'X' || text[i] == '!') {
        item.chars = "0123456789";
        if (text[i] == '!') item.most = kMany;
        ++i;
      } else if (text[i] == '[') {
        const size_t end = text.find(']', i);
        item.chars = ClassOf(text.substr(i + 1, end - i - 1));
        i = end + 1;
      } else {
        item.chars = text.substr(i, 1);
        ++i;
      }
      if (i < text.size() && (text[i] == '+' || text[i] == '?')) {
        item.least = text[i] == '+' ? 1 : 0;
        item.most = kMany;
        ++i;
      }
      items_.push_back(item);
    }
  }

  bool Matches(const std::string& number) const {
    return MatchFrom(0, number, 0);
  }

  // All strings of `length` characters that it matches, by writing them down.
  std::set<std::string> Strings(size_t length) const {
    std::set<std::string> out;
    Write(0, 0, length, "", out);
    return out;
  }

 private:
  static constexpr size_t kMany = 1000;
  struct Item {
    std::string chars;
    size_t least = 1;
    size_t most = 1;
  };

  static std::string ClassOf(std::string inside) {
    const bool negated = inside[0] == '^';
    if (negated) inside.erase(0, 1);
    std::set<char> chars;
    for (size_t i = 0; i < inside.size(); ++i) {
      if (i + 2 < inside.size() && inside[i + 1] == '-') {
        for (char c = inside[i]; c <= inside[i + 2]; ++c) chars.insert(c);
        i += 2;
      } else {
        chars.insert(inside[i]);
      }
    }
    std::string out;
    if (!negated) return std::string(chars.begin(), chars.end());
    for (char c = '0'; c <= '9'; ++c) {
      if (chars.count(c) == 0) out.push_back(c);
    }
    return out;
  }

  bool MatchFrom(size_t item, const std::string& number, size_t at) const {
    if (item == items_.size()) return at == number.size();
    const Item& it = items_[item];
    for (size_t n = 0;; ++n) {
      if (n >= it.least && MatchFrom(item + 1, number, at + n)) return true;
      if (n == it.most || at + n == number.size() ||
          it.chars.find(number[at + n]) == std::string::npos) {
        return false;
      }
    }
  }

  // `done` repeats of `item` are behind `prefix`.
  void Write(size_t item, size_t done, size_t length, const std::string& prefix,
             std::set<std::string>& out) const {
    if (item == items_.size()) {
      if (prefix.size() == length) out.insert(prefix);
      return;
    }
    const Item& it = items_[item];
    if (done >= it.least) Write(item + 1, 0, length, prefix, out);
    if (done < it.most && prefix.size() < length) {
      for (const char c : it.chars) {
        Write(item, done + 1, length, prefix + c, out);
      }
    }
  }

  std::vector<Item> items_;
};

// Random patterns and numbers from a seed. Thread-compatible.
class PatternMaker {
 public:
  explicit PatternMaker(unsigned seed) : random_(seed) {}

  size_t Below(size_t n) { return static_cast<size_t>(random_.Uniform(n)); }

  // A well-formed pattern of at most `items` items, of which at most
  // `open_items` have no bound.
  std::string Pattern(size_t items, size_t open_items) {
    std::string out;
    bool dot = false;
    bool negation = false;
    const size_t count = 1 + Below(items);
    for (size_t i = 0; i < count; ++i) {
      if (!dot && Below(12) == 0) {
        out.push_back('.');
        dot = true;
      }
      bool may_repeat = true;
      switch (Below(10)) {
        case 0:
        case 1:
          out.push_back('X');
          break;
        case 2:
          out += Class();
          break;
        case 3:
          if (negation) {
            out.push_back(Digit());
          } else {
            out += "[^" + Class().substr(1);
            negation = true;
          }
          break;
        case 4:
          if (i == 0) {
            out += "\\+";
          } else {
            out.push_back("*#"[Below(2)]);
          }
          break;
        case 5:
          if (open_items > 0) {
            out.push_back('!');
            --open_items;
            may_repeat = false;
          } else {
            out.push_back('X');
          }
          break;
        default:
          out.push_back(Digit());
      }
      if (may_repeat && open_items > 0 && Below(6) == 0) {
        out.push_back("+?"[Below(2)]);
        --open_items;
      }
    }
    return out;
  }

  std::string Number(size_t length) {
    std::string out;
    for (size_t i = 0; i < length; ++i) {
      const size_t kind = Below(30);
      if (kind == 0 && i == 0) {
        out.push_back('+');
      } else if (kind == 1) {
        out.push_back("*#"[Below(2)]);
      } else {
        out.push_back(Digit());
      }
    }
    return out;
  }

 private:
  // Few digits, so that patterns and numbers meet often.
  char Digit() { return static_cast<char>('1' + Below(4)); }

  std::string Class() {
    std::string out = "[";
    const size_t count = 1 + Below(3);
    for (size_t i = 0; i < count; ++i) {
      if (Below(2) == 0) {
        const size_t first = Below(8);
        out.push_back(static_cast<char>('0' + first));
        out.push_back('-');
        out.push_back(static_cast<char>('0' + first + Below(9 - first)));
      } else {
        out.push_back(Digit());
      }
    }
    return out + "]";
  }

  FakeRandom random_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_REFERENCE_MATCHER_H_
