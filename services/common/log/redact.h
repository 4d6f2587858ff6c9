// Values that identify a person or a device never reach a log in clear.

#ifndef SALLYPORT_SERVICES_COMMON_LOG_REDACT_H_
#define SALLYPORT_SERVICES_COMMON_LOG_REDACT_H_

#include <concepts>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace sallyport {

// "#" and 16 hexadecimal digits: SipHash-2-4 of `text` under a key that is
// drawn once per process and never leaves it. Equal values give equal hashes
// within one process, so lines can be joined; the value cannot be looked up.
std::string RedactedHash(std::string_view text);

// A phone number, address, SIP URI, user or device name on its way to a log.
// It prints only its hash; there is no override. Immutable.
template <typename T>
class Redacted {
 public:
  // `value` is text, or whatever absl::StrCat takes.
  explicit Redacted(const T& value) : hash_(Hash(value)) {}

  const std::string& hash() const { return hash_; }

  friend std::ostream& operator<<(std::ostream& out, const Redacted& value) {
    return out << value.hash_;
  }

 private:
  static std::string Hash(const T& value) {
    if constexpr (std::convertible_to<const T&, std::string_view>) {
      return RedactedHash(value);
    } else {
      return RedactedHash(absl::StrCat(value));
    }
  }

  std::string hash_;
};

template <typename T>
Redacted(const T&) -> Redacted<T>;
// So that a literal is not an array of another type for each length.
Redacted(const char*)->Redacted<std::string_view>;

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_LOG_REDACT_H_
