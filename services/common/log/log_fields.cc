#include "services/common/log/log_fields.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/common/bytes/utf8.h"

namespace sallyport {
namespace {

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

// A character that stands for itself in a JSON string.
bool IsPlain(char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; }

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
  while (true) {
    const auto special = std::find_if_not(text.begin(), text.end(), IsPlain);
    out->append(text.begin(), special);
    text.remove_prefix(static_cast<size_t>(special - text.begin()));
    if (text.empty()) break;
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
