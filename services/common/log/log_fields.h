// The typed key=value part of a log line.

#ifndef SALLYPORT_SERVICES_COMMON_LOG_LOG_FIELDS_H_
#define SALLYPORT_SERVICES_COMMON_LOG_LOG_FIELDS_H_

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/common/log/redact.h"

namespace sallyport {

// One field of a log line. The key is a lower_snake literal. Phone numbers,
// addresses, URIs and device names go in as Redacted<T>; a plain string is for
// what we chose ourselves: reasons, versions, resource names of tenants.
// Immutable.
class LogField {
 public:
  using Value = std::variant<std::string, int64_t, uint64_t, double, bool>;

  LogField(std::string_view key, std::string_view value)
      : key_(key), value_(std::string(value)) {}
  LogField(std::string_view key, const char* value)
      : key_(key), value_(std::string(value)) {}
  LogField(std::string_view key, const std::string& value)
      : key_(key), value_(value) {}
  LogField(std::string_view key, bool value) : key_(key), value_(value) {}
  LogField(std::string_view key, double value) : key_(key), value_(value) {}
  template <std::signed_integral T>
  LogField(std::string_view key, T value)
      : key_(key), value_(static_cast<int64_t>(value)) {}
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) LogField(std::string_view key, T value)
      : key_(key), value_(static_cast<uint64_t>(value)) {}
  template <typename T>
  LogField(std::string_view key, const Redacted<T>& value)
      : key_(key), value_(value.hash()) {}
  // Seconds, as a number.
  LogField(std::string_view key, absl::Duration value)
      : key_(key), value_(absl::ToDoubleSeconds(value)) {}
  // RFC 3339 in UTC.
  LogField(std::string_view key, absl::Time value);
  // Code and message; a message must hold nothing that needs redaction.
  LogField(std::string_view key, const absl::Status& value);

  std::string_view key() const { return key_; }
  const Value& value() const { return value_; }

 private:
  std::string key_;
  Value value_;
};

// Appends `text` to `out` as a JSON string with its quotes. Octets that are
// not UTF-8 become U+FFFD, so that a line is always valid JSON.
void AppendJsonString(std::string_view text, std::string* out);

// Appends `"key":value`.
void AppendJsonField(const LogField& field, std::string* out);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_LOG_LOG_FIELDS_H_
