#include "services/common/renewal/renewal_client.h"

#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "sallyport/capf/v1/capf_service.grpc.pb.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/digest.h"
#include "services/common/fips/fips_self_test.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::capf::v1;

// A signature may wait for a token, and the audit for the disk.
constexpr absl::Duration kTimeout = absl::Seconds(5);

void SetTimes(const common::config::v1::ClientConfig& capf,
              grpc::ClientContext& context) {
  context.set_deadline(
      absl::ToChronoTime(absl::Now() + FromProtoOr(capf.timeout(), kTimeout)));
}

}  // namespace

pb::ReportServiceCertificatesRequest RenewalReport(
    const std::string& instance, absl::Time start_time,
    const std::vector<CertificateUseState>& states, const FipsState& fips) {
  pb::ReportServiceCertificatesRequest request;
  request.set_instance(instance);
  request.mutable_fips()->set_enabled(fips.on);
  request.mutable_fips()->set_self_tests_passed(fips.self_tests_passed);
  request.mutable_fips()->set_module(ModuleName());
  request.mutable_fips()->set_program_sha256(fips.program_sha256);
  *request.mutable_start_time() = ToProto(start_time);
  for (const CertificateUseState& state : states) {
    pb::ServiceCertificate& one = *request.add_certificates();
    one.set_use(state.use);
    one.set_certificate_pem(state.certificate_pem);
    *one.mutable_use_time() = ToProto(state.use_time);
    if (state.next_attempt_time != absl::InfiniteFuture()) {
      *one.mutable_next_attempt_time() = ToProto(state.next_attempt_time);
    }
    one.set_failure_count(static_cast<uint32_t>(state.failures));
    one.set_last_reason(state.last_reason);
    if (state.failures > 0) {
      *one.mutable_last_failure_time() = ToProto(state.last_failure_time);
    }
    if (state.mended_failures > 0) {
      one.set_mended_failure_count(
          static_cast<uint32_t>(state.mended_failures));
      one.set_mended_reason(state.mended_reason);
      *one.mutable_mended_failure_time() = ToProto(state.mended_failure_time);
    }
  }
  return request;
}

absl::StatusOr<std::string> RenewalClient::Sign(
    const RenewalOrder& order) const {
  const common::config::v1::ClientConfig& capf =
      own_.certificate_renewal().capf();
  SP_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel,
                      ConnectTo(own_, capf, "capf"));
  pb::RenewCertificateRequest request;
  request.set_csr(order.csr_der);
  request.set_certificate_pem(order.certificate_pem);
  request.set_proof(order.proof);
  request.set_request_id(HexEncode(Sha256(AsBytes(order.csr_der))));
  grpc::ClientContext context;
  SetTimes(capf, context);
  pb::Certificate issued;
  const grpc::Status status =
      pb::CapfService::NewStub(channel)->RenewCertificate(&context, request,
                                                          &issued);
  if (!status.ok()) return FromGrpc(status);
  return issued.certificate_pem() + issued.chain_pem();
}

absl::StatusOr<RenewalAnswer> RenewalClient::Report(
    const std::vector<CertificateUseState>& states,
    const FipsState& fips) const {
  const common::config::v1::ClientConfig& capf =
      own_.certificate_renewal().capf();
  SP_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel,
                      ConnectTo(own_, capf, "capf"));
  const pb::ReportServiceCertificatesRequest request =
      RenewalReport(instance_, start_time_, states, fips);
  grpc::ClientContext context;
  SetTimes(capf, context);
  pb::ReportServiceCertificatesResponse response;
  SP_RETURN_IF_ERROR(
      FromGrpc(pb::CapfService::NewStub(channel)->ReportServiceCertificates(
          &context, request, &response)));
  RenewalAnswer answer;
  answer.due_uses.assign(response.due_uses().begin(),
                         response.due_uses().end());
  if (response.has_fips()) answer.fips_on = response.fips().enabled();
  return answer;
}

}  // namespace sallyport
