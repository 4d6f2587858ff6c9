#include "services/common/log/log_fields.h"

#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sallyport {
namespace {

// Length of the UTF-8 sequence that starts `text`, or 0 when it is not one:
// truncated, overlong, a surrogate or above U+10FFFF (RFC 3629 section 4).
size_t Utf8Length(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = at(0);
  if (lead < 0x80) return 1;
  size_t length;
  uint8_t low = 0x80;
  uint8_t high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  if (text.size() < length) return 0;
  if (at(1) < low || at(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (at(i) < 0x80 || at(i) > 0xBF) return 0;
  }
  return length;
}

struct ValueAppender {
  void operator()(const std::string& value) { AppendJsonString(value, out); }
  void operator()(int64_t value) { absl::StrAppend(out, value); }
  void operator()(uint64_t value) { absl::StrAppend(out, value); }
  void operator()(bool value) { out->append(value ? "true" : "false"); }
  void operator()(double value) {
    // JSON has no number for these.
    if (!std::isfinite(value)) {
      out->append("null");
      return;
    }
    absl::StrAppendFormat(out, "%.9g", value);
  }

  std::string* out;
};

}  // namespace

LogField::LogField(std::string_view key, absl::Time value)
    : key_(key),
      value_(absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", value,
                              absl::UTCTimeZone())) {}

LogField::LogField(std::string_view key, const absl::Status& value)
    : key_(key),
      value_(value.ok() ? std::string("OK")
                        : absl::StrCat(absl::StatusCodeToString(value.code()),
                                       ": ", value.message())) {}

void AppendJsonString(std::string_view text, std::string* out) {
  out->push_back('"');
  while (!text.empty()) {
    const char c = text.front();
    const size_t length = Utf8Length(text);
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (c == '\n') {
      out->append("\\n");
    } else if (c == '\r') {
      out->append("\\r");
    } else if (c == '\t') {
      out->append("\\t");
    } else if (static_cast<uint8_t>(c) < 0x20 || c == 0x7F) {
      absl::StrAppendFormat(out, "\\u%04x", static_cast<uint8_t>(c));
    } else if (length == 0) {
      out->append("\\ufffd");
    } else {
      out->append(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out->push_back('"');
}

void AppendJsonField(const LogField& field, std::string* out) {
  AppendJsonString(field.key(), out);
  out->push_back(':');
  std::visit(ValueAppender{out}, field.value());
}

}  // namespace sallyport
