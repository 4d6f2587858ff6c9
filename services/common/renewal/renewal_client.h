// How a service asks capf for its next certificate.

#ifndef SALLYPORT_SERVICES_COMMON_RENEWAL_RENEWAL_CLIENT_H_
#define SALLYPORT_SERVICES_COMMON_RENEWAL_RENEWAL_CLIENT_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sallyport/capf/v1/service_certificate.pb.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "services/common/fips/fips_mode.h"
#include "services/common/renewal/certificate_renewer.h"

namespace sallyport {

// What a service says of its certificates, and of the mode that it runs in.
capf::v1::ReportServiceCertificatesRequest RenewalReport(
    const std::string& instance, absl::Time start_time,
    const std::vector<CertificateUseState>& states, const FipsState& fips);

// What capf answers.
struct RenewalAnswer {
  std::vector<std::string> due_uses;  // which are due at once
  // The installation's FIPS mode; nullopt if capf does not say.
  std::optional<bool> fips_on;
};

// Connects anew for each call: capf looks at the certificate that was shown in
// the handshake, and a connection from before a renewal shows the old one.
// Thread-safe.
class RenewalClient {
 public:
  // `own` must outlive this object; its files are those in use.
  RenewalClient(const common::config::v1::ServerConfig& own,
                std::string instance, absl::Time start_time)
      : own_(own), instance_(std::move(instance)), start_time_(start_time) {}

  // The new chain, PEM, the leaf first. Errors with capf's reasons;
  // UNAVAILABLE or DEADLINE_EXCEEDED when it is not to be reached.
  absl::StatusOr<std::string> Sign(const RenewalOrder& order) const;
  // Errors as above.
  absl::StatusOr<RenewalAnswer> Report(
      const std::vector<CertificateUseState>& states,
      const FipsState& fips) const;

 private:
  const common::config::v1::ServerConfig& own_;
  const std::string instance_;
  const absl::Time start_time_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RENEWAL_RENEWAL_CLIENT_H_
