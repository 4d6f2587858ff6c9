// gRPC in, our own types, gRPC out.
//
// What touches the store, the audit or the key is done on the work thread,
// which the CAPF port shares; a handler's reactor finishes there.

#ifndef SALLYPORT_SERVICES_CAPF_RPC_CAPF_SERVICE_H_
#define SALLYPORT_SERVICES_CAPF_RPC_CAPF_SERVICE_H_

#include <atomic>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/protobuf/empty.pb.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "sallyport/capf/v1/capf_service.grpc.pb.h"
#include "services/capf/core/tenant_names.h"
#include "services/capf/io/authorities.h"
#include "services/capf/io/authority_admin.h"
#include "services/capf/io/dialplan_mode.h"
#include "services/capf/io/enrollment_admin.h"
#include "services/capf/io/est_upstreams.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/revocation_fetcher.h"
#include "services/capf/io/server_certificates.h"
#include "services/capf/io/service_certificates.h"
#include "services/capf/io/trust_admin.h"
#include "services/capf/io/trust_publisher.h"
#include "services/capf/io/work_thread.h"
#include "services/capf/rpc/certificate_methods.h"
#include "services/capf/rpc/enrollment_methods.h"
#include "services/capf/rpc/event_methods.h"
#include "services/capf/rpc/event_watch.h"
#include "services/capf/rpc/procedure_methods.h"
#include "services/capf/rpc/service_certificate_methods.h"
#include "services/capf/rpc/trust_list_methods.h"
#include "services/capf/rpc/trust_methods.h"
#include "services/capf/rpc/verify_methods.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/caller_identity.h"

namespace sallyport::capf {

namespace pb = ::sallyport::capf::v1;

// Thread-safe.
class CapfService final : public pb::CapfService::CallbackService {
 public:
  // All must outlive this object. All but `policy`, `publisher`, `work` and
  // `probes` are touched on the work thread only. `probes` is a thread for
  // looking at peers, which takes seconds; it must stop before `work`.
  struct Parts {
    const AccessPolicy& policy;
    WorkThread& work;
    WorkThread& probes;
    Ledger& ledger;
    Authorities& authorities;
    AuthorityAdmin& authority_admin;
    EnrollmentAdmin& enrollments;
    TrustAdmin& trust;
    TrustPublisher& publisher;
    const RevocationFetcher& fetcher;
    ServerCertificates& servers;
    ServiceCertificates& services;
    ServiceCertificateMethods& service_methods;
    const RenewalState& renewal;
    TrustListPublisher* lists = nullptr;  // null: none are configured
    const TrustListFiles* files = nullptr;
    PhoneFileMaker* maker = nullptr;
    ProcedureRunner& procedures;
    const FipsMode& fips;
    EstUpstreams* upstreams = nullptr;    // null: nobody is asked
    UpstreamIssuer* passes_on = nullptr;  // null: requests stay here
    DialplanMode* dialplan = nullptr;     // null: none is configured
  };
  struct Options {
    std::string authority_id;  // "default"
    std::string trust_domain;
    std::string instance;
    std::string version;
    Lifetimes lifetimes;
    TenantNames tenant_names;
    absl::Time start_time;
    std::string own_certificate_file;  // of the gRPC server
    std::string capf_address;          // where phones connect, without port
    int capf_port = 0;
    std::set<std::string> hard_revocation_stores;
    bool allow_private_peers = false;
  };

  CapfService(const Parts& parts, const Options& options);

  void SetDraining() {
    draining_ = true;
    feed_.End();
  }
  // There may be new events.
  void PokeEvents() { feed_.Poke(); }

  grpc::ServerUnaryReactor* IssueCertificate(
      grpc::CallbackServerContext* context,
      const pb::IssueCertificateRequest* request,
      pb::Certificate* response) override;
  grpc::ServerUnaryReactor* GetCertificate(
      grpc::CallbackServerContext* context,
      const pb::GetCertificateRequest* request,
      pb::Certificate* response) override;
  grpc::ServerUnaryReactor* ListCertificates(
      grpc::CallbackServerContext* context,
      const pb::ListCertificatesRequest* request,
      pb::ListCertificatesResponse* response) override;
  grpc::ServerUnaryReactor* RevokeCertificate(
      grpc::CallbackServerContext* context,
      const pb::RevokeCertificateRequest* request,
      pb::Certificate* response) override;
  grpc::ServerUnaryReactor* ExportCertificate(
      grpc::CallbackServerContext* context,
      const pb::ExportCertificateRequest* request,
      pb::ExportCertificateResponse* response) override;
  grpc::ServerUnaryReactor* VerifyCertificate(
      grpc::CallbackServerContext* context,
      const pb::VerifyCertificateRequest* request,
      pb::VerifyCertificateResponse* response) override;
  grpc::ServerUnaryReactor* GetCertificateAuthority(
      grpc::CallbackServerContext* context,
      const pb::GetCertificateAuthorityRequest* request,
      pb::CertificateAuthority* response) override;
  grpc::ServerUnaryReactor* ListCertificateAuthorities(
      grpc::CallbackServerContext* context,
      const pb::ListCertificateAuthoritiesRequest* request,
      pb::ListCertificateAuthoritiesResponse* response) override;

