#include "services/signaling_edge/core/sip_text.h"

#include "absl/container/inlined_vector.h"

namespace sallyport::signaling_edge {
namespace {

// More parameters than this on one header field element are refused.
constexpr size_t kMaxParams = 64;

void SkipLws(std::string_view& text) {
  while (!text.empty() && IsLws(text.front())) text.remove_prefix(1);
}

std::string_view TakeClass(std::string_view& text, uint8_t classes) {
  const size_t n = PrefixInClass(text, classes);
  const std::string_view taken = text.substr(0, n);
  text.remove_prefix(n);
  return taken;
}

}  // namespace

bool IsToken(std::string_view text) {
  return !text.empty() && PrefixInClass(text, kTokenClass) == text.size();
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<uint32_t> ParseUint(std::string_view text, uint32_t max) {
  if (text.empty()) return std::nullopt;
  uint64_t value = 0;
  for (char c : text) {
    if (!IsDigit(c)) return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(c - '0');
    if (value > max) return std::nullopt;  // so it never grows past 64 bits
  }
  return static_cast<uint32_t>(value);
}

std::optional<uint32_t> ParseUintSaturating(std::string_view text,
                                            uint32_t max) {
  if (text.empty()) return std::nullopt;
  for (char c : text) {
    if (!IsDigit(c)) return std::nullopt;
  }
  return ParseUint(text, max).value_or(max);
}

size_t QuotedStringLength(std::string_view text) {
  if (text.empty() || text[0] != '"') return std::string_view::npos;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1;
    if (text[i] == '\\') ++i;  // a quoted pair: the next character is plain
  }
  return std::string_view::npos;
}

std::string Unquote(std::string_view text) {
  if (text.size() < 2 || QuotedStringLength(text) != text.size()) {
    return std::string(text);
  }
  text.remove_prefix(1);
  text.remove_suffix(1);
  std::string plain;
  plain.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    plain.push_back(text[i]);
  }
  return plain;
}

std::string Quote(std::string_view text) {
  std::string quoted = "\"";
  quoted.reserve(text.size() + 2);
  for (char c : text) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    const auto byte = static_cast<uint8_t>(c);
    quoted.push_back(byte < 0x20 || byte == 0x7f ? ' ' : c);
  }
  quoted.push_back('"');
  return quoted;
}

std::optional<std::string> PercentDecode(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = HexValue(text[i + 1]);
    const int low = HexValue(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    plain.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return plain;
}

std::string PercentEncode(std::string_view text, std::string_view also_plain) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string escaped;
  escaped.reserve(text.size());
  for (char c : text) {
    if (IsUnreserved(c) || also_plain.find(c) != std::string_view::npos) {
      escaped.push_back(c);
      continue;
    }
    const auto byte = static_cast<uint8_t>(c);
    escaped.push_back('%');
    escaped.push_back(kDigits[byte >> 4]);
    escaped.push_back(kDigits[byte & 15]);
  }
  return escaped;
}

bool ListReader::Next(std::string_view& item) {
  if (done_) return false;
  bool in_angle = false;
  size_t i = 0;
  for (; i < rest_.size(); ++i) {
    const char c = rest_[i];
    if (!InClass(c, kListStopClass)) continue;
    if (c == '"') {
      // Inside angle brackets too, as a quote is not a URI character.
      const size_t length = QuotedStringLength(rest_.substr(i));
      if (length == std::string_view::npos) {
        ok_ = false;
        i = rest_.size();
        break;
      }
      i += length - 1;
    } else if (c == '<') {
      in_angle = true;
    } else if (c == '>') {
      in_angle = false;
    } else if (c == ',' && !in_angle) {
      break;
    }
  }
  if (in_angle) ok_ = false;
  item = TrimLws(rest_.substr(0, i));
  if (i < rest_.size()) {
    rest_.remove_prefix(i + 1);
  } else {
    done_ = true;
  }
  return true;
}

bool ParamReader::Next(SipParam& param) {
  SkipLws(rest_);
  if (rest_.empty() || !ok_) return false;
  ok_ = false;  // until this parameter is whole
  if (rest_.front() != ';') return false;
  rest_.remove_prefix(1);
  SkipLws(rest_);
  param = {};
  param.name = TakeClass(rest_, kTokenClass);
  if (param.name.empty()) return false;
  SkipLws(rest_);
  if (!rest_.empty() && rest_.front() == '=') {
    rest_.remove_prefix(1);
    SkipLws(rest_);
    param.has_value = true;
    if (!rest_.empty() && rest_.front() == '"') {
      const size_t length = QuotedStringLength(rest_);
      if (length == std::string_view::npos) return false;
      param.value = rest_.substr(0, length);
      rest_.remove_prefix(length);
    } else {
      param.value = TakeClass(rest_, kParamValueClass);
      if (param.value.empty()) return false;
    }
    SkipLws(rest_);
  }
  ok_ = rest_.empty() || rest_.front() == ';';
  return ok_;
}

bool ValidParams(std::string_view params) {
  absl::InlinedVector<std::string_view, 8> names;
  ParamReader reader(params);
  for (SipParam param; reader.Next(param);) {
    if (names.size() == kMaxParams) return false;
    for (std::string_view other : names) {
      if (EqualsIgnoreCase(other, param.name)) return false;
    }
    names.push_back(param.name);
  }
  return reader.ok();
}

std::optional<std::string_view> FindParam(std::string_view params,
                                          std::string_view name) {
  ParamReader reader(params);
  SipParam param;
  while (reader.Next(param)) {
    if (EqualsIgnoreCase(param.name, name)) return param.value;
  }
  return std::nullopt;
}

}  // namespace sallyport::signaling_edge
