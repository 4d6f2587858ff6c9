#include "services/capf/rpc/capf_service.h"

#include <cstdint>
#include <utility>

#include "grpc/grpc_security_constants.h"
#include "services/capf/rpc/capf_convert.h"
#include "services/capf/rpc/fips_status.h"
#include "services/capf/rpc/list_page.h"
#include "services/capf/rpc/trust_watch.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/config/proto_time.h"
#include "services/common/rpc/own_certificate.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr char kMethodPrefix[] = "/sallyport.capf.v1.CapfService/";
constexpr size_t kMaxConsumerName = 128;

// A stream that ends at once, for a refusal.
template <typename Response>
class RefusedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit RefusedStream(const absl::Status& status) {
    this->Finish(ToGrpc(status));
  }
  void OnDone() override { delete this; }
};

absl::Status Invalid(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

}  // namespace

CapfService::CapfService(const Parts& parts, const Options& options)
    : parts_(parts),
      options_(options),
      certificates_(
          {parts.ledger, parts.authorities, parts.authority_admin,
           parts.enrollments, parts.trust, parts.upstreams, parts.passes_on},
          options.authority_id, options.lifetimes, options.tenant_names),
      enrollments_(parts.ledger, parts.enrollments, parts.trust,
                   parts.authorities),
      trust_(parts.ledger, parts.trust, options.allow_private_peers),
      trust_lists_(parts.ledger, parts.lists, parts.files, parts.maker,
                   parts.dialplan),
      procedures_(parts.ledger, parts.procedures),
      verify_(parts.ledger, parts.authorities, parts.fetcher,
              {.hard_stores = options.hard_revocation_stores,
               .crl_lifetime = options.lifetimes.revocation_list}),
      events_(parts.ledger, parts.servers, parts.services, parts.renewal),
      feed_(parts.ledger.store(), parts.work) {}

grpc::ServerUnaryReactor* CapfService::Run(grpc::CallbackServerContext* context,
                                           std::string_view method,
                                           std::string_view tenant, Body body) {
  return Run(context, method, tenant, std::move(body), parts_.work);
}

grpc::ServerUnaryReactor* CapfService::Run(grpc::CallbackServerContext* context,
                                           std::string_view method,
                                           std::string_view tenant, Body body,
                                           WorkThread& work) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::StatusOr<CallerIdentity> caller = parts_.policy.Authorize(
      *context, std::string(kMethodPrefix).append(method), tenant);
  if (!caller.ok()) {
    reactor->Finish(ToGrpc(caller.status()));
    return reactor;
  }
  const absl::Status posted =
      work.Post([reactor, body = std::move(body), actor = caller->ToString()] {
        reactor->Finish(ToGrpc(body(actor)));
      });
  if (!posted.ok()) reactor->Finish(ToGrpc(posted));
  return reactor;
}

grpc::ServerUnaryReactor* CapfService::IssueCertificate(
    grpc::CallbackServerContext* context,
    const pb::IssueCertificateRequest* request, pb::Certificate* response) {
  const std::string_view tenant = TenantOfName(request->parent());
  const std::string method = std::string(kMethodPrefix) + "IssueCertificate";
  // The caller's own tenant first: a stranger's requests are not read.
  const bool own = parts_.policy.Authorize(*context, method, tenant).ok();
  const bool needs_all = own && certificates_.NeedsAllTenants(*request);
  if (needs_all && !parts_.policy.Authorize(*context, method, "").ok()) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(ToGrpc(MakeError(
        absl::StatusCode::kPermissionDenied, "NAME_NOT_OF_TENANT",
        "a name outside the tenant's domains takes an administrator of all "
        "tenants")));
    return reactor;
  }
  // Whoever waits for another authority keeps nobody else waiting.
  return Run(
      context, "IssueCertificate", tenant,
      [this, request, response](const std::string& actor) {
        return certificates_.Issue(*request, actor, *response);
      },
      CertificateMethods::IsForUpstream(*request) ? parts_.probes
                                                  : parts_.work);
}

