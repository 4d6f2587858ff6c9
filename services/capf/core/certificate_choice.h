// Which of its certificates a server shows, and why not the others.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_CHOICE_H_
#define SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_CHOICE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"

namespace sallyport::capf {

// Exactly three kinds are told apart (UM-28).
enum class CertificateKind { kPki, kCommercial, kSelfSigned };

// What is known of a certificate that could be shown.
struct CandidateCertificate {
  std::string sha256;  // names it in the answer
  CertificateKind kind = CertificateKind::kPki;
  absl::Time not_before;
  absl::Time not_after;
  bool names_server = false;          // one of its names is the host's
  bool server_auth = false;           // its extended key usage allows it
  bool has_private_key = false;       // we hold the key
  bool reaches_trusted_root = false;  // UM-116: the chain is complete
  bool revoked = false;               // any member of the chain
  bool expired_issuer = false;        // a member above it is out of its time
};

enum class ChoiceVerdict {
  kChosen,
  kNoPrivateKey,
  kRevoked,
  kExpired,
  kNotYetValid,
  kIssuerExpired,
  kNameMismatch,
  kUsageMismatch,
  kRootNotTrusted,
  kSelfSignedComesLater,  // valid, but one from an authority is too
  kExpiresSooner,         // valid and of the same kind
};

// "NO_PRIVATE_KEY" and so on; stable.
std::string_view ChoiceVerdictName(ChoiceVerdict verdict);
// The same as a sentence for an operator.
std::string_view ChoiceExplanation(ChoiceVerdict verdict);

struct RankedCandidate {
  size_t index = 0;  // in the list that was given
  ChoiceVerdict verdict = ChoiceVerdict::kChosen;

  bool operator==(const RankedCandidate&) const = default;
};

struct CertificateChoice {
  // Empty: none is valid, and a self-signed one is to be made (UM-109).
  std::optional<size_t> chosen;
  std::vector<RankedCandidate> ranking;  // the usable first, best first
};

// UM-109 and UM-117 to UM-118: those of an authority before self-signed ones,
// and among them the one that expires last; invalid ones never take part. Ties
// go to the one that became valid later, then to the lower digest, so that
// every replica chooses the same. Pure.
CertificateChoice ChooseCertificate(
    absl::Span<const CandidateCertificate> candidates, absl::Time now);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_CHOICE_H_
