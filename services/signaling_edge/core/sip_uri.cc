#include "services/signaling_edge/core/sip_uri.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "services/signaling_edge/core/sip_text.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kNpos = std::string_view::npos;
// More parameters or headers than this in one URI are refused, so comparison
// stays cheap whatever is sent.
constexpr size_t kMaxParams = 32;

absl::Status Malformed() {
  return absl::Status(absl::StatusCode::kInvalidArgument, "");
}

enum : uint8_t { kUser = 1, kParam = 2, kHeader = 4 };

// The characters that may stand unescaped in each part (RFC 3261 section
// 25.1): user-unreserved, param-unreserved, hnv-unreserved, and unreserved.
constexpr std::array<uint8_t, 256> MakeClasses() {
  std::array<uint8_t, 256> classes{};
  for (int c = 0; c < 256; ++c) {
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
        (c >= 'A' && c <= 'Z')) {
      classes[c] = kUser | kParam | kHeader;
    }
  }
  for (char c : std::string_view("-_.!~*'()")) {
    classes[static_cast<uint8_t>(c)] = kUser | kParam | kHeader;
  }
  for (char c : std::string_view("&=+$,;?/")) {
    classes[static_cast<uint8_t>(c)] |= kUser;
  }
  for (char c : std::string_view("[]/:&+$")) {
    classes[static_cast<uint8_t>(c)] |= kParam;
  }
  for (char c : std::string_view("[]/?:+$")) {
    classes[static_cast<uint8_t>(c)] |= kHeader;
  }
  return classes;
}

constexpr std::array<uint8_t, 256> kClasses = MakeClasses();

bool AllOf(std::string_view text, uint8_t part) {
  for (size_t i = 0; i < text.size(); ++i) {
    if ((kClasses[static_cast<uint8_t>(text[i])] & part) != 0) continue;
    if (text[i] != '%' || i + 2 >= text.size() || HexValue(text[i + 1]) < 0 ||
        HexValue(text[i + 2]) < 0) {
      return false;
    }
    i += 2;
  }
  return true;
}

// `name[=value]` with both parts of class `part`, the name not empty.
bool ValidPair(std::string_view pair, uint8_t part) {
  const size_t equals = pair.find('=');
  const std::string_view name = pair.substr(0, equals);
  if (name.empty() || !AllOf(name, part)) return false;
  return equals == kNpos || AllOf(pair.substr(equals + 1), part);
}

// Takes the next piece of `text` up to `separator`; false at the end.
bool TakePiece(std::string_view& text, char separator,
               std::string_view& piece) {
  if (text.empty()) return false;
  const size_t end = std::min(text.find(separator), text.size());
  piece = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return true;
}

// Compares URI text in which "%61" and "a" are the same, but an escaped
// reserved character and the plain one are not (RFC 3261 section 19.1.4).
bool SameEscaped(std::string_view a, std::string_view b, bool ignore_case) {
  struct Unit {
    char c;
    bool escaped_reserved;
    bool operator==(const Unit&) const = default;
  };
  const auto next = [ignore_case](std::string_view& text) {
    Unit unit{text.front(), false};
    size_t used = 1;
    if (unit.c == '%' && text.size() >= 3) {
      unit.c = static_cast<char>(HexValue(text[1]) * 16 + HexValue(text[2]));
      unit.escaped_reserved = !IsUnreserved(unit.c);
      used = 3;
    }
    if (ignore_case) unit.c = ToLower(unit.c);
    text.remove_prefix(used);
    return unit;
  };
  while (!a.empty() && !b.empty()) {
    if (next(a) != next(b)) return false;
  }
  return a.empty() && b.empty();
}

std::string_view NameOf(std::string_view pair) {
  return pair.substr(0, pair.find('='));
}

// A name may stand only once (section 19.1.1), in whatever spelling.
bool ValidUriParams(std::string_view params) {
  absl::InlinedVector<std::string_view, 8> names;
  while (!params.empty()) {
    if (params.front() != ';' || names.size() == kMaxParams) return false;
    params.remove_prefix(1);
    const size_t end = FindEither(params, ';', ';');
    const std::string_view pair = params.substr(0, end);
    // "name=" has no pvalue, which the grammar wants, but peers send it.
    if (!ValidPair(pair, kParam)) return false;
    for (std::string_view other : names) {
      if (SameEscaped(other, NameOf(pair), true)) return false;
    }
    names.push_back(NameOf(pair));
    params.remove_prefix(end);
  }
  return true;
}