  grpc::ServerUnaryReactor* DeleteCertificateAuthority(
      grpc::CallbackServerContext* context,
      const pb::DeleteCertificateAuthorityRequest* request,
      google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* CreateCertificateAuthority(
      grpc::CallbackServerContext* context,
      const pb::CreateCertificateAuthorityRequest* request,
      pb::CertificateAuthority* response) override;
  grpc::ServerUnaryReactor* UpdateCertificateAuthority(
      grpc::CallbackServerContext* context,
      const pb::UpdateCertificateAuthorityRequest* request,
      pb::CertificateAuthority* response) override;
  grpc::ServerUnaryReactor* GetRevocationList(
      grpc::CallbackServerContext* context,
      const pb::GetRevocationListRequest* request,
      pb::RevocationList* response) override;

  grpc::ServerUnaryReactor* CreateEnrollment(
      grpc::CallbackServerContext* context,
      const pb::CreateEnrollmentRequest* request,
      pb::Enrollment* response) override;
  grpc::ServerUnaryReactor* GetEnrollment(
      grpc::CallbackServerContext* context,
      const pb::GetEnrollmentRequest* request,
      pb::Enrollment* response) override;
  grpc::ServerUnaryReactor* ListEnrollments(
      grpc::CallbackServerContext* context,
      const pb::ListEnrollmentsRequest* request,
      pb::ListEnrollmentsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateEnrollment(
      grpc::CallbackServerContext* context,
      const pb::UpdateEnrollmentRequest* request,
      pb::Enrollment* response) override;
  grpc::ServerUnaryReactor* ApproveEnrollment(
      grpc::CallbackServerContext* context,
      const pb::ApproveEnrollmentRequest* request,
      pb::Enrollment* response) override;
  grpc::ServerUnaryReactor* DeleteEnrollment(
      grpc::CallbackServerContext* context,
      const pb::DeleteEnrollmentRequest* request,
      google::protobuf::Empty* response) override;

  grpc::ServerUnaryReactor* GetTrustStore(
      grpc::CallbackServerContext* context,
      const pb::GetTrustStoreRequest* request,
      pb::TrustStore* response) override;
  grpc::ServerUnaryReactor* ListTrustStores(
      grpc::CallbackServerContext* context,
      const pb::ListTrustStoresRequest* request,
      pb::ListTrustStoresResponse* response) override;
  grpc::ServerUnaryReactor* CreateTrustedCertificate(
      grpc::CallbackServerContext* context,
      const pb::CreateTrustedCertificateRequest* request,
      pb::TrustedCertificate* response) override;
  grpc::ServerUnaryReactor* GetTrustedCertificate(
      grpc::CallbackServerContext* context,
      const pb::GetTrustedCertificateRequest* request,
      pb::TrustedCertificate* response) override;
  grpc::ServerUnaryReactor* ListTrustedCertificates(
      grpc::CallbackServerContext* context,
      const pb::ListTrustedCertificatesRequest* request,
      pb::ListTrustedCertificatesResponse* response) override;
  grpc::ServerUnaryReactor* DeleteTrustedCertificate(
      grpc::CallbackServerContext* context,
      const pb::DeleteTrustedCertificateRequest* request,
      google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* ImportPeerCertificate(
      grpc::CallbackServerContext* context,
      const pb::ImportPeerCertificateRequest* request,
      pb::ImportPeerCertificateResponse* response) override;
  grpc::ServerWriteReactor<pb::WatchTrustBundleResponse>* WatchTrustBundle(
      grpc::CallbackServerContext* context,
      const pb::WatchTrustBundleRequest* request) override;
  grpc::ServerUnaryReactor* ReportTrustVersion(
      grpc::CallbackServerContext* context,
      const pb::ReportTrustVersionRequest* request,
      pb::ReportTrustVersionResponse* response) override;

  grpc::ServerUnaryReactor* GetPhoneCluster(
      grpc::CallbackServerContext* context,
      const pb::GetPhoneClusterRequest* request,
      pb::PhoneCluster* response) override;
  grpc::ServerUnaryReactor* UpdatePhoneCluster(
      grpc::CallbackServerContext* context,
      const pb::UpdatePhoneClusterRequest* request,
      pb::PhoneCluster* response) override;
  grpc::ServerUnaryReactor* PublishTrustList(
      grpc::CallbackServerContext* context,
      const pb::PublishTrustListRequest* request,
      pb::TrustList* response) override;
  grpc::ServerUnaryReactor* GetTrustList(grpc::CallbackServerContext* context,
                                         const pb::GetTrustListRequest* request,
                                         pb::TrustList* response) override;
  grpc::ServerUnaryReactor* ListTrustLists(
      grpc::CallbackServerContext* context,
      const pb::ListTrustListsRequest* request,
      pb::ListTrustListsResponse* response) override;
  grpc::ServerUnaryReactor* VerifyTrustList(
      grpc::CallbackServerContext* context,
      const pb::VerifyTrustListRequest* request,
      pb::VerifyTrustListResponse* response) override;
  grpc::ServerUnaryReactor* SimulateTrustList(
      grpc::CallbackServerContext* context,
      const pb::SimulateTrustListRequest* request,
      pb::SimulateTrustListResponse* response) override;
  grpc::ServerUnaryReactor* ExplainServerCertificate(
      grpc::CallbackServerContext* context,
      const pb::ExplainServerCertificateRequest* request,
      pb::ServerCertificateChoice* response) override;
  grpc::ServerUnaryReactor* RenewCertificate(
      grpc::CallbackServerContext* context,
      const pb::RenewCertificateRequest* request,
      pb::Certificate* response) override;
  grpc::ServerUnaryReactor* ReportServiceCertificates(
      grpc::CallbackServerContext* context,
      const pb::ReportServiceCertificatesRequest* request,
      pb::ReportServiceCertificatesResponse* response) override;
  grpc::ServerUnaryReactor* ListServiceCertificates(
      grpc::CallbackServerContext* context,
      const pb::ListServiceCertificatesRequest* request,
      pb::ListServiceCertificatesResponse* response) override;
  grpc::ServerUnaryReactor* CreateProcedure(
      grpc::CallbackServerContext* context,
      const pb::CreateProcedureRequest* request,
      pb::Procedure* response) override;
  grpc::ServerUnaryReactor* GetProcedure(grpc::CallbackServerContext* context,
                                         const pb::GetProcedureRequest* request,
                                         pb::Procedure* response) override;
  grpc::ServerUnaryReactor* ListProcedures(
      grpc::CallbackServerContext* context,
      const pb::ListProceduresRequest* request,
      pb::ListProceduresResponse* response) override;
  grpc::ServerUnaryReactor* AdvanceProcedure(
      grpc::CallbackServerContext* context,
      const pb::AdvanceProcedureRequest* request,
      pb::Procedure* response) override;
  grpc::ServerUnaryReactor* UpdateProcedure(
      grpc::CallbackServerContext* context,
      const pb::UpdateProcedureRequest* request,
      pb::Procedure* response) override;
  grpc::ServerUnaryReactor* CancelProcedure(
      grpc::CallbackServerContext* context,
      const pb::CancelProcedureRequest* request,
      pb::Procedure* response) override;
  grpc::ServerUnaryReactor* ListCertificateEvents(
      grpc::CallbackServerContext* context,
      const pb::ListCertificateEventsRequest* request,
      pb::ListCertificateEventsResponse* response) override;
  grpc::ServerWriteReactor<pb::WatchCertificateEventsResponse>*
  WatchCertificateEvents(
      grpc::CallbackServerContext* context,
      const pb::WatchCertificateEventsRequest* request) override;
  grpc::ServerUnaryReactor* GetPhoneFile(grpc::CallbackServerContext* context,
                                         const pb::GetPhoneFileRequest* request,
                                         pb::PhoneFile* response) override;
  grpc::ServerUnaryReactor* ListPhoneFiles(
      grpc::CallbackServerContext* context,
      const pb::ListPhoneFilesRequest* request,
      pb::ListPhoneFilesResponse* response) override;

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const pb::GetStatusRequest* request,
                                      pb::CapfStatus* response) override;

 private:
  using Body = std::function<absl::Status(const std::string& actor)>;

  // Checks the caller for `method` about `tenant`, then runs `body` on the
  // work thread and finishes with its status.
  grpc::ServerUnaryReactor* Run(grpc::CallbackServerContext* context,
                                std::string_view method,
                                std::string_view tenant, Body body);
  // The same on another thread than the work thread.
  grpc::ServerUnaryReactor* Run(grpc::CallbackServerContext* context,
                                std::string_view method,
                                std::string_view tenant, Body body,
                                WorkThread& work);

  // Run() with what the handshake proved of a service.
  grpc::ServerUnaryReactor* RunForService(
      grpc::CallbackServerContext* context, std::string_view method,
      std::function<absl::Status(const ServiceCaller&)> body);

  // Run() with what a procedure must know of its caller.
  grpc::ServerUnaryReactor* RunProcedure(
      grpc::CallbackServerContext* context, std::string_view method,
      std::string_view tenant,
      std::function<absl::Status(const ProcedureCaller&)> body);

  absl::Time Now() const { return parts_.ledger.clock().Now(); }

  const Parts parts_;
  const Options options_;
  CertificateMethods certificates_;
  EnrollmentMethods enrollments_;
  TrustMethods trust_;
  TrustListMethods trust_lists_;
  ProcedureMethods procedures_;
  VerifyMethods verify_;
  EventMethods events_;
  EventFeed feed_;
  std::atomic<bool> draining_ = false;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_RPC_CAPF_SERVICE_H_
