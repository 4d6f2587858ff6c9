#include "services/capf/own_renewal.h"

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/files/durable_file.h"
#include "services/common/renewal/certificate_renewer.h"
#include "services/common/renewal/renewal_client.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMostOfFile = 1 << 20;

// Waits for `job` on the work thread.
absl::Status RunOn(WorkThread& work, std::function<absl::Status()> job) {
  const auto done = std::make_shared<std::promise<absl::Status>>();
  SP_RETURN_IF_ERROR(
      work.Post([done, job = std::move(job)] { done->set_value(job()); }));
  return done->get_future().get();
}

}  // namespace

void SignOwnCertificates(const common::config::v1::ServerConfig& server,
                         WorkThread& work, ServiceCertificateMethods& methods,
                         absl::Time start, const FipsState& fips,
                         ServiceRuntime& runtime) {
  runtime.SignOwnCertificates(
      [&server, &work,
       &methods](const RenewalOrder& order) -> absl::StatusOr<std::string> {
        SP_ASSIGN_OR_RETURN(
            const std::string current,
            ReadWholeFile(server.tls().certificate_file(), kMostOfFile));
        pb::RenewCertificateRequest request;
        request.set_csr(order.csr_der);
        pb::Certificate issued;
        SP_RETURN_IF_ERROR(RunOn(work, [&] {
          return methods.Renew(request, {"capf", current}, issued);
        }));
        return issued.certificate_pem() + issued.chain_pem();
      },
      [&work, &methods, &fips, start, instance = runtime.instance()](
          const std::vector<CertificateUseState>& states)
          -> absl::StatusOr<std::vector<std::string>> {
        const auto request = RenewalReport(instance, start, states, fips);
        pb::ReportServiceCertificatesResponse response;
        SP_RETURN_IF_ERROR(RunOn(work, [&] {
          return methods.Report(request, {"capf", ""}, response);
        }));
        return std::vector<std::string>(response.due_uses().begin(),
                                        response.due_uses().end());
      });
}

}  // namespace sallyport::capf
