// Keys for what strangers are told and bring back (nonces, cookies): nothing is
// kept for them, and every loop of a relay knows its own and the others' words.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ROLLING_KEYS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ROLLING_KEYS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"

namespace sallyport::media_relay {

// A key for each period of the clock, derived from one secret; that of the
// period before stays good. Thread-compatible.
class RollingKeys {
 public:
  using Key = std::array<uint8_t, 32>;
  static Key NewSecret(RandomSource& random);

  // `purpose` sets them apart from others of the same secret.
  RollingKeys(const Key& secret, std::string_view purpose,
              absl::Duration period);

  // As of `now`; an earlier time than before changes nothing.
  void Advance(MonoTime now);
  const Key& current() const { return current_; }
  const Key& former() const { return former_; }

 private:
  Key Derive(int64_t period) const;

  const Key secret_;
  const std::string purpose_;
  const int64_t period_seconds_;
  int64_t period_ = -1;
  Key current_;
  Key former_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ROLLING_KEYS_H_
