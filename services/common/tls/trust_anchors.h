// A set of certificates that chains may end in, and the check of such a chain.

#ifndef SALLYPORT_SERVICES_COMMON_TLS_TRUST_ANCHORS_H_
#define SALLYPORT_SERVICES_COMMON_TLS_TRUST_ANCHORS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace sallyport {

class PathVerifier;
struct ParsedCertificate;

// What the checked certificate is to be used for; its extendedKeyUsage, if it
// has one, must allow it. A SIP client's or server's may be for SIP domains
// (id-kp-sipDomain, RFC 5924) instead of for TLS.
enum class CertificatePurpose {
  kTlsClient,
  kTlsServer,
  kAny,
  kSipClient,
  kSipServer,
};

// One generation of a trust store. Every member is an anchor as it stands, a
// CA or the very certificate of a peer. What was found good is remembered, as
// one handshake asks several times and phones come back. Thread-safe.
class TrustAnchors {
 public:
  // Every CERTIFICATE of `pem`; INVALID_ARGUMENT if one is broken or there is
  // none.
  static absl::StatusOr<std::shared_ptr<const TrustAnchors>> FromPem(
      std::string_view pem);
  // DER, one each. An empty set is allowed, and trusts nobody. What `before`,
  // if there was one, has found good is good here too where it ends in an
  // anchor of both, and no signature on a path of its is computed again: both
  // remember them in one place from then on.
  static absl::StatusOr<std::shared_ptr<const TrustAnchors>> FromDer(
      absl::Span<const std::string> certificates,
      const TrustAnchors* before = nullptr);

  ~TrustAnchors();
  TrustAnchors(const TrustAnchors&) = delete;
  TrustAnchors& operator=(const TrustAnchors&) = delete;

  // Checks the path of `chain` (DER; the leaf first, then intermediates in any
  // order) to an anchor by common/pki's path verifier: signatures, validity at
  // `now`, basic constraints, path length, name constraints, policies, key
  // usage and purpose (RFC 5280 section 6). Keys of RSA below 2048 bits and
  // signatures with SHA-1 count for nothing.
  // Says nothing of whose certificate it is, nor of revocation.
  //
  // UNAUTHENTICATED with one of the reasons PEER_CERTIFICATE_MISSING (empty
  // chain), PEER_CERTIFICATE_MALFORMED, PEER_CERTIFICATE_EXPIRED,
  // PEER_CERTIFICATE_NOT_YET_VALID, PEER_CERTIFICATE_WRONG_USAGE, and
  // PEER_CERTIFICATE_UNTRUSTED for all else. Thread-safe.
  absl::Status Verify(absl::Span<const std::string> chain,
                      CertificatePurpose purpose, absl::Time now) const;
  // The same, and until when that path holds: the earliest notAfter on it, the
  // anchor's included. Then another may still do. Thread-safe.
  absl::StatusOr<absl::Time> GoodUntil(absl::Span<const std::string> chain,
                                       CertificatePurpose purpose,
                                       absl::Time now) const;

  size_t size() const;
  // Chains, each for a purpose, that are known to be good.
  size_t remembered() const;
  // Signatures that had to be computed, by all that remember in one place.
  uint64_t signatures_checked() const;

 private:
  explicit TrustAnchors(std::shared_ptr<const PathVerifier> verifier);

  // A path that was verified: while all its certificates are valid it is good,
  // as the anchors never change.
  struct Period {
    absl::Time from;
    absl::Time until;
    std::shared_ptr<const ParsedCertificate> anchor;
  };

  absl::StatusOr<Period> VerifyAnew(absl::Span<const std::string> chain,
                                    CertificatePurpose purpose,
                                    absl::Time now) const;

  std::shared_ptr<const PathVerifier> verifier_;
  mutable absl::Mutex mutex_;
  // By the SHA-256 of purpose and chain.
  mutable absl::flat_hash_map<std::string, Period> good_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TLS_TRUST_ANCHORS_H_
