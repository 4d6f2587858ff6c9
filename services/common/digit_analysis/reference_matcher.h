// An independent reading of the pattern rules, for tests: slow, plain, and
// sharing nothing with what it checks.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_REFERENCE_MATCHER_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_REFERENCE_MATCHER_H_

#include <cstddef>
#include <set>
#include <string>
#include <utility>
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

  // Whether it matches something longer that begins with `number`.
  bool MatchesLonger(const std::string& number) const {
    return LongerFrom(0, number, 0);
  }

  // How many strings of `length` characters it matches, if at most one item
  // has no bound: by multiplying, in floating point, which is exact here as
  // long as no factor but 10, 9, 8 and the like occurs 15 times.
  double Count(size_t length) const {
    double count = 1;
    size_t least = 0;
    double open = 0;
    for (const Item& item : items_) {
      for (size_t i = 0; i < item.least; ++i) {
        count *= static_cast<double>(item.chars.size());
      }
      least += item.least;
      if (item.most > item.least) open = static_cast<double>(item.chars.size());
    }
    if (length < least) return 0;
    for (size_t i = least; i < length; ++i) count *= open;
    return count;
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

  // Behind all of `number`, whether another character can come: every item
  // that is left, and one that repeats, has some.
  bool LongerFrom(size_t item, const std::string& number, size_t at) const {
    if (item == items_.size()) return false;
    const Item& it = items_[item];
    for (size_t n = 0;; ++n) {
      if (at + n == number.size() && n < it.most) return true;
      if (n >= it.least && LongerFrom(item + 1, number, at + n)) return true;
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

// The North American plan from its rules in words, with none of its data: in
// how many strings of the same length each way of reading a number matches.
class ReferenceNanp {
 public:
  // One count for each reading; none if it is no number of the plan.
  static std::vector<double> Readings(const std::string& number) {
    std::vector<double> out;
    Read(number, 1, out);
    // Any carrier: 101 and four digits come first.
    if (number.size() > 7 && number.substr(0, 3) == "101" &&
        AllDigits(number.substr(3, 4))) {
      const std::string rest = number.substr(7);
      if (rest == "0" || rest == "#") out.push_back(1e4);
      Read(rest, 1e4, out);
    }
    return out;
  }

 private:
  static bool AllDigits(const std::string& s) {
    return s.find_first_not_of("0123456789") == std::string::npos;
  }

  // Three digits that begin an exchange or an area, and how many have their
  // shape: a 1 in the middle must not be followed by a second one.
  static double Code(const std::string& s, bool area) {
    if (s[0] < '2') return 0;
    if (s[1] == '1') return s[2] == '1' ? 0 : 8 * 9;
    if (area && s[1] == '9') return 0;
    return area ? 8 * 8 * 10 : 8 * 9 * 10;
  }

  static double Local(const std::string& s) {  // seven digits
    return AllDigits(s) ? Code(s, false) * 1e4 : 0;
  }

  static double TenDigits(const std::string& s) {
    return AllDigits(s) ? Code(s, true) * Local(s.substr(3)) : 0;
  }

  // What begins with a country code and has a digit more: how many codes have
  // the shape of this one, and how long it is.
  static double Country(const std::string& s, size_t& length) {
    static const std::vector<std::pair<std::string, std::string>> two = {
        {"2", "07"},
        {"3",
         "012346"
         "9"},
        {"4", "013456789"},
        {"5", "12345678"},
        {"6", "0123456"},
        {"8", "1246"},
        {"9", "0123458"}};
    static const std::vector<std::pair<std::string, std::string>> three = {
        {"2", "1234569"}, {"3", "578"},  {"4", "2"},  {"5", "09"},
        {"6", "789"},     {"8", "0578"}, {"9", "679"}};
    if (!s.empty() && s[0] == '7') {
      length = 1;
      return 1;
    }
    if (s.size() < 2) return 0;
    for (const auto& [zone, seconds] : two) {
      if (s[0] == zone[0] && seconds.find(s[1]) != std::string::npos) {
        length = 2;
        return static_cast<double>(seconds.size());
      }
    }
    for (const auto& [zone, seconds] : three) {
      if (s[0] == zone[0] && seconds.find(s[1]) != std::string::npos &&
          s.size() > 2) {
        length = 3;
        return static_cast<double>(seconds.size()) * 10;
      }
    }
    return 0;
  }

  static void International(const std::string& s, double times,
                            std::vector<double>& out) {
    const bool ended = !s.empty() && s.back() == '#';
    const std::string digits = ended ? s.substr(0, s.size() - 1) : s;
    if (!AllDigits(digits)) return;
    size_t length = 0;
    double count = Country(digits, length);
    if (count == 0 || digits.size() <= length) return;
    for (size_t i = length; i < digits.size(); ++i) count *= 10;
    out.push_back(count * times);
  }

  static void Read(const std::string& s, double times,
                   std::vector<double>& out) {
    const auto add = [&](double count) {
      if (count > 0) out.push_back(count * times);
    };
    const bool carrier = times > 1;
    if (!carrier) {
      if (s == "0" || s == "00") add(1);
      if (s.size() == 3 && s[0] >= '2' && AllDigits(s) && s.substr(1) == "11") {
        add(8);
      }
      if (s.size() == 4 && s[0] == '1' && s[1] >= '2' && AllDigits(s) &&
          s.substr(2) == "11") {
        add(8);
      }
      if (s.size() == 7) add(Local(s));
    }
    if (s.size() == 10) add(TenDigits(s));
    if (s.size() == 11 && (s[0] == '1' || s[0] == '0')) {
      add(TenDigits(s.substr(1)));
    }
    if (s.substr(0, 3) == "011") International(s.substr(3), times, out);
    if (s.substr(0, 2) == "01" && s.size() > 2) {
      International(s.substr(2), times, out);
    }
  }
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

  // Like something dialled in North America behind a 9; half of them wrong.
  std::string NanpNumber() {
    const auto digits = [this](size_t n) {
      std::string out;
      for (size_t i = 0; i < n; ++i) {
        out.push_back(static_cast<char>('0' + Below(10)));
      }
      return out;
    };
    std::string out = Below(8) == 0 ? "" : "9";
    if (Below(4) == 0) out += "101" + digits(4);
    switch (Below(9)) {
      case 0:
        out += digits(1) + "11";
        break;
      case 1:
        out += "1" + digits(1) + "11";
        break;
      case 2:
        out += digits(7);
        break;
      case 3:
        out += digits(10);
        break;
      case 4:
        out += "1" + digits(10);
        break;
      case 5:
        out += "0" + digits(Below(2) * 10 + Below(2));
        break;
      case 6:
        out += "01" + digits(Below(14));
        break;
      case 7:
        out += "011" + digits(Below(14));
        break;
      default:
        out += digits(Below(12));
    }
    if (Below(4) == 0) out += "#";
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
