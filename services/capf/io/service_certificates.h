// Certificates of the other services: renews them, and knows which are in use.

#ifndef SALLYPORT_SERVICES_CAPF_IO_SERVICE_CERTIFICATES_H_
#define SALLYPORT_SERVICES_CAPF_IO_SERVICE_CERTIFICATES_H_

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/capf/core/certificate_record.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/ledger.h"

namespace sallyport::capf {

// What a service asks for.
struct ServiceRenewal {
  std::string service;  // verified: "media_relay"
  // The certificate that is replaced, DER: what was shown in the handshake,
  // or, with a proof, what was sent along.
  std::string current_der;
  bool is_identity = true;
  std::string csr_der;
  std::string proof;  // unless is_identity
  std::string request_id;
};

// A certificate in use, as a service reported it. A value.
struct ServiceCertificate {
  std::string service;  // verified
  std::string instance;
  std::string use;
  std::string der;
  std::vector<std::string> others;  // of its chain, DER
  std::string tenant;               // whose events are about it
  bool issued_here = false;
  absl::Time start_time = absl::UnixEpoch();  // of the instance
  absl::Time use_time = absl::UnixEpoch();
  absl::Time not_after = absl::InfiniteFuture();
  absl::Time next_attempt_time = absl::InfiniteFuture();
  uint32_t failures = 0;
  std::string last_reason;
  absl::Time last_failure_time = absl::UnixEpoch();
  // Of failures that were made good before they were reported.
  uint32_t mended_failures = 0;
  std::string mended_reason;
  absl::Time mended_failure_time = absl::UnixEpoch();
  absl::Time report_time = absl::UnixEpoch();

  // "signaling_edge/edge-0 sip".
  std::string UsedBy() const { return service + "/" + instance + " " + use; }
};

// On the work thread only.
class ServiceCertificates {
 public:
  struct Options {
    std::string tenant;  // of what belongs to none
    std::string trust_domain;
    absl::Duration service_lifetime;  // zero: the profile's
    absl::Duration server_lifetime;
  };

  // All but `options` must outlive this object.
  ServiceCertificates(Options options, CertificateAuthority& authority,
                      Ledger& ledger)
      : options_(std::move(options)), authority_(authority), ledger_(ledger) {}

  // Certifies a new key for the names of the old certificate, which is from
  // then on superseded if it was ours. PERMISSION_DENIED: RENEWAL_NAMES_DIFFER,
  // CERTIFICATE_REVOKED, CERTIFICATE_EXPIRED, CERTIFICATE_NOT_OURS (a server's
  // that we did not issue), PROOF_INVALID; else as CertificateAuthority::Issue.
  absl::StatusOr<CertificateRecord> Renew(const ServiceRenewal& renewal);

  // Replaces what the instance reported before. What is new becomes an event
  // and an audit record (UM-111), and so does each failure. INVALID_ARGUMENT:
  // INSTANCE_INVALID, CERTIFICATE_MALFORMED, TOO_MANY_CERTIFICATES.
  absl::Status Report(const std::string& service, const std::string& instance,
                      std::vector<ServiceCertificate> certificates);

  // Whether an authority of ours issued it that issues no more, or its key was
  // made before FIPS mode came into force (IMP-69).
  bool IsDue(const ServiceCertificate& certificate) const;

  // In order of service, instance and use; of instances that reported within
  // the last day.
  std::vector<ServiceCertificate> InUse() const;

 private:
  using Key = std::tuple<std::string, std::string, std::string>;

  const Options options_;
  CertificateAuthority& authority_;
  Ledger& ledger_;
  std::map<Key, ServiceCertificate> in_use_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_SERVICE_CERTIFICATES_H_
