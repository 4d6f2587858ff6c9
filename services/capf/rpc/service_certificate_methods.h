// RenewCertificate, ReportServiceCertificates and ListServiceCertificates.

#ifndef SALLYPORT_SERVICES_CAPF_RPC_SERVICE_CERTIFICATE_METHODS_H_
#define SALLYPORT_SERVICES_CAPF_RPC_SERVICE_CERTIFICATE_METHODS_H_

#include <string>

#include "absl/status/status.h"
#include "sallyport/capf/v1/certificate.pb.h"
#include "sallyport/capf/v1/service_certificate.pb.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/fips_reports.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/service_certificates.h"
#include "services/capf/rpc/capf_convert.h"

namespace sallyport::capf {

// Who asks, as the handshake proved it.
struct ServiceCaller {
  std::string service;          // "media_relay"
  std::string certificate_pem;  // that it showed; empty within this process
};

// Access is checked by then. On the work thread only.
class ServiceCertificateMethods {
 public:
  // All but the string must outlive this object.
  ServiceCertificateMethods(Ledger& ledger, CertificateAuthority& authority,
                            ServiceCertificates& services,
                            std::string authority_name)
      : ledger_(ledger),
        authority_(authority),
        services_(services),
        authority_name_(std::move(authority_name)) {}

  absl::Status Renew(const pb::RenewCertificateRequest& request,
                     const ServiceCaller& caller, pb::Certificate& response);
  absl::Status Report(const pb::ReportServiceCertificatesRequest& request,
                      const ServiceCaller& caller,
                      pb::ReportServiceCertificatesResponse& response);
  absl::Status List(const pb::ListServiceCertificatesRequest& request,
                    pb::ListServiceCertificatesResponse& response);
  const FipsReports& fips_reports() const { return fips_reports_; }

 private:
  Ledger& ledger_;
  CertificateAuthority& authority_;
  ServiceCertificates& services_;
  const std::string authority_name_;
  FipsReports fips_reports_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_RPC_SERVICE_CERTIFICATE_METHODS_H_
