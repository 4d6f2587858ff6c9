// Which certificate a server of ours shows, and the self-signed one that is
// made when there is no other.

#ifndef SALLYPORT_SERVICES_CAPF_IO_SERVER_CERTIFICATES_H_
#define SALLYPORT_SERVICES_CAPF_IO_SERVER_CERTIFICATES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/capf/core/certificate_choice.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/service_certificates.h"
#include "services/common/crypto/secret.h"
#include "services/common/pki/path_verifier.h"
#include "services/common/random/random_source.h"

namespace sallyport::capf {

struct ExplainedCandidate {
  std::string der;
  bool chosen = false;
  std::string_view verdict;      // "EXPIRED"
  std::string_view explanation;  // a sentence
  CertificateKind kind = CertificateKind::kPki;
};

struct ExplainedChoice {
  std::string chosen_der;
  std::vector<ExplainedCandidate> candidates;  // best first
  bool self_signed_fallback = false;           // made by this call or before
  absl::Time renew_time = absl::InfiniteFuture();
};

// How the renewal of the certificate on our own ports goes. On the work thread
// only.
struct RenewalState {
  int failures = 0;  // in a row
  absl::Time next_attempt = absl::InfiniteFuture();
};

// On the work thread only.
class ServerCertificates {
 public:
  struct Options {
    std::string folder;  // of keys and certificates that are made here
    absl::Duration self_signed_lifetime = absl::Hours(24 * 365);
    // Of the roots that everybody knows, by which commercial certificates are
    // told (UM-28). Null: none.
    std::shared_ptr<const PathVerifier> commercial;
  };

  // All but `options` must outlive this object. Keys are encrypted under
  // `wrapping`.
  ServerCertificates(Options options, const Secret& wrapping,
                     CertificateAuthority& authority, Ledger& ledger,
                     RandomSource& random)
      : options_(std::move(options)),
        wrapping_(wrapping),
        authority_(authority),
        ledger_(ledger),
        random_(random) {}

  // UM-109, UM-116 to UM-118, UM-124: server certificates that our authority
  // issued in the tenant (whoever asked for one proved to hold its key), and
  // self-signed ones made here. If none is valid for `fqdn`, one is made, key
  // and certificate durable before this returns; each that is made is
  // recorded in the audit. INVALID_ARGUMENT for a service or name that is none.
  // `in_use`: those that the service says it has, whoever issued them; their
  // chains count as they stand.
  absl::StatusOr<ExplainedChoice> Choose(
      const std::string& tenant, const std::string& service,
      const std::string& fqdn, absl::Span<const ServiceCertificate> in_use);

 private:
  struct Candidates {
    std::vector<CandidateCertificate> facts;
    std::vector<std::string> der;
  };
  absl::StatusOr<Candidates> Collect(
      const std::string& tenant, const std::string& base,
      const std::string& fqdn, absl::Span<const ServiceCertificate> in_use);
  absl::StatusOr<std::string> MakeSelfSigned(const std::string& base,
                                             const std::string& fqdn);

  const Options options_;
  const Secret& wrapping_;
  CertificateAuthority& authority_;
  Ledger& ledger_;
  RandomSource& random_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_SERVER_CERTIFICATES_H_