bool ValidUriHeaders(std::string_view headers) {
  if (headers.empty()) return false;  // a '?' with nothing after it
  size_t count = 0;
  for (std::string_view rest = headers, pair; TakePiece(rest, '&', pair);) {
    if (++count > kMaxParams) return false;
    if (pair.find('=') == kNpos || !ValidPair(pair, kHeader)) return false;
  }
  return headers.back() != '&';
}

bool ValidIpv4(std::string_view text) {
  int dots = 0;
  int digits = 0;
  int value = 0;
  for (char c : text) {
    if (c == '.') {
      if (digits == 0 || ++dots > 3) return false;
      digits = value = 0;
    } else {
      value = value * 10 + (c - '0');
      if (!IsDigit(c) || ++digits > 3 || value > 255) return false;
    }
  }
  return dots == 3 && digits > 0;
}

// RFC 3261's IPv6address, read as RFC 5954 means it. "::" may be followed by
// one more colon before a dotted quad (RFC 5118 section 4.10).
bool ValidIpv6(std::string_view text) {
  int groups = 0;
  bool gap = false;
  size_t i = 0;
  if (text.substr(0, 2) == "::") {
    gap = true;
    i = 2;
  }
  bool needs_group = !gap;
  if (gap && text.substr(2, 1) == ":" && text.find('.') != kNpos) {
    needs_group = true;
    ++i;
  }
  while (i < text.size()) {
    size_t end = i;
    while (end < text.size() && text[end] != ':') ++end;
    const std::string_view group = text.substr(i, end - i);
    if (end == text.size() && group.find('.') != kNpos) {
      if (!ValidIpv4(group)) return false;
      groups += 2;
      needs_group = false;
      break;
    }
    if (group.empty() || group.size() > 4) return false;
    for (char c : group) {
      if (HexValue(c) < 0) return false;
    }
    ++groups;
    needs_group = false;
    i = end;
    if (i == text.size()) break;
    ++i;  // the colon
    needs_group = true;
    if (i < text.size() && text[i] == ':') {
      if (gap) return false;
      gap = true;
      needs_group = false;
      ++i;
      if (i < text.size() && text[i] == ':' && text.find('.', i) != kNpos) {
        needs_group = true;
        ++i;
      }
    }
  }
  if (needs_group) return false;
  return gap ? groups <= 7 : groups == 8;
}

// Labels of letters, digits, '-' and, as real networks have it, '_'; none
// starts or ends with '-'. The last label of a name starts with a letter, so
// one of digits only can be nothing but the end of an IPv4 address.
HostKind ClassifyNameOrIpv4(std::string_view host) {
  if (host.size() > 255) return HostKind::kNone;
  std::string_view rest = host;
  if (rest.back() == '.') rest.remove_suffix(1);
  bool digits_only = true;  // of the label at hand
  size_t label = 0;         // its size so far
  for (size_t i = 0; i < rest.size(); ++i) {
    const char c = rest[i];
    if (c == '.') {
      if (label == 0 || label > 63 || rest[i - 1] == '-') {
        return HostKind::kNone;
      }
      label = 0;
      digits_only = true;
      continue;
    }
    if (!InClass(c, kHostClass) || (label == 0 && c == '-')) {
      return HostKind::kNone;
    }
    digits_only &= IsDigit(c);
    ++label;
  }
  if (label == 0 || label > 63 || rest.back() == '-') return HostKind::kNone;
  if (!digits_only) return HostKind::kName;
  return ValidIpv4(host) ? HostKind::kIpv4 : HostKind::kNone;
}

std::optional<std::string_view> FindUriParam(std::string_view params,
                                             std::string_view name) {
  for (std::string_view rest = params, pair; TakePiece(rest, ';', pair);) {
    const size_t equals = pair.find('=');
    if (!pair.empty() && SameEscaped(pair.substr(0, equals), name, true)) {
      return equals == kNpos ? std::string_view() : pair.substr(equals + 1);
    }
  }
  return std::nullopt;
}

// Parameters of which one that only one URI has makes them different.
bool MustBeInBoth(std::string_view name) {
  for (std::string_view special :
       {"user", "ttl", "method", "maddr", "transport"}) {
    if (EqualsIgnoreCase(name, special)) return true;
  }
  return false;
}

