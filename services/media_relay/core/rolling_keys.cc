#include "services/media_relay/core/rolling_keys.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/hmac.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"

namespace sallyport::media_relay {

RollingKeys::Key RollingKeys::NewSecret(RandomSource& random) {
  Key secret;
  random.Fill(absl::MakeSpan(secret));
  return secret;
}

RollingKeys::RollingKeys(const Key& secret, std::string_view purpose,
                         absl::Duration period)
    : secret_(secret),
      purpose_(purpose),
      period_seconds_(std::max<int64_t>(1, absl::ToInt64Seconds(period))),
      current_(Derive(0)),
      former_(Derive(-1)) {}

RollingKeys::Key RollingKeys::Derive(int64_t period) const {
  std::array<uint8_t, 8> number;
  for (size_t i = 0; i < number.size(); ++i) {
    number[i] = static_cast<uint8_t>(static_cast<uint64_t>(period) >>
                                     (8 * (number.size() - 1 - i)));
  }
  const auto mac = HmacSha256(secret_, {AsBytes(purpose_), number});
  static_assert(sizeof(mac) == sizeof(Key));
  Key key;
  std::copy(mac.begin(), mac.end(), key.begin());
  return key;
}

void RollingKeys::Advance(MonoTime now) {
  const int64_t period =
      absl::ToInt64Seconds(now.since_origin()) / period_seconds_;
  if (period <= period_) return;
  current_ = Derive(period);
  former_ = Derive(period - 1);
  period_ = period;
}

}  // namespace sallyport::media_relay