grpc::ServerUnaryReactor* CapfService::GetCertificate(
    grpc::CallbackServerContext* context,
    const pb::GetCertificateRequest* request, pb::Certificate* response) {
  return Run(context, "GetCertificate", TenantOfName(request->name()),
             [this, request, response](const std::string&) {
               return certificates_.Get(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::ListCertificates(
    grpc::CallbackServerContext* context,
    const pb::ListCertificatesRequest* request,
    pb::ListCertificatesResponse* response) {
  return Run(context, "ListCertificates", TenantOfList(request->parent()),
             [this, request, response](const std::string&) {
               return certificates_.List(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::RevokeCertificate(
    grpc::CallbackServerContext* context,
    const pb::RevokeCertificateRequest* request, pb::Certificate* response) {
  return Run(context, "RevokeCertificate", TenantOfName(request->name()),
             [this, request, response](const std::string& actor) {
               return certificates_.Revoke(*request, actor, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::ExportCertificate(
    grpc::CallbackServerContext* context,
    const pb::ExportCertificateRequest* request,
    pb::ExportCertificateResponse* response) {
  return Run(context, "ExportCertificate", TenantOfName(request->name()),
             [this, request, response](const std::string&) {
               return verify_.Export(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::VerifyCertificate(
    grpc::CallbackServerContext* context,
    const pb::VerifyCertificateRequest* request,
    pb::VerifyCertificateResponse* response) {
  return Run(context, "VerifyCertificate", TenantOfName(request->trust_store()),
             [this, request, response](const std::string&) {
               return verify_.Verify(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::ImportPeerCertificate(
    grpc::CallbackServerContext* context,
    const pb::ImportPeerCertificateRequest* request,
    pb::ImportPeerCertificateResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::StatusOr<CallerIdentity> caller = parts_.policy.Authorize(
      *context, std::string(kMethodPrefix) + "ImportPeerCertificate",
      TenantOfName(request->parent()));
  const absl::StatusOr<ProbeOptions> probe =
      caller.ok() ? trust_.ProbeFor(*request) : caller.status();
  if (!probe.ok()) {
    reactor->Finish(ToGrpc(probe.status()));
    return reactor;
  }
  const absl::Status posted = parts_.probes.Post([this, reactor, request,
                                                  response, probe = *probe,
                                                  actor = caller->ToString()] {
    const absl::Status status = parts_.work.Post(
        [this, reactor, request, response, actor, report = ProbePeer(probe)] {
          reactor->Finish(
              ToGrpc(trust_.Import(*request, report, actor, *response)));
        });
    if (!status.ok()) reactor->Finish(ToGrpc(status));
  });
  if (!posted.ok()) reactor->Finish(ToGrpc(posted));
  return reactor;
}

grpc::ServerUnaryReactor* CapfService::GetCertificateAuthority(
    grpc::CallbackServerContext* context,
    const pb::GetCertificateAuthorityRequest* request,
    pb::CertificateAuthority* response) {
  return Run(context, "GetCertificateAuthority", "",
             [this, request, response](const std::string&) {
               return certificates_.GetAuthority(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::ListCertificateAuthorities(
    grpc::CallbackServerContext* context,
    const pb::ListCertificateAuthoritiesRequest* request,
    pb::ListCertificateAuthoritiesResponse* response) {
  return Run(context, "ListCertificateAuthorities", "",
             [this, request, response](const std::string&) {
               return certificates_.ListAuthorities(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::CreateCertificateAuthority(
    grpc::CallbackServerContext* context,
    const pb::CreateCertificateAuthorityRequest* request,
    pb::CertificateAuthority* response) {
  return Run(context, "CreateCertificateAuthority", "",
             [this, request, response](const std::string& actor) {
               return certificates_.CreateAuthority(*request, actor, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::DeleteCertificateAuthority(
    grpc::CallbackServerContext* context,
    const pb::DeleteCertificateAuthorityRequest* request,
    google::protobuf::Empty*) {
  return Run(context, "DeleteCertificateAuthority", "",
             [this, request](const std::string& actor) {
               return certificates_.DeleteAuthority(*request, actor);
             });
}

grpc::ServerUnaryReactor* CapfService::UpdateCertificateAuthority(
    grpc::CallbackServerContext* context,
    const pb::UpdateCertificateAuthorityRequest* request,
    pb::CertificateAuthority* response) {
  return Run(context, "UpdateCertificateAuthority", "",
             [this, request, response](const std::string& actor) {
               return certificates_.UpdateAuthority(*request, actor, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::GetRevocationList(
    grpc::CallbackServerContext* context,
    const pb::GetRevocationListRequest* request, pb::RevocationList* response) {
  return Run(context, "GetRevocationList", "",
             [this, request, response](const std::string&) {
               return certificates_.GetRevocationList(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::CreateEnrollment(
    grpc::CallbackServerContext* context,
    const pb::CreateEnrollmentRequest* request, pb::Enrollment* response) {
  return Run(context, "CreateEnrollment", TenantOfName(request->parent()),
             [this, request, response](const std::string& actor) {
               return enrollments_.Create(*request, actor, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::GetEnrollment(
    grpc::CallbackServerContext* context,
    const pb::GetEnrollmentRequest* request, pb::Enrollment* response) {
  return Run(context, "GetEnrollment", TenantOfName(request->name()),
             [this, request, response](const std::string&) {
               return enrollments_.Get(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::ListEnrollments(
    grpc::CallbackServerContext* context,
    const pb::ListEnrollmentsRequest* request,
    pb::ListEnrollmentsResponse* response) {
  return Run(context, "ListEnrollments", TenantOfList(request->parent()),
             [this, request, response](const std::string&) {
               return enrollments_.List(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::UpdateEnrollment(
    grpc::CallbackServerContext* context,
    const pb::UpdateEnrollmentRequest* request, pb::Enrollment* response) {
  return Run(context, "UpdateEnrollment",
             TenantOfName(request->enrollment().name()),
             [this, request, response](const std::string& actor) {
               return enrollments_.Update(*request, actor, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::ApproveEnrollment(
    grpc::CallbackServerContext* context,
    const pb::ApproveEnrollmentRequest* request, pb::Enrollment* response) {
  return Run(context, "ApproveEnrollment", TenantOfName(request->name()),
             [this, request, response](const std::string& actor) {
               return enrollments_.Approve(*request, actor, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::DeleteEnrollment(
    grpc::CallbackServerContext* context,
    const pb::DeleteEnrollmentRequest* request, google::protobuf::Empty*) {
  return Run(context, "DeleteEnrollment", TenantOfName(request->name()),
             [this, request](const std::string& actor) {
               return enrollments_.Delete(*request, actor);
             });
}

grpc::ServerUnaryReactor* CapfService::GetTrustStore(
    grpc::CallbackServerContext* context,
    const pb::GetTrustStoreRequest* request, pb::TrustStore* response) {
  return Run(context, "GetTrustStore", TenantOfName(request->name()),
             [this, request, response](const std::string&) {
               return trust_.GetStore(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::ListTrustStores(
    grpc::CallbackServerContext* context,
    const pb::ListTrustStoresRequest* request,
    pb::ListTrustStoresResponse* response) {
  return Run(context, "ListTrustStores", TenantOfList(request->parent()),
             [this, request, response](const std::string&) {
               return trust_.ListStores(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::CreateTrustedCertificate(
    grpc::CallbackServerContext* context,
    const pb::CreateTrustedCertificateRequest* request,
    pb::TrustedCertificate* response) {
  return Run(context, "CreateTrustedCertificate",
             TenantOfName(request->parent()),
             [this, request, response](const std::string& actor) {
               return trust_.Create(*request, actor, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::GetTrustedCertificate(
    grpc::CallbackServerContext* context,
    const pb::GetTrustedCertificateRequest* request,
    pb::TrustedCertificate* response) {
  return Run(context, "GetTrustedCertificate", TenantOfName(request->name()),
             [this, request, response](const std::string&) {
               return trust_.Get(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::ListTrustedCertificates(
    grpc::CallbackServerContext* context,
    const pb::ListTrustedCertificatesRequest* request,
    pb::ListTrustedCertificatesResponse* response) {
  return Run(context, "ListTrustedCertificates",
             TenantOfName(request->parent()),
             [this, request, response](const std::string&) {
               return trust_.List(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::DeleteTrustedCertificate(
    grpc::CallbackServerContext* context,
    const pb::DeleteTrustedCertificateRequest* request,
    google::protobuf::Empty*) {
  return Run(context, "DeleteTrustedCertificate", TenantOfName(request->name()),
             [this, request](const std::string& actor) {
               return trust_.Delete(*request, actor);
             });
}

grpc::ServerWriteReactor<pb::WatchCertificateEventsResponse>*
CapfService::WatchCertificateEvents(
    grpc::CallbackServerContext* context,
    const pb::WatchCertificateEventsRequest* request) {
  using Refused = RefusedStream<pb::WatchCertificateEventsResponse>;
  const absl::StatusOr<CallerIdentity> caller = parts_.policy.Authorize(
      *context, std::string(kMethodPrefix) + "WatchCertificateEvents",
      TenantOfList(request->parent()));
  if (!caller.ok()) return new Refused(caller.status());
  const absl::StatusOr<Page> page = ReadPage(request->parent(), 0, "");
  if (!page.ok()) return new Refused(page.status());
  if (request->after_sequence() < 0) {
    return new Refused(
        Invalid("SEQUENCE_INVALID", "after_sequence is negative"));
  }
  return feed_.Start(page->tenant, request->after_sequence());
}

grpc::ServerWriteReactor<pb::WatchTrustBundleResponse>*
CapfService::WatchTrustBundle(grpc::CallbackServerContext* context,
                              const pb::WatchTrustBundleRequest* request) {
  using Refused = RefusedStream<pb::WatchTrustBundleResponse>;
  const absl::StatusOr<CallerIdentity> caller = parts_.policy.Authorize(
      *context, std::string(kMethodPrefix) + "WatchTrustBundle", "");
  if (!caller.ok()) return new Refused(caller.status());
  if (request->consumer().empty() ||
      request->consumer().size() > kMaxConsumerName) {
    return new Refused(
        Invalid("CONSUMER_INVALID", "consumer is not 1 to 128 characters"));
  }
  return StartTrustWatch(
      parts_.publisher, request->consumer(),
      ServiceSpiffeId(options_.trust_domain, caller->name()));
}

grpc::ServerUnaryReactor* CapfService::ReportTrustVersion(
    grpc::CallbackServerContext* context,
    const pb::ReportTrustVersionRequest* request,
    pb::ReportTrustVersionResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::StatusOr<CallerIdentity> caller = parts_.policy.Authorize(
      *context, std::string(kMethodPrefix) + "ReportTrustVersion", "");
  if (!caller.ok()) {
    reactor->Finish(ToGrpc(caller.status()));
    return reactor;
  }
  if (request->consumer().empty() ||
      request->consumer().size() > kMaxConsumerName) {
    reactor->Finish(ToGrpc(
        Invalid("CONSUMER_INVALID", "consumer is not 1 to 128 characters")));
    return reactor;
  }
  parts_.publisher.Report(
      request->consumer(),
      ServiceSpiffeId(options_.trust_domain, caller->name()),
      request->active_version(), ::sallyport::FromProto(request->active_time()),
      Now());
  response->set_configured_version(parts_.publisher.current()->version);
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* CapfService::GetPhoneCluster(
    grpc::CallbackServerContext* context,
    const pb::GetPhoneClusterRequest* request, pb::PhoneCluster* response) {
  return Run(context, "GetPhoneCluster", TenantOfName(request->name()),
             [this, request, response](const std::string&) {
               return trust_lists_.GetCluster(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::UpdatePhoneCluster(
    grpc::CallbackServerContext* context,
    const pb::UpdatePhoneClusterRequest* request, pb::PhoneCluster* response) {
  return Run(context, "UpdatePhoneCluster",
             TenantOfName(request->phone_cluster().name()),
             [this, request, response](const std::string& actor) {
               return trust_lists_.UpdateCluster(*request, actor, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::PublishTrustList(
    grpc::CallbackServerContext* context,
    const pb::PublishTrustListRequest* request, pb::TrustList* response) {
  return Run(context, "PublishTrustList", TenantOfName(request->parent()),
             [this, request, response](const std::string& actor) {
               return trust_lists_.Publish(*request, actor, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::GetTrustList(
    grpc::CallbackServerContext* context,
    const pb::GetTrustListRequest* request, pb::TrustList* response) {
  return Run(context, "GetTrustList", TenantOfName(request->name()),
             [this, request, response](const std::string&) {
               return trust_lists_.Get(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::ListTrustLists(
    grpc::CallbackServerContext* context,
    const pb::ListTrustListsRequest* request,
    pb::ListTrustListsResponse* response) {
  return Run(context, "ListTrustLists", TenantOfList(request->parent()),
             [this, request, response](const std::string&) {
               return trust_lists_.List(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::VerifyTrustList(
    grpc::CallbackServerContext* context,
    const pb::VerifyTrustListRequest* request,
    pb::VerifyTrustListResponse* response) {
  return Run(context, "VerifyTrustList", "",
             [this, request, response](const std::string&) {
               return trust_lists_.Verify(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::SimulateTrustList(
    grpc::CallbackServerContext* context,
    const pb::SimulateTrustListRequest* request,
    pb::SimulateTrustListResponse* response) {
  return Run(context, "SimulateTrustList", TenantOfName(request->parent()),
             [this, request, response](const std::string&) {
               return trust_lists_.Simulate(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::ExplainServerCertificate(
    grpc::CallbackServerContext* context,
    const pb::ExplainServerCertificateRequest* request,
    pb::ServerCertificateChoice* response) {
  return Run(context, "ExplainServerCertificate",
             TenantOfName(request->parent()),
             [this, request, response](const std::string&) {
               return events_.Explain(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::ListCertificateEvents(
    grpc::CallbackServerContext* context,
    const pb::ListCertificateEventsRequest* request,
    pb::ListCertificateEventsResponse* response) {
  return Run(context, "ListCertificateEvents", TenantOfList(request->parent()),
             [this, request, response](const std::string&) {
               return events_.List(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::GetPhoneFile(
    grpc::CallbackServerContext* context,
    const pb::GetPhoneFileRequest* request, pb::PhoneFile* response) {
  return Run(context, "GetPhoneFile", TenantOfName(request->name()),
             [this, request, response](const std::string&) {
               return trust_lists_.GetFile(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::ListPhoneFiles(
    grpc::CallbackServerContext* context,
    const pb::ListPhoneFilesRequest* request,
    pb::ListPhoneFilesResponse* response) {
  return Run(context, "ListPhoneFiles", TenantOfList(request->parent()),
             [this, request, response](const std::string&) {
               return trust_lists_.ListFiles(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::RunForService(
    grpc::CallbackServerContext* context, std::string_view method,
    std::function<absl::Status(const ServiceCaller&)> body) {
  ServiceCaller caller;
  const absl::StatusOr<CallerIdentity> identity =
      parts_.policy.Identify(*context->auth_context());
  if (identity.ok()) caller.service = identity->name();
  for (const grpc::string_ref& pem :
       context->auth_context()->FindPropertyValues(
           GRPC_X509_PEM_CERT_PROPERTY_NAME)) {
    caller.certificate_pem.assign(pem.data(), pem.size());
  }
  return Run(context, method, "",
             [caller = std::move(caller), body = std::move(body)](
                 const std::string&) { return body(caller); });
}

grpc::ServerUnaryReactor* CapfService::RenewCertificate(
    grpc::CallbackServerContext* context,
    const pb::RenewCertificateRequest* request, pb::Certificate* response) {
  return RunForService(context, "RenewCertificate",
                       [this, request, response](const ServiceCaller& caller) {
                         return parts_.service_methods.Renew(*request, caller,
                                                             *response);
                       });
}

grpc::ServerUnaryReactor* CapfService::ReportServiceCertificates(
    grpc::CallbackServerContext* context,
    const pb::ReportServiceCertificatesRequest* request,
    pb::ReportServiceCertificatesResponse* response) {
  return RunForService(context, "ReportServiceCertificates",
                       [this, request, response](const ServiceCaller& caller) {
                         return parts_.service_methods.Report(*request, caller,
                                                              *response);
                       });
}

grpc::ServerUnaryReactor* CapfService::ListServiceCertificates(
    grpc::CallbackServerContext* context,
    const pb::ListServiceCertificatesRequest* request,
    pb::ListServiceCertificatesResponse* response) {
  return Run(context, "ListServiceCertificates", "",
             [this, request, response](const std::string&) {
               return parts_.service_methods.List(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::RunProcedure(
    grpc::CallbackServerContext* context, std::string_view method,
    std::string_view tenant,
    std::function<absl::Status(const ProcedureCaller&)> body) {
  const bool all =
      parts_.policy
          .Authorize(*context, std::string(kMethodPrefix).append(method), "")
          .ok();
  return Run(context, method, tenant,
             [all, body = std::move(body)](const std::string& actor) {
               return body({.actor = actor, .of_all_tenants = all});
             });
}

grpc::ServerUnaryReactor* CapfService::CreateProcedure(
    grpc::CallbackServerContext* context,
    const pb::CreateProcedureRequest* request, pb::Procedure* response) {
  return RunProcedure(context, "CreateProcedure",
                      TenantOfName(request->parent()),
                      [this, request, response](const ProcedureCaller& caller) {
                        return procedures_.Create(*request, caller, *response);
                      });
}

grpc::ServerUnaryReactor* CapfService::GetProcedure(
    grpc::CallbackServerContext* context,
    const pb::GetProcedureRequest* request, pb::Procedure* response) {
  return Run(context, "GetProcedure", TenantOfName(request->name()),
             [this, request, response](const std::string&) {
               return procedures_.Get(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::ListProcedures(
    grpc::CallbackServerContext* context,
    const pb::ListProceduresRequest* request,
    pb::ListProceduresResponse* response) {
  return Run(context, "ListProcedures", TenantOfList(request->parent()),
             [this, request, response](const std::string&) {
               return procedures_.List(*request, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::AdvanceProcedure(
    grpc::CallbackServerContext* context,
    const pb::AdvanceProcedureRequest* request, pb::Procedure* response) {
  return RunProcedure(context, "AdvanceProcedure",
                      TenantOfName(request->name()),
                      [this, request, response](const ProcedureCaller& caller) {
                        return procedures_.Advance(*request, caller, *response);
                      });
}

grpc::ServerUnaryReactor* CapfService::UpdateProcedure(
    grpc::CallbackServerContext* context,
    const pb::UpdateProcedureRequest* request, pb::Procedure* response) {
  return RunProcedure(context, "UpdateProcedure",
                      TenantOfName(request->procedure().name()),
                      [this, request, response](const ProcedureCaller& caller) {
                        return procedures_.Update(*request, caller, *response);
                      });
}

grpc::ServerUnaryReactor* CapfService::CancelProcedure(
    grpc::CallbackServerContext* context,
    const pb::CancelProcedureRequest* request, pb::Procedure* response) {
  return RunProcedure(context, "CancelProcedure", TenantOfName(request->name()),
                      [this, request, response](const ProcedureCaller& caller) {
                        return procedures_.Cancel(*request, caller, *response);
                      });
}

grpc::ServerUnaryReactor* CapfService::GetStatus(
    grpc::CallbackServerContext* context, const pb::GetStatusRequest*,
    pb::CapfStatus* response) {
  return Run(
      context, "GetStatus", "",
      [this, response](const std::string&) -> absl::Status {
        const absl::Time now = Now();
        type::v1::ServiceInfo& info = *response->mutable_info();
        info.set_service("capf");
        info.set_instance(options_.instance);
        info.set_version(options_.version);
        *info.mutable_start_time() = ::sallyport::ToProto(options_.start_time);
        *info.mutable_server_time() = ::sallyport::ToProto(now);
        info.set_identity(ServiceSpiffeId(options_.trust_domain, "capf"));
        *info.mutable_certificate() =
            SummaryOfCertificateFile(options_.own_certificate_file);
        info.set_draining(draining_);

        const auto bundle = parts_.publisher.current();
        response->set_configured_version(bundle->version);
        response->set_revoked_count(
            static_cast<uint32_t>(bundle->revoked.size()));
        for (const TrustConsumer& one : parts_.publisher.consumers()) {
          pb::TrustConsumer& out = *response->add_consumers();
          out.set_consumer(one.consumer);
          out.set_identity(one.identity);
          out.set_connected(one.streams > 0);
          out.set_active_version(one.active_version);
          if (one.report_time != absl::InfinitePast()) {
            *out.mutable_active_time() = ::sallyport::ToProto(one.active_time);
            *out.mutable_report_time() = ::sallyport::ToProto(one.report_time);
          }
        }
        pb::CapfListener& listener = *response->add_listeners();
        listener.set_protocol("capf");
        listener.mutable_address()->set_address(options_.capf_address);
        listener.mutable_address()->set_port(
            static_cast<uint32_t>(options_.capf_port));
        listener.mutable_address()->set_transport(type::v1::TRANSPORT_TLS);

        SP_ASSIGN_OR_RETURN(
            *response->mutable_fips(),
            FipsStatusOf(options_.instance, parts_.fips,
                         parts_.service_methods.fips_reports(),
                         parts_.publisher, parts_.ledger.store(), now));
        const absl::Status writable = parts_.ledger.Check();
        response->set_can_issue(writable.ok());
        if (!writable.ok()) response->set_issue_reason(ReasonOf(writable));
        uint64_t issued = 0;
        for (CertificateAuthority* const one : parts_.authorities.All()) {
          issued += one->issued_count();
        }
        response->set_issued_count(issued);
        SP_ASSIGN_OR_RETURN(const int64_t pending,
                            parts_.ledger.store().CountPendingEnrollments());
        response->set_pending_enrollments(static_cast<uint32_t>(pending));
        for (const RevocationSource& source : parts_.fetcher.sources()) {
          *response->add_revocation_sources() = ToProto(source);
        }
        return absl::OkStatus();
      });
}

}  // namespace sallyport::capf
