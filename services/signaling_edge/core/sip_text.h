// The lexical ground of SIP (RFC 3261 section 25.1): tokens, white space,
// numbers, quoted strings, percent escapes, comma lists and parameters.
//
// Everything here reads borrowed text whose line folding is already undone, as
// the parser does; results point into what was given.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_TEXT_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_TEXT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::signaling_edge {

// One bit for each class that a character may belong to; the parser looks at
// every character several times, so this is a table and inline.
enum : uint8_t {
  kTokenClass = 1,
  kUnreservedClass = 2,
  kListStopClass = 4,     // what may open, close or end a list element
  kUriClass = 8,          // printable ASCII but space, '<', '>' and '"'
  kParamValueClass = 16,  // token, host or IPv6 reference
  kHostClass = 32,        // letters, digits, '-' and '_'
};
constexpr std::array<uint8_t, 256> MakeCharClasses() {
  std::array<uint8_t, 256> classes{};
  for (int c = 0x21; c < 0x7f; ++c) classes[c] = kUriClass;
  for (int c = 0; c < 256; ++c) {
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
        (c >= 'A' && c <= 'Z')) {
      classes[c] |=
          kTokenClass | kUnreservedClass | kParamValueClass | kHostClass;
    }
  }
  for (char c : std::string_view("-.!%*_+`'~")) {
    classes[static_cast<uint8_t>(c)] |= kTokenClass | kParamValueClass;
  }
  for (char c : std::string_view("-_.!~*'()")) {
    classes[static_cast<uint8_t>(c)] |= kUnreservedClass;
  }
  for (char c : std::string_view("[]:")) {
    classes[static_cast<uint8_t>(c)] |= kParamValueClass;
  }
  for (char c : std::string_view("-_")) {
    classes[static_cast<uint8_t>(c)] |= kHostClass;
  }
  for (char c : std::string_view("<>\",")) {
    classes[static_cast<uint8_t>(c)] |= kListStopClass;
  }
  for (char c : std::string_view("<>\"")) {
    classes[static_cast<uint8_t>(c)] &= static_cast<uint8_t>(~kUriClass);
  }
  return classes;
}
inline constexpr std::array<uint8_t, 256> kCharClasses = MakeCharClasses();
inline bool InClass(char c, uint8_t classes) {
  return (kCharClasses[static_cast<uint8_t>(c)] & classes) != 0;
}

// alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~"
inline bool IsTokenChar(char c) { return InClass(c, kTokenClass); }
bool IsToken(std::string_view text);  // one or more token characters

// alphanum / mark: what may stand unescaped anywhere in a URI.
inline bool IsUnreserved(char c) { return InClass(c, kUnreservedClass); }

// How many of the first characters are in these classes.
inline size_t PrefixInClass(std::string_view text, uint8_t classes) {
  size_t n = 0;
  while (n < text.size() && InClass(text[n], classes)) ++n;
  return n;
}

inline bool IsLws(char c) { return c == ' ' || c == '\t'; }
inline bool IsDigit(char c) { return c >= '0' && c <= '9'; }
inline bool IsAlpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
inline char ToLower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
// ASCII letters only, as SIP compares (RFC 3261 section 7.3.1).
inline bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && ToLower(a[i]) != ToLower(b[i])) return false;
  }
  return true;
}

// The place of the first `a` or `b`, or the size of `text`. The texts are
// short, so that a loop beats std::string_view::find_first_of by far.
inline size_t FindEither(std::string_view text, char a, char b) {
  size_t i = 0;
  while (i < text.size() && text[i] != a && text[i] != b) ++i;
  return i;
}

// A control character other than the tab.
inline bool IsControl(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

// True when some octet is below 0x20 (a tab, too) or is 0x7f. Eight at a time,
// as this looks at every octet of every header section.
inline bool MayHoldControl(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHighs = 0x8080808080808080;
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    const uint64_t below_space = (word - kOnes * 0x20) & ~word & kHighs;
    const uint64_t flipped = word ^ (kOnes * 0x7f);
    const uint64_t is_delete = (flipped - kOnes) & ~flipped & kHighs;
    if ((below_space | is_delete) != 0) return true;
  }
  for (; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return true;
  }
  return false;
}

// The value of a hexadecimal digit, or -1.
int HexValue(char c);

inline std::string_view TrimLws(std::string_view text) {
  while (!text.empty() && IsLws(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsLws(text.back())) text.remove_suffix(1);
  return text;
}

// Digits only: no sign, no space, at least one digit. Nothing when the value
// is above `max`, however many digits it has.
std::optional<uint32_t> ParseUint(std::string_view text, uint32_t max);

// As above, but a value above `max` becomes `max` (RFC 3261 section 20.19
// treats an oversized Expires so).
std::optional<uint32_t> ParseUintSaturating(std::string_view text,
                                            uint32_t max);

// The length of the quoted string that starts at text[0] == '"', with both
// quotes; npos when it does not end.
size_t QuotedStringLength(std::string_view text);

// The content of `text` without quotes and backslashes; text that is not
// quoted comes back as it is.
std::string Unquote(std::string_view text);

// `text` as a quoted string. Control characters become spaces.
std::string Quote(std::string_view text);

// Undoes %HH escapes; nothing when a '%' is not followed by two hex digits.
std::optional<std::string> PercentDecode(std::string_view text);

// Escapes everything but unreserved characters and those of `also_plain`.
std::string PercentEncode(std::string_view text,
                          std::string_view also_plain = {});

// Splits a header field value at the commas that are outside quoted strings
// and angle brackets (RFC 3261 section 7.3.1). Thread-compatible.
class ListReader {
 public:
  explicit ListReader(std::string_view value) : rest_(value) {}

  // The next element, trimmed and possibly empty; false at the end.
  bool Next(std::string_view& item);

  // False once a quoted string or an angle bracket was left open.
  bool ok() const { return ok_; }

 private:
  std::string_view rest_;
  bool done_ = false;
  bool ok_ = true;
};

// One ";name" or ";name=value". A quoted value keeps its quotes.
struct SipParam {
  std::string_view name;
  std::string_view value;
  bool has_value = false;
};

// Reads `*( SEMI generic-param )`: the parameters of a header field, which may
// be spaced and quoted. Those of a URI are read by SipUri. Thread-compatible.
class ParamReader {
 public:
  explicit ParamReader(std::string_view params) : rest_(params) {}

  bool Next(SipParam& param);  // false at the end, or when malformed
  bool ok() const { return ok_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

// Whole, and no name twice (RFC 3261 section 7.3.1): of two tags, two readers
// would take two.
bool ValidParams(std::string_view params);

// The first parameter of this name, in any case: its value, empty when it has
// none; a quoted value keeps its quotes.
std::optional<std::string_view> FindParam(std::string_view params,
                                          std::string_view name);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_TEXT_H_