bool ParamsAgree(std::string_view a, std::string_view b, bool all) {
  for (std::string_view rest = a, pair; TakePiece(rest, ';', pair);) {
    if (pair.empty()) continue;  // before the first ';'
    const size_t equals = pair.find('=');
    const std::string_view name = pair.substr(0, equals);
    const std::string_view value =
        equals == kNpos ? std::string_view() : pair.substr(equals + 1);
    const auto other = FindUriParam(b, name);
    if (other.has_value() ? !SameEscaped(value, *other, true)
                          : all || MustBeInBoth(name)) {
      return false;
    }
  }
  return true;
}

using Pairs = absl::InlinedVector<std::string_view, 4>;

bool SameHeaders(std::string_view a, std::string_view b) {
  Pairs left, right;
  std::string_view pair;
  while (TakePiece(a, '&', pair)) left.push_back(pair);
  while (TakePiece(b, '&', pair)) right.push_back(pair);
  if (left.size() != right.size()) return false;
  for (std::string_view wanted : left) {
    const size_t equals = wanted.find('=');
    const auto found =
        std::find_if(right.begin(), right.end(), [&](std::string_view other) {
          const size_t at = other.find('=');
          return equals != kNpos && at != kNpos &&
                 SameEscaped(wanted.substr(0, equals), other.substr(0, at),
                             true) &&
                 SameEscaped(wanted.substr(equals + 1), other.substr(at + 1),
                             false);
        });
    if (found == right.end()) return false;
    right.erase(found);
  }
  return true;
}

// The digits of a tel number, without the visual separators of RFC 3966.
std::string Digits(std::string_view number) {
  std::string digits;
  for (char c : number) {
    if (c != '-' && c != '.' && c != '(' && c != ')') {
      digits.push_back(ToLower(c));
    }
  }
  return digits;
}

absl::StatusOr<SipUri> ParseTel(std::string_view text) {
  SipUri uri;
  uri.scheme = UriScheme::kTel;
  const size_t semicolon = std::min(text.find(';'), text.size());
  uri.user = text.substr(0, semicolon);
  uri.params = text.substr(semicolon);
  bool digit = false;
  for (size_t i = 0; i < uri.user.size(); ++i) {
    const char c = uri.user[i];
    const bool phone_digit = HexValue(c) >= 0 || c == '*' || c == '#';
    digit |= phone_digit;
    if (!phone_digit && c != '-' && c != '.' && c != '(' && c != ')' &&
        !(c == '+' && i == 0)) {
      return Malformed();
    }
  }
  if (!digit || !ValidUriParams(uri.params)) return Malformed();
  return uri;
}

}  // namespace

HostKind ClassifyHost(std::string_view host) {
  if (host.empty()) return HostKind::kNone;
  if (host.front() == '[') {
    return host.back() == ']' && ValidIpv6(host.substr(1, host.size() - 2))
               ? HostKind::kIpv6
               : HostKind::kNone;
  }
  return ClassifyNameOrIpv4(host);
}

std::optional<HostPort> ParseHostPort(std::string_view text) {
  HostPort result;
  size_t end;
  if (!text.empty() && text.front() == '[') {
    end = text.find(']');
    if (end == kNpos) return std::nullopt;
    ++end;
  } else {
    end = FindEither(text, ':', ':');
  }
  result.host = text.substr(0, end);
  result.kind = ClassifyHost(result.host);
  if (result.kind == HostKind::kNone) return std::nullopt;
  if (end == text.size()) return result;
  if (text[end] != ':') return std::nullopt;
  const auto port = ParseUint(text.substr(end + 1), 65535);
  if (!port || *port == 0) return std::nullopt;
  result.port = static_cast<uint16_t>(*port);
  return result;
}

std::string SipUri::DecodedUser() const {
  return PercentDecode(user).value_or(std::string(user));
}

std::optional<std::string_view> SipUri::Param(std::string_view name) const {
  return FindUriParam(params, name);
}

