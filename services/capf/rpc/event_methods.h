// ListCertificateEvents and ExplainServerCertificate.

#ifndef SALLYPORT_SERVICES_CAPF_RPC_EVENT_METHODS_H_
#define SALLYPORT_SERVICES_CAPF_RPC_EVENT_METHODS_H_

#include "absl/status/status.h"
#include "sallyport/capf/v1/certificate_event.pb.h"
#include "sallyport/capf/v1/server_certificate.pb.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/server_certificates.h"
#include "services/capf/io/service_certificates.h"
#include "services/capf/rpc/capf_convert.h"

namespace sallyport::capf {

pb::CertificateEvent ToProto(const CertificateEvent& event);

// Access is checked by then. On the work thread only.
class EventMethods {
 public:
  // All must outlive this object.
  EventMethods(Ledger& ledger, ServerCertificates& servers,
               const ServiceCertificates& services, const RenewalState& renewal)
      : ledger_(ledger),
        servers_(servers),
        services_(services),
        renewal_(renewal) {}

  absl::Status List(const pb::ListCertificateEventsRequest& request,
                    pb::ListCertificateEventsResponse& response);
  // Makes the self-signed certificate if there is no other (UM-109, UM-124).
  absl::Status Explain(const pb::ExplainServerCertificateRequest& request,
                       pb::ServerCertificateChoice& response);

 private:
  Ledger& ledger_;
  ServerCertificates& servers_;
  const ServiceCertificates& services_;
  const RenewalState& renewal_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_RPC_EVENT_METHODS_H_
