// The events that a change of the store brings with it.

#ifndef SALLYPORT_SERVICES_CAPF_IO_CHANGE_EVENTS_H_
#define SALLYPORT_SERVICES_CAPF_IO_CHANGE_EVENTS_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/capf/core/certificate_event.h"
#include "services/capf/io/enrollment_store.h"

namespace sallyport::capf {

// Issued, revoked, trusted, no longer trusted, and operations of phones that
// ended.
std::vector<CertificateEvent> EventsOf(const StoreChange& change,
                                       absl::Time now);

// Subject, issuer, serial number and SHA-1 in words (UM-111, UM-112).
std::string DescribeCertificate(const std::string& der);

// "a" of "tenants/a/...".
std::string TenantOfResource(const std::string& name);

CertificateEvent NewEvent(CertificateEventType type, const std::string& tenant,
                          const std::string& der, const std::string& used_by,
                          absl::Time time);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_CHANGE_EVENTS_H_
