// Digest authentication of requests (RFC 7616, RFC 8760, RFC 3261 section 22)
// as the server: challenges and their verification. The algorithm is the one
// of the user's record: SHA-256, or MD5 for phones that know nothing else.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_DIGEST_AUTH_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_DIGEST_AUTH_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/common/crypto/secret.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/dialog_token.h"
#include "services/signaling_edge/core/nonce_counts.h"
#include "services/signaling_edge/core/remote_flow.h"

namespace sallyport::signaling_edge {

std::string_view DigestAlgorithmName(DigestAlgorithm algorithm);

// Makes nonces that carry their own proof (time, random and HMAC under a key
// that is not told), so an unanswered challenge costs no memory.
// What is kept is the nonce counts of nonces that were used with success,
// which makes each (nonce, count) good for one request.
//
// With shared keys a nonce is good at every loop and edge that has them, as a
// request may come back by another way than its challenge went. The loops of
// an edge share the counts too; other edges keep their own, so that elsewhere
// than at its maker a nonce lives shortly: kForeignLifetime. A client that
// brings an old one, or a stranger's, with the right password is told "stale"
// and asks nobody.
//
// Not checked: that the uri parameter equals the Request-URI, as deployed
// clients differ; a captured response cannot be used again anyway.
// Thread-compatible.
class DigestAuth {
 public:
  // Of the oldest more are stale.
  static constexpr size_t kTrackedNonces = 65'536;

  struct Options {
    absl::Duration nonce_lifetime = absl::Minutes(10);  // CUCM: 600 s
    // The counts of all loops of this edge, which outlive this object; null:
    // some of its own, of so many nonces.
    NonceCounts* counts = nullptr;
    size_t max_tracked_nonces = kTrackedNonces;
    // Shared with others; null: a key of this object's own.
    std::shared_ptr<const TokenKeys> keys;
    NodeId node;  // which of those others this is
    // What is added to a MonoTime for a time that all have alike.
    absl::Duration to_shared_time;
  };
  // Of others' nonces; clocks may differ by kSkew.
  static constexpr absl::Duration kForeignLifetime = absl::Seconds(30);
  static constexpr absl::Duration kSkew = absl::Seconds(5);

  enum class Verdict {
    kAccepted,
    kStale,   // the password is right, the nonce is old or was used
    kFailed,  // anything else, and all that is said of it
  };

  // Who the request must come from. `ha1` is H(username:realm:password) in
  // lower-case hex, and never empty for one that may pass. With `refuse`, for a
  // user that does not exist or may not call, it may be anybody's: the work is
  // the same, and the verdict kFailed.
  struct Expected {
    std::string_view username;
    std::string_view realm;
    DigestAlgorithm algorithm = DigestAlgorithm::kSha256;
    std::string_view ha1;
    bool refuse = false;
    // Of its nonces; zero: Options::nonce_lifetime.
    absl::Duration nonce_lifetime;
  };

  // `random` must outlive this object.
  DigestAuth(RandomSource& random, Options options);

  // The value of WWW-Authenticate or Proxy-Authenticate.
  std::string Challenge(std::string_view realm, DigestAlgorithm algorithm,
                        bool stale, MonoTime now);

  // `credentials` is the value of Authorization or Proxy-Authorization.
  Verdict Verify(std::string_view credentials, std::string_view method,
                 const Expected& expected, MonoTime now);

  // A number that is the same for the same name, for as long as this object
  // lives, and that nobody else can tell: by it one that does not exist is
  // given what one that does has.
  uint64_t Draw(std::string_view username, std::string_view realm) const;

 private:
  uint64_t SharedMicros(MonoTime now) const;
  // The last 16 bits of what is random are the maker's mark.
  static std::string NonceText(const Secret& key, const NonceId& id,
                               std::string_view realm);
  bool ReadNonce(std::string_view text, std::string_view realm,
                 NonceId& id) const;
  bool TakeCount(const NonceId& id, uint32_t count, absl::Duration lifetime,
                 MonoTime now);

  RandomSource& random_;
  const Options options_;
  const std::vector<Secret> keys_;  // the first makes, all verify
  const uint16_t mark_;             // of what is made here
  std::optional<NonceCounts> own_counts_;
  NonceCounts& counts_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_DIGEST_AUTH_H_
