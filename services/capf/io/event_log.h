// Tells what happens to certificates, and when they expire: each occasion
// once, whatever is restarted and however clocks are set.

#ifndef SALLYPORT_SERVICES_CAPF_IO_EVENT_LOG_H_
#define SALLYPORT_SERVICES_CAPF_IO_EVENT_LOG_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/capf/core/certificate_event.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/service_certificates.h"

namespace sallyport::capf {

// A certificate that somebody uses.
struct CertificateUse {
  std::string tenant;
  std::string used_by;  // "capf:3804", a store's name, an enrollment's name
  std::string certificate_der;
  absl::Time not_after = absl::InfiniteFuture();
};

// On the work thread only.
class EventLog {
 public:
  // Both must outlive this object; `services` may be null.
  explicit EventLog(Ledger& ledger,
                    const ServiceCertificates* services = nullptr)
      : ledger_(ledger), services_(services) {}

  // Certificates of this process, beside those in the store.
  void SetOwn(std::vector<CertificateUse> own) { own_ = std::move(own); }

  // Tells that the own certificates are in use from `start` on (UM-111).
  absl::Status RecordStart(absl::Time start);

  // Tells that one of them was not renewed.
  absl::Status RecordRenewalFailure(const CertificateUse& use,
                                    absl::Time next_attempt);

  // Makes the expiry events that fell due since the last time, those of a
  // time when nothing ran included. The very first call makes none.
  absl::Status Tick();

 private:
  // Own ones, trusted ones, and issued ones that are in use.
  absl::StatusOr<std::vector<CertificateUse>> UsesExpiringBefore(
      absl::Time until);

  Ledger& ledger_;
  const ServiceCertificates* const services_;
  std::vector<CertificateUse> own_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_EVENT_LOG_H_
