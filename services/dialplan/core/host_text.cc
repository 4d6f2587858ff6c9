#include "services/dialplan/core/host_text.h"

#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "services/common/bytes/string_view.h"

namespace sallyport::dialplan {
namespace {

// 0 to `max` in decimal, without sign or superfluous zeros.
bool IsNumberUpTo(std::string_view text, int max) {
  if (text.empty() || text.size() > 3) return false;
  if (text.size() > 1 && text[0] == '0') return false;
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return false;
  }
  int value = 0;
  return absl::SimpleAtoi(AbslView(text), &value) && value <= max;
}

bool IsIpv4(std::string_view text) {
  for (int part = 0; part < 4; ++part) {
    const size_t dot = text.find('.');
    if ((dot == std::string_view::npos) != (part == 3)) return false;
    if (!IsNumberUpTo(text.substr(0, dot), 255)) return false;
    text = part == 3 ? std::string_view() : text.substr(dot + 1);
  }
  return true;
}

bool IsGroup(std::string_view text) {
  if (text.empty() || text.size() > 4) return false;
  for (const char c : text) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

// How many 16-bit groups `text`, without "::", holds; -1 if it is malformed.
int CountGroups(std::string_view text, bool may_end_in_ipv4) {
  if (text.empty()) return 0;
  int groups = 0;
  for (;;) {
    const size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    if (colon == std::string_view::npos) {
      if (IsGroup(group)) return groups + 1;
      return may_end_in_ipv4 && IsIpv4(group) ? groups + 2 : -1;
    }
    if (!IsGroup(group) || ++groups > 8) return -1;
    text.remove_prefix(colon + 1);
  }
}

// RFC 4291 section 2.2; no zone.
bool IsIpv6(std::string_view text) {
  if (text.find(':') == std::string_view::npos) return false;
  const size_t gap = text.find("::");
  if (gap == std::string_view::npos) return CountGroups(text, true) == 8;
  const int before = CountGroups(text.substr(0, gap), false);
  const int after = CountGroups(text.substr(gap + 2), true);
  return before >= 0 && after >= 0 && before + after <= 7;
}

}  // namespace

bool IsAddress(std::string_view text) { return IsIpv4(text) || IsIpv6(text); }

bool IsAddressOrPrefix(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return IsAddress(text);
  const std::string_view address = text.substr(0, slash);
  const std::string_view length = text.substr(slash + 1);
  return (IsIpv4(address) && IsNumberUpTo(length, 32)) ||
         (IsIpv6(address) && IsNumberUpTo(length, 128));
}

bool IsHostName(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  bool last_has_letter = false;
  while (true) {
    const size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (label.empty() || label.size() > 63 || label.front() == '-' ||
        label.back() == '-') {
      return false;
    }
    last_has_letter = false;
    for (const char c : label) {
      const auto u = static_cast<unsigned char>(c);
      if (!absl::ascii_isalnum(u) && c != '-') return false;
      last_has_letter |= absl::ascii_isalpha(u) || c == '-';
    }
    if (dot == std::string_view::npos) return last_has_letter;
    text.remove_prefix(dot + 1);
  }
}

bool IsSubjectName(std::string_view text) {
  constexpr std::string_view kSip = "sip:";
  if (text.substr(0, kSip.size()) == kSip) text.remove_prefix(kSip.size());
  return IsHostName(text);
}

}  // namespace sallyport::dialplan