void SipUri::AppendTo(std::string& out) const {
  out.append(scheme == UriScheme::kSip    ? "sip:"
             : scheme == UriScheme::kSips ? "sips:"
                                          : "tel:");
  out.append(user);
  if (scheme != UriScheme::kTel) {
    if (password.has_value()) {
      out.push_back(':');
      out.append(*password);
    }
    if (has_user()) out.push_back('@');
    out.append(host);
    if (port.has_value()) {
      out.push_back(':');
      out.append(std::to_string(*port));
    }
  }
  out.append(params);
  if (!headers.empty()) {
    out.push_back('?');
    out.append(headers);
  }
}

std::string SipUri::ToString() const {
  std::string text;
  text.reserve(16 + user.size() + host.size() + params.size() + headers.size());
  AppendTo(text);
  return text;
}

absl::StatusOr<SipUri> ParseSipUri(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == kNpos) return Malformed();
  SipUri uri;
  const std::string_view scheme = text.substr(0, colon);
  text.remove_prefix(colon + 1);
  if (EqualsIgnoreCase(scheme, "tel")) return ParseTel(text);
  if (EqualsIgnoreCase(scheme, "sips")) {
    uri.scheme = UriScheme::kSips;
  } else if (!EqualsIgnoreCase(scheme, "sip")) {
    return Malformed();
  }
  // No '@' may stand unescaped after the userinfo, and ';' and '?' may within.
  const size_t at = text.find('@');
  if (at != kNpos) {
    const std::string_view userinfo = text.substr(0, at);
    const size_t password = userinfo.find(':');
    uri.user = userinfo.substr(0, password);
    if (uri.user.empty() || !AllOf(uri.user, kUser)) return Malformed();
    if (password != kNpos) {
      uri.password = userinfo.substr(password + 1);
      if (!AllOf(*uri.password, kUser)) return Malformed();
    }
    text.remove_prefix(at + 1);
  }
  const size_t end = FindEither(text, ';', '?');
  const auto host_port = ParseHostPort(text.substr(0, end));
  if (!host_port) return Malformed();
  uri.host = host_port->host;
  uri.host_kind = host_port->kind;
  uri.port = host_port->port;
  text.remove_prefix(end);
  const size_t question = std::min(text.find('?'), text.size());
  uri.params = text.substr(0, question);
  if (!ValidUriParams(uri.params)) return Malformed();
  if (question < text.size()) {
    uri.headers = text.substr(question + 1);
    if (!ValidUriHeaders(uri.headers)) return Malformed();
  }
  return uri;
}

bool HasSipScheme(std::string_view uri) {
  const std::string_view scheme = uri.substr(0, uri.find(':'));
  return scheme.size() < uri.size() &&
         (EqualsIgnoreCase(scheme, "sip") || EqualsIgnoreCase(scheme, "sips") ||
          EqualsIgnoreCase(scheme, "tel"));
}

bool IsSips(std::string_view uri) {
  return EqualsIgnoreCase(uri.substr(0, 5), "sips:");
}

bool IsAnonymous(std::string_view text) {
  const auto uri = ParseSipUri(text);
  return uri.ok() && (EqualsIgnoreCase(uri->host, "anonymous.invalid") ||
                      EqualsIgnoreCase(uri->user, "anonymous"));
}

bool IsAbsoluteUri(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == kNpos || colon == 0 || colon + 1 == text.size()) return false;
  if (!IsAlpha(text[0])) return false;
  for (char c : text.substr(0, colon)) {
    if (!IsAlpha(c) && !IsDigit(c) && c != '+' && c != '-' && c != '.') {
      return false;
    }
  }
  text.remove_prefix(colon + 1);
  return PrefixInClass(text, kUriClass) == text.size();
}

bool Equivalent(const SipUri& a, const SipUri& b) {
  if (a.scheme != b.scheme) return false;
  if (a.scheme == UriScheme::kTel) {
    return Digits(a.user) == Digits(b.user) &&
           ParamsAgree(a.params, b.params, true) &&
           ParamsAgree(b.params, a.params, true);
  }
  if (!SameEscaped(a.user, b.user, false)) return false;
  if (a.password.has_value() != b.password.has_value()) return false;
  if (a.password && !SameEscaped(*a.password, *b.password, false)) return false;
  return EqualsIgnoreCase(a.host, b.host) && a.port == b.port &&
         ParamsAgree(a.params, b.params, false) &&
         ParamsAgree(b.params, a.params, false) &&
         SameHeaders(a.headers, b.headers);
}

}  // namespace sallyport::signaling_edge
