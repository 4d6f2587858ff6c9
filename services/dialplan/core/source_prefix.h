// Addresses and prefixes from which peers in clear send, made comparable.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_SOURCE_PREFIX_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_SOURCE_PREFIX_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::dialplan {

// One address or prefix. IPv4 counts as v4-mapped, so that its lengths are 96
// to 128. Immutable but for assignment; Thread-compatible.
class SourcePrefix {
 public:
  // "192.0.2.7", "192.0.2.0/24", "2001:db8::/32"; host bits are taken off.
  // nullopt for anything else.
  static std::optional<SourcePrefix> Parse(std::string_view text);
  // The same of what Key() returned, wherever it ends in one.
  static std::optional<SourcePrefix> FromKey(std::string_view key);

  // Fixed width, so that in byte order the keys of all that lies within a
  // prefix stand between its own First() and Last().
  std::string Key() const { return KeyOf(first_, length_); }
  std::string First() const { return KeyOf(first_, 0); }
  std::string Last() const;
  // The prefix of that length which holds this one.
  SourcePrefix Widened(int length) const;

  int length() const { return length_; }  // 0 to 128
  bool is_v4() const;
  // Octets as in KeyOf: 32 hex digits, '/', 2 hex digits.
  static constexpr size_t kKeySize = 35;

 private:
  using Octets = std::array<uint8_t, 16>;
  static std::string KeyOf(const Octets& octets, int length);

  Octets first_ = {};
  int length_ = 128;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_SOURCE_PREFIX_H_
