// The capf binary over real mutual TLS, as its tests use it.

#ifndef SALLYPORT_SERVICES_CAPF_CAPF_PROCESS_FIXTURE_H_
#define SALLYPORT_SERVICES_CAPF_CAPF_PROCESS_FIXTURE_H_

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "sallyport/capf/v1/capf_service.grpc.pb.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "services/capf/core/test_keys.h"
#include "services/common/files/durable_file.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/rpc/tls_files.h"
#include "services/common/status/status_grpc.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/service_process.h"

namespace sallyport::capf {

namespace pb = ::sallyport::capf::v1;

inline constexpr char kTrustDomain[] = "t.test";

// A process of its own for each test. Thread-compatible.
class CapfProcessTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { pki_ = new MtlsPki("capf"); }

  void SetUp() override {
    folder_ = absl::StrCat(
        pki_->folder(), "/",
        testing::UnitTest::GetInstance()->current_test_info()->name());
    process_ = std::make_unique<ServiceProcess>("services/capf/capf", folder_);
    const std::string server = process_->ServerJson(
        pki_->IssueSpiffe(kTrustDomain, "capf"), kTrustDomain,
        R"(,"role_bindings":[
            {"identity":"spiffe://t.test/operator/root","role":"ROLE_ADMIN",
             "tenants":["*"]},
            {"identity":"spiffe://t.test/operator/ann","role":"ROLE_ADMIN",
             "tenants":["a"]},
            {"identity":"spiffe://t.test/operator/vic","role":"ROLE_VIEWER",
             "tenants":["a"]}])");
    const std::string passphrase = pki_->folder() + "/passphrase";
    ASSERT_TRUE(WriteDurableFile(passphrase, "of the test's keys\n").ok());
    config_ = absl::StrCat(
        R"({"server":)", server, R"(,"store":{"sqlite_file":")", folder_,
        R"(/capf.db"},"authority":{"key_file":")", folder_,
        R"(/ca.key","certificate_file":")", folder_,
        R"(/ca.pem","passphrase_file":")", passphrase,
        R"("},"capf":{"address":"127.0.0.1","ephemeral_port":true},)",
        R"("audit_file":")", folder_,
        R"(/audit.jsonl","watch_heartbeat_interval":"0.300s",)",
        R"("tenant_domains":[{"tenant":"a","domains":["example.test"]}])");
    process_->WriteConfig(config_ + "}");
    process_->Start();
    root_ = Stub("operator/root");
  }

  std::unique_ptr<pb::CapfService::Stub> Stub(const std::string& path) {
    common::config::v1::TlsFiles tls;
    const PemFiles files = pki_->IssueSpiffe(kTrustDomain, path);
    tls.set_certificate_file(files.certificate_file);
    tls.set_key_file(files.key_file);
    tls.set_ca_file(files.ca_file);
    ClientChannelOptions options;
    options.target = process_->grpc_target();
    options.expected_identity = "spiffe://t.test/capf";
    options.max_backoff = absl::Milliseconds(200);
    return pb::CapfService::NewStub(MakeClientChannel(
        WatchTlsFiles(tls, absl::Seconds(1)).value(), options));
  }

  // Calls `method` of `stub`, with five seconds to answer.
  template <typename Response, typename Method, typename Request>
  static absl::StatusOr<Response> Call(pb::CapfService::Stub& stub,
                                       Method method, const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) return FromGrpc(status);
    return response;
  }

  static pb::CreateEnrollmentRequest NewEnrollment(
      const std::string& device, const std::string& tenant = "a") {
    pb::CreateEnrollmentRequest request;
    request.set_parent("tenants/" + tenant);
    request.mutable_enrollment()->set_device_name(device);
    request.mutable_enrollment()->set_operation(
        pb::CERTIFICATE_OPERATION_INSTALL_UPGRADE);
    return request;
  }
  absl::StatusOr<pb::Enrollment> Create(
      const pb::CreateEnrollmentRequest& request) {
    return Call<pb::Enrollment>(
        *root_, &pb::CapfService::Stub::CreateEnrollment, request);
  }
  static pb::IssueCertificateRequest NewIssue(
      const std::string& request_id = "") {
    pb::IssueCertificateRequest request;
    request.set_parent("tenants/a");
    request.set_csr(NewTestCsr(NewTestKey(KeyKind::kEcP256).get(),
                               {.alt_names = {"DNS:edge.example.test"}}));
    request.set_profile(pb::CERTIFICATE_PROFILE_SERVER);
    request.set_request_id(request_id);
    return request;
  }
  absl::StatusOr<pb::Certificate> Issue(
      const pb::IssueCertificateRequest& request) {
    return Call<pb::Certificate>(
        *root_, &pb::CapfService::Stub::IssueCertificate, request);
  }

  static inline MtlsPki* pki_ = nullptr;
  std::string folder_;
  std::string config_;  // without its closing brace
  std::unique_ptr<ServiceProcess> process_;
  std::unique_ptr<pb::CapfService::Stub> root_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CAPF_PROCESS_FIXTURE_H_
