// Whether a certificate is to be believed: finds a path from it to an anchor
// and checks it whole (RFC 5280 section 6, RFC 4158).
//
// The one verifier of the suite: TLS connections check their peers by it, and
// capf answers with it what they would say.

#ifndef SALLYPORT_SERVICES_COMMON_PKI_PATH_VERIFIER_H_
#define SALLYPORT_SERVICES_COMMON_PKI_PATH_VERIFIER_H_

#include <openssl/base.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/pki/parsed_certificate.h"
#include "services/common/pki/parsed_crl.h"
#include "services/common/pki/policy_graph.h"
#include "services/common/pki/signed_data.h"

namespace sallyport {

class SignatureMemo;

using CertificateRef = std::shared_ptr<const ParsedCertificate>;

// What a certificate is to be used for (UM-27).
struct RequiredUsage {
  bool server_auth = false;
  bool client_auth = false;
  // id-kp-sipDomain is as good as each of the two, if it is that of all of the
  // path (RFC 5924).
  bool or_sip_domain = false;
  // Absent extendedKeyUsage is not enough: every use above must be named, and
  // by itself (UM-89, for peers that check so).
  bool named = false;
};

enum class RevocationRule {
  kIgnore,
  kSoft,  // a list that has it refuses; no list in force is taken for good
  kHard,  // REVOCATION_UNKNOWN without a list in force for each member
};

struct PathRules {
  RequiredUsage usage;
  SignatureRules signatures;
  PolicyInputs policies;
  RevocationRule revocation = RevocationRule::kIgnore;
  // Also what section 4 of RFC 5280 and the baseline requirements ask of those
  // who issue, though no attack follows from its lack: see FormFault. Peers
  // with certificates of their own making would not pass.
  bool strict_form = false;
  // Intermediates that are not self-issued.
  size_t max_intermediates = 8;
};

struct PathQuery {
  CertificateRef leaf;
  std::vector<CertificateRef> others;  // in any order
  std::vector<std::shared_ptr<const ParsedCrl>> lists;
  // Revoked by word of the authority, beside any list. May be null.
  std::function<bool(const ParsedCertificate&)> revoked;
  absl::Time now;
};

struct PathResult {
  // OK, or kUnauthenticated with one of these reasons: CERTIFICATE_EXPIRED,
  // CERTIFICATE_NOT_YET_VALID, CHAIN_INCOMPLETE (no issuer at hand),
  // ROOT_NOT_TRUSTED (ends in a self-signed one that is no anchor),
  // SIGNATURE_INVALID, SIGNATURE_ALGORITHM_WEAK,
  // SIGNATURE_ALGORITHM_UNSUPPORTED, KEY_WEAK, KEY_UNSUPPORTED, ISSUER_NOT_CA,
  // KEY_USAGE_MISSING, EKU_MISSING, PATH_LENGTH_EXCEEDED,
  // NAME_CONSTRAINT_VIOLATED, POLICY_VIOLATED, CRITICAL_EXTENSION_UNKNOWN,
  // CERTIFICATE_REVOKED, REVOCATION_UNKNOWN, FORM_NOT_STRICT,
  // PATH_SEARCH_EXHAUSTED.
  absl::Status status;
  // Leaf first, the anchor last; of the best try if there is no good one.
  std::vector<CertificateRef> path;
  // Which member of it is at fault.
  size_t at_fault = 0;
};

// One generation of anchors. Each is an anchor as it stands: an authority, or
// the very certificate of a peer; its own dates, constraints and extensions
// count. Immutable.
class PathVerifier {
 public:
  // kInvalidArgument if an anchor is no certificate. What is in `memo`, which
  // generations share, is not computed again; null: nothing is remembered.
  static absl::StatusOr<std::shared_ptr<const PathVerifier>> Create(
      absl::Span<const std::string> anchors_der,
      std::shared_ptr<SignatureMemo> memo = nullptr);

  // Tries every path, at most 1000 steps and 128 signatures. Thread-safe.
  PathResult Verify(const PathQuery& query, const PathRules& rules) const;

  absl::Span<const CertificateRef> anchors() const { return anchors_; }
  const std::shared_ptr<SignatureMemo>& memo() const { return memo_; }

 private:
  friend class PathSearch;

  PathVerifier() = default;

  std::vector<CertificateRef> anchors_;
  std::shared_ptr<SignatureMemo> memo_;
  absl::flat_hash_set<std::string> anchor_der_;
  absl::flat_hash_map<std::string, std::vector<size_t>> by_subject_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PKI_PATH_VERIFIER_H_
