#include "services/capf/rpc/service_certificate_methods.h"

#include <string>
#include <utility>
#include <vector>

#include "services/capf/rpc/list_page.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMostText = 128;

absl::StatusOr<std::vector<std::string>> ReadPem(const std::string& pem) {
  auto chain = CertificatesFromPem(pem);
  if (chain.ok()) return chain;
  return MakeError(absl::StatusCode::kInvalidArgument, "CERTIFICATE_MALFORMED",
                   "the certificate cannot be read");
}

pb::ServiceCertificate ToProto(const ServiceCertificate& one) {
  pb::ServiceCertificate out;
  out.set_service(one.service);
  out.set_instance(one.instance);
  out.set_use(one.use);
  *out.mutable_certificate() = Summarize(AsBytes(one.der));
  *out.mutable_use_time() = ::sallyport::ToProto(one.use_time);
  if (one.next_attempt_time != absl::InfiniteFuture()) {
    *out.mutable_next_attempt_time() =
        ::sallyport::ToProto(one.next_attempt_time);
  }
  out.set_failure_count(one.failures);
  out.set_last_reason(one.last_reason);
  if (one.failures > 0) {
    *out.mutable_last_failure_time() =
        ::sallyport::ToProto(one.last_failure_time);
  }
  *out.mutable_report_time() = ::sallyport::ToProto(one.report_time);
  return out;
}

}  // namespace

absl::Status ServiceCertificateMethods::Renew(
    const pb::RenewCertificateRequest& request, const ServiceCaller& caller,
    pb::Certificate& response) {
  ServiceRenewal renewal;
  renewal.service = caller.service;
  renewal.is_identity = request.certificate_pem().empty();
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> current,
                      ReadPem(renewal.is_identity ? caller.certificate_pem
                                                  : request.certificate_pem()));
  renewal.current_der = current.front();
  renewal.csr_der = request.csr();
  renewal.proof = request.proof();
  renewal.request_id = request.request_id();
  SP_ASSIGN_OR_RETURN(const CertificateRecord record, services_.Renew(renewal));
  response = ToProto(record, authority_name_, ledger_.clock().Now());
  for (const std::string& der : authority_.Chain()) {
    const auto info = ParseCertificate(AsBytes(der));
    // The root is for others to know.
    if (info.ok() && info->self_issued) continue;
    response.mutable_chain_pem()->append(CertificateToPem(AsBytes(der)));
  }
  return absl::OkStatus();
}

absl::Status ServiceCertificateMethods::Report(
    const pb::ReportServiceCertificatesRequest& request,
    const ServiceCaller& caller,
    pb::ReportServiceCertificatesResponse& response) {
  std::vector<ServiceCertificate> certificates;
  for (const pb::ServiceCertificate& in : request.certificates()) {
    ServiceCertificate one;
    one.use = in.use();
    SP_ASSIGN_OR_RETURN(one.others, ReadPem(in.certificate_pem()));
    one.der = std::move(one.others.front());
    one.others.erase(one.others.begin());
    one.start_time = ::sallyport::FromProto(request.start_time());
    one.use_time = ::sallyport::FromProto(in.use_time());
    if (in.has_next_attempt_time()) {
      one.next_attempt_time = ::sallyport::FromProto(in.next_attempt_time());
    }
    one.failures = in.failure_count();
    one.last_reason = in.last_reason();
    one.last_failure_time = ::sallyport::FromProto(in.last_failure_time());
    one.mended_failures = in.mended_failure_count();
    one.mended_reason = in.mended_reason();
    one.mended_failure_time = ::sallyport::FromProto(in.mended_failure_time());
    if (services_.IsDue(one)) response.add_due_uses(one.use);
    certificates.push_back(std::move(one));
  }
  SP_RETURN_IF_ERROR(services_.Report(caller.service, request.instance(),
                                      std::move(certificates)));
  SP_ASSIGN_OR_RETURN(const int64_t fips_mode, ledger_.store().FipsMode());
  response.mutable_fips()->set_enabled(fips_mode != 0);
  if (!request.has_fips()) return absl::OkStatus();
  const pb::ServiceFipsState& fips = request.fips();
  if (fips.module().size() > kMostText ||
      fips.program_sha256().size() > kMostText) {
    return MakeError(absl::StatusCode::kInvalidArgument, "FIPS_STATE_INVALID",
                     "the module or the program has a long name");
  }
  FipsReport report;
  report.service = caller.service;
  report.instance = request.instance();
  report.state.on = fips.enabled();
  report.state.self_tests_passed = fips.self_tests_passed();
  report.state.program_sha256 = fips.program_sha256();
  report.module = fips.module();
  report.report_time = ledger_.clock().Now();
  fips_reports_.Note(std::move(report));
  return absl::OkStatus();
}

absl::Status ServiceCertificateMethods::List(
    const pb::ListServiceCertificatesRequest& request,
    pb::ListServiceCertificatesResponse& response) {
  SP_ASSIGN_OR_RETURN(
      const Page page,
      ReadPage("tenants/-", request.page_size(), request.page_token()));
  // No name has a NUL in it.
  const auto key = [](const ServiceCertificate& one) {
    return one.service + '\0' + one.instance + '\0' + one.use;
  };
  return FillPage<pb::ServiceCertificate>(
      page, /*filter=*/"", ReadSorted(services_.InUse(), key), key,
      [](const ServiceCertificate& one) {
        return absl::StatusOr<pb::ServiceCertificate>(ToProto(one));
      },
      response.mutable_service_certificates(),
      response.mutable_next_page_token());
}

}  // namespace sallyport::capf
