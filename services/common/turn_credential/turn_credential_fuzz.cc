// Input: a USERNAME as it arrives in a STUN message. Invariants: the two
// readers agree on the form; whatever verifies under the fixed key, the
// corpus' own, is spelled in one way; random octets in a minted name are
// refused.

#include "services/common/turn_credential/turn_credential.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/system_random.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport;  // NOLINT(google-build-using-namespace): a fuzzer
  static const Secret* const kKey =
      new Secret(Secret::CopyOf(std::string(32, 'k')));
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  const std::string_view username = AsText(ByteSpan(data, size));
  const auto key_id = KeyIdOfTurnUsername(username);
  const auto verified = VerifyTurnUsername(username, *kKey, now);
  Require(key_id.has_value() ==
          (verified.status().code() != absl::StatusCode::kInvalidArgument));
  if (verified.ok()) {
    Require(verified->claims.key_id == *key_id);
    Require(verified->claims.expiry > now);
    Require(username.find('=') == std::string_view::npos);
  }

  // The input as tenant and subject.
  SystemRandom random;
  TurnClaims claims;
  claims.key_id = 1;
  claims.expiry = now + absl::Hours(1);
  claims.tenant = std::string(username.substr(0, size / 2));
  claims.subject = std::string(username.substr(size / 2));
  const auto minted = MintTurnCredential(claims, *kKey, now, random);
  if (minted.ok()) {
    const auto back = VerifyTurnUsername(minted->username, *kKey, now);
    Require(back.ok() && back->claims.tenant == claims.tenant &&
            back->claims.subject == claims.subject &&
            back->password == minted->password);
  }
  return 0;
}
