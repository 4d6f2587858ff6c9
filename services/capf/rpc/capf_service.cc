#include "services/capf/rpc/capf_service.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/capf/core/csr.h"
#include "services/capf/rpc/capf_convert.h"
#include "services/capf/rpc/trust_watch.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/bytes/string_view.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/secret.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr char kMethodPrefix[] = "/sallyport.capf.v1.CapfService/";
constexpr absl::Duration kDefaultCompletesBy = absl::Hours(24 * 30);
constexpr size_t kMaxRequestId = 64;
constexpr size_t kMaxConsumerName = 128;

absl::Status Invalid(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

absl::Status NotFound(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kNotFound, reason, message);
}

// What a page of a listing asks the store for, one more than it returns.
absl::StatusOr<Page> ReadPage(const std::string& parent, int32_t page_size,
                              const std::string& token,
                              const std::string& filter) {
  Page page;
  if (parent != "tenants/-") {
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                        ParseName(parent, {"tenants"}));
    page.tenant = ids[0];
  }
  if (page_size < 0) return Invalid("PAGE_INVALID", "page_size is negative");
  if (!filter.empty()) {
    return MakeError(absl::StatusCode::kUnimplemented, "FILTER_UNIMPLEMENTED",
                     "filter is not implemented");
  }
  page.limit = page_size == 0 ? 50 : std::min<size_t>(page_size, 1000);
  if (!token.empty()) {
    absl::StatusOr<std::string> after = HexDecode(token);
    if (!after.ok()) return Invalid("PAGE_INVALID", "not a page token");
    page.after = *std::move(after);
  }
  return page;
}

// The tenant a list is about, as access goes: all of them is what belongs to
// none.
std::string_view TenantOfList(std::string_view parent) {
  const std::string_view tenant = TenantOfName(parent);
  return tenant == "-" ? std::string_view() : tenant;
}

absl::StatusOr<std::string> RequestKey(const std::string& tenant,
                                       const std::string& request_id) {
  if (request_id.empty()) return std::string();
  if (request_id.size() > kMaxRequestId) {
    return Invalid("REQUEST_ID_INVALID", "request_id is over 64 characters");
  }
  return absl::StrCat(tenant, "/", request_id);
}

absl::StatusOr<int64_t> ReadEtag(const std::string& etag) {
  int64_t version = 0;
  if (!etag.empty() && !absl::SimpleAtoi(etag, &version)) {
    return Invalid("ETAG_INVALID", "not an etag of ours");
  }
  return version;
}

// The fields that are set, for an update without mask.
std::vector<std::string> FieldsSet(const pb::Enrollment& e) {
  std::vector<std::string> fields;
  if (e.operation() != 0) fields.emplace_back("operation");
  if (e.authentication_mode() != 0) fields.emplace_back("authentication_mode");
  if (!e.authentication_string().empty()) {
    fields.emplace_back("authentication_string");
  }
  if (e.key_order() != 0) fields.emplace_back("key_order");
  if (e.rsa_key_size() != 0) fields.emplace_back("rsa_key_size");
  if (e.ec_key_size() != 0) fields.emplace_back("ec_key_size");
  if (e.has_operation_completes_by_time()) {
    fields.emplace_back("operation_completes_by_time");
  }
  return fields;
}

bool Holds(const std::vector<std::string>& fields, const char* field) {
  return std::find(fields.begin(), fields.end(), field) != fields.end();
}

pb::TrustStore StoreMessage(const std::string& tenant,
                            const TrustStoreKind& kind, size_t count,
                            int64_t version) {
  pb::TrustStore out;
  out.set_name(TrustStoreName(tenant, kind.id));
  out.set_purpose(std::string(kind.purpose));
  if (!kind.used_by.empty()) out.add_used_by(std::string(kind.used_by));
  out.set_certificate_count(static_cast<uint32_t>(count));
  out.set_version(version);
  return out;
}

// The store of a name, which must be one of those that can be.
absl::StatusOr<std::string> CheckStore(const std::string& name) {
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(name, {"tenants", "trustStores"}));
  if (FindTrustStoreKind(ids[1]) == nullptr) {
    return NotFound("TRUST_STORE_NOT_FOUND",
                    "there is no trust store of that name");
  }
  return name;
}

}  // namespace

CapfService::CapfService(const Parts& parts, const Options& options)
    : parts_(parts), options_(options) {}

grpc::ServerUnaryReactor* CapfService::Run(grpc::CallbackServerContext* context,
                                           std::string_view method,
                                           std::string_view tenant, Body body) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::StatusOr<CallerIdentity> caller = parts_.policy.Authorize(
      *context, std::string(kMethodPrefix).append(method), tenant);
  if (!caller.ok()) {
    reactor->Finish(ToGrpc(caller.status()));
    return reactor;
  }
  const absl::Status posted = parts_.work.Post(
      [reactor, body = std::move(body), actor = caller->ToString()] {
        reactor->Finish(ToGrpc(body(actor)));
      });
  if (!posted.ok()) reactor->Finish(ToGrpc(posted));
  return reactor;
}

absl::Status CapfService::Issue(const pb::IssueCertificateRequest& request,
                                const std::string& actor,
                                pb::Certificate& response) {
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(request.parent(), {"tenants"}));
  SP_ASSIGN_OR_RETURN(const ProfileId profile, FromProto(request.profile()));
  if (!request.certificate_authority().empty() &&
      request.certificate_authority() != AuthorityName()) {
    return NotFound("AUTHORITY_NOT_FOUND", "there is no such authority");
  }
  std::string der = request.csr();
  if (der.find("-----BEGIN") != std::string::npos) {
    SP_ASSIGN_OR_RETURN(der, CsrFromPem(request.csr()));
  }
  SP_ASSIGN_OR_RETURN(const VerifiedCsr csr,
                      VerifyCsr(AsBytes(der), KeyPolicy{}));
  SubjectAltNames names = csr.names();
  if (request.subject_alt_names_size() != 0) {
    SP_ASSIGN_OR_RETURN(names, ParseAltNames(request.subject_alt_names()));
  }
  std::string common_name = request.common_name().empty()
                                ? csr.subject().common_name
                                : request.common_name();
  if (common_name.empty() && !names.dns_names.empty()) {
    common_name = names.dns_names[0];
  }
  // Of the subject only the common name is the asker's to choose.
  SubjectName subject{
      .organization = parts_.authority.issuer().subject.organization,
      .common_name = std::move(common_name)};
  absl::Duration validity = ::sallyport::FromProto(request.lifetime());
  if (validity == absl::ZeroDuration()) {
    validity = profile == ProfileId::kSipServer ? options_.lifetimes.server
               : profile == ProfileId::kClient  ? options_.lifetimes.client
                                                : options_.lifetimes.service;
  }
  SP_ASSIGN_OR_RETURN(const std::string request_key,
                      RequestKey(ids[0], request.request_id()));
  const IssueOrder order{.tenant = ids[0],
                         .profile = profile,
                         .subject = std::move(subject),
                         .names = std::move(names),
                         .key = csr.key(),
                         .validity = validity,
                         .enrollment = {},
                         .requester = actor,
                         .request_key = request_key,
                         .request_sha256 = HexEncode(AsBytes(csr.sha256()))};
  if (request.validate_only()) return parts_.authority.Check(order);
  SP_ASSIGN_OR_RETURN(const CertificateRecord record,
                      parts_.authority.Issue(order));
  SP_RETURN_IF_ERROR(parts_.trust.EnsureOwn(ids[0], actor));
  response = ToProto(record, AuthorityName(), Now());
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* CapfService::IssueCertificate(
    grpc::CallbackServerContext* context,
    const pb::IssueCertificateRequest* request, pb::Certificate* response) {
  // A service's identity belongs to no tenant, so neither does this right.
  const bool service = request->profile() == pb::CERTIFICATE_PROFILE_SERVICE;
  return Run(context, "IssueCertificate",
             service ? std::string_view() : TenantOfName(request->parent()),
             [this, request, response](const std::string& actor) {
               return Issue(*request, actor, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::GetCertificate(
    grpc::CallbackServerContext* context,
    const pb::GetCertificateRequest* request, pb::Certificate* response) {
  return Run(context, "GetCertificate", TenantOfName(request->name()),
             [this, request, response](const std::string&) -> absl::Status {
               SP_ASSIGN_OR_RETURN(
                   const std::vector<std::string> ids,
                   ParseName(request->name(), {"tenants", "certificates"}));
               SP_ASSIGN_OR_RETURN(
                   const std::optional<CertificateRecord> record,
                   parts_.ledger.store().GetCertificate(ids[1]));
               if (!record.has_value() || record->tenant != ids[0] ||
                   record->der.empty()) {
                 return NotFound("CERTIFICATE_NOT_FOUND",
                                 "there is no such certificate");
               }
               *response = ToProto(*record, AuthorityName(), Now());
               return absl::OkStatus();
             });
}

grpc::ServerUnaryReactor* CapfService::ListCertificates(
    grpc::CallbackServerContext* context,
    const pb::ListCertificatesRequest* request,
    pb::ListCertificatesResponse* response) {
  return Run(
      context, "ListCertificates", TenantOfList(request->parent()),
      [this, request, response](const std::string&) -> absl::Status {
        SP_ASSIGN_OR_RETURN(Page page,
                            ReadPage(request->parent(), request->page_size(),
                                     request->page_token(), request->filter()));
        const size_t wanted = page.limit++;
        SP_ASSIGN_OR_RETURN(std::vector<CertificateRecord> all,
                            parts_.ledger.store().ListCertificates(page));
        if (all.size() > wanted) {
          all.resize(wanted);
          response->set_next_page_token(HexEncode(AsBytes(all.back().serial)));
        }
        for (const CertificateRecord& record : all) {
          *response->add_certificates() =
              ToProto(record, AuthorityName(), Now());
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CapfService::RevokeCertificate(
    grpc::CallbackServerContext* context,
    const pb::RevokeCertificateRequest* request, pb::Certificate* response) {
  return Run(
      context, "RevokeCertificate", TenantOfName(request->name()),
      [this, request, response](const std::string& actor) -> absl::Status {
        SP_ASSIGN_OR_RETURN(
            const std::vector<std::string> ids,
            ParseName(request->name(), {"tenants", "certificates"}));
        SP_ASSIGN_OR_RETURN(const CertificateRecord record,
                            parts_.enrollments.Revoke(
                                ids[0], ids[1], FromProto(request->reason()),
                                actor, request->validate_only()));
        *response = ToProto(record, AuthorityName(), Now());
        return absl::OkStatus();
      });
}

pb::CertificateAuthority CapfService::Authority() const {
  const Issuer& issuer = parts_.authority.issuer();
  pb::CertificateAuthority out;
  out.set_name(AuthorityName());
  out.set_display_name(issuer.subject.common_name);
  out.set_mode(pb::AUTHORITY_MODE_OWN);
  out.set_common_name(issuer.subject.common_name);
  out.set_organization(issuer.subject.organization);
  out.set_certificate_pem(CertificateToPem(AsBytes(issuer.certificate_der)));
  *out.mutable_summary() = Summarize(AsBytes(issuer.certificate_der));
  out.set_key_type(out.summary().key_type());
  for (const char* profile :
       {"CERTIFICATE_PROFILE_LSC", "CERTIFICATE_PROFILE_SERVER",
        "CERTIFICATE_PROFILE_CLIENT", "CERTIFICATE_PROFILE_SERVICE"}) {
    out.add_default_profiles(profile);
  }
  *out.mutable_create_time() = ::sallyport::ToProto(issuer.not_before);
  return out;
}

grpc::ServerUnaryReactor* CapfService::GetCertificateAuthority(
    grpc::CallbackServerContext* context,
    const pb::GetCertificateAuthorityRequest* request,
    pb::CertificateAuthority* response) {
  return Run(context, "GetCertificateAuthority", "",
             [this, request, response](const std::string&) -> absl::Status {
               if (request->name() != AuthorityName()) {
                 return NotFound("AUTHORITY_NOT_FOUND",
                                 "there is no such authority");
               }
               *response = Authority();
               return absl::OkStatus();
             });
}

grpc::ServerUnaryReactor* CapfService::ListCertificateAuthorities(
    grpc::CallbackServerContext* context,
    const pb::ListCertificateAuthoritiesRequest*,
    pb::ListCertificateAuthoritiesResponse* response) {
  return Run(context, "ListCertificateAuthorities", "",
             [this, response](const std::string&) {
               *response->add_certificate_authorities() = Authority();
               return absl::OkStatus();
             });
}

absl::Status CapfService::Fill(const Enrollment& enrollment,
                               pb::Enrollment& response) {
  response = ToProto(enrollment);
  if (enrollment.lsc_serial.empty()) return absl::OkStatus();
  SP_ASSIGN_OR_RETURN(
      const std::optional<CertificateRecord> record,
      parts_.ledger.store().GetCertificate(enrollment.lsc_serial));
  if (record.has_value()) {
    response.set_certificate(record->Name());
    *response.mutable_lsc() = Summarize(AsBytes(record->der));
  }
  return absl::OkStatus();
}

absl::Status CapfService::Create(const pb::CreateEnrollmentRequest& request,
                                 const std::string& actor,
                                 pb::Enrollment& response) {
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(request.parent(), {"tenants"}));
  const pb::Enrollment& in = request.enrollment();
  if (in.approval_required()) {
    return MakeError(absl::StatusCode::kUnimplemented, "APPROVAL_UNIMPLEMENTED",
                     "approval_required is not implemented");
  }
  if (!in.certificate_authority().empty() &&
      in.certificate_authority() != AuthorityName()) {
    return NotFound("AUTHORITY_NOT_FOUND", "there is no such authority");
  }
  const std::string id = request.enrollment_id().empty()
                             ? absl::AsciiStrToLower(in.device_name())
                             : request.enrollment_id();
  if (!IsResourceId(id)) {
    return Invalid("ENROLLMENT_ID_INVALID",
                   "enrollment_id is not 1 to 63 of a-z, 0-9, - and _");
  }
  Enrollment enrollment;
  enrollment.name = absl::StrCat("tenants/", ids[0], "/enrollments/", id);
  enrollment.device_name = in.device_name();
  enrollment.completes_by = Now() + kDefaultCompletesBy;
  SP_ASSIGN_OR_RETURN(enrollment.request_key,
                      RequestKey(ids[0], request.request_id()));
  SP_RETURN_IF_ERROR(ApplyProto(in, FieldsSet(in), enrollment));
  SP_ASSIGN_OR_RETURN(
      EnrollmentWithString made,
      parts_.enrollments.Create(std::move(enrollment),
                                Secret::CopyOf(in.authentication_string()),
                                actor, request.validate_only()));
  if (!request.validate_only()) {
    SP_RETURN_IF_ERROR(parts_.trust.EnsureOwn(ids[0], actor));
  }
  SP_RETURN_IF_ERROR(Fill(made.enrollment, response));
  response.set_authentication_string(std::string(made.string.DangerousText()));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* CapfService::CreateEnrollment(
    grpc::CallbackServerContext* context,
    const pb::CreateEnrollmentRequest* request, pb::Enrollment* response) {
  return Run(context, "CreateEnrollment", TenantOfName(request->parent()),
             [this, request, response](const std::string& actor) {
               return Create(*request, actor, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::GetEnrollment(
    grpc::CallbackServerContext* context,
    const pb::GetEnrollmentRequest* request, pb::Enrollment* response) {
  return Run(
      context, "GetEnrollment", TenantOfName(request->name()),
      [this, request, response](const std::string&) -> absl::Status {
        SP_RETURN_IF_ERROR(
            ParseName(request->name(), {"tenants", "enrollments"}).status());
        SP_ASSIGN_OR_RETURN(const Enrollment enrollment,
                            parts_.enrollments.Get(request->name()));
        return Fill(enrollment, *response);
      });
}

grpc::ServerUnaryReactor* CapfService::ListEnrollments(
    grpc::CallbackServerContext* context,
    const pb::ListEnrollmentsRequest* request,
    pb::ListEnrollmentsResponse* response) {
  return Run(
      context, "ListEnrollments", TenantOfList(request->parent()),
      [this, request, response](const std::string&) -> absl::Status {
        SP_ASSIGN_OR_RETURN(Page page,
                            ReadPage(request->parent(), request->page_size(),
                                     request->page_token(), request->filter()));
        const size_t wanted = page.limit++;
        SP_ASSIGN_OR_RETURN(std::vector<Enrollment> all,
                            parts_.ledger.store().ListEnrollments(page));
        if (all.size() > wanted) {
          all.resize(wanted);
          response->set_next_page_token(HexEncode(AsBytes(all.back().name)));
        }
        for (Enrollment& enrollment : all) {
          Expire(enrollment, Now());
          SP_RETURN_IF_ERROR(Fill(enrollment, *response->add_enrollments()));
        }
        return absl::OkStatus();
      });
}

absl::Status CapfService::Update(const pb::UpdateEnrollmentRequest& request,
                                 const std::string& actor,
                                 pb::Enrollment& response) {
  const pb::Enrollment& in = request.enrollment();
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(in.name(), {"tenants", "enrollments"}));
  absl::StatusOr<Enrollment> found = parts_.enrollments.Get(in.name());
  if (absl::IsNotFound(found.status()) && request.allow_missing()) {
    pb::CreateEnrollmentRequest create;
    create.set_parent(absl::StrCat("tenants/", ids[0]));
    *create.mutable_enrollment() = in;
    create.set_enrollment_id(ids[1]);
    create.set_request_id(request.request_id());
    create.set_validate_only(request.validate_only());
    return Create(create, actor, response);
  }
  SP_ASSIGN_OR_RETURN(Enrollment enrollment, std::move(found));
  SP_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(in.etag()));
  if (version != 0 && version != enrollment.version) {
    return MakeError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                     "it was changed meanwhile");
  }
  std::vector<std::string> fields(request.update_mask().paths().begin(),
                                  request.update_mask().paths().end());
  if (fields.empty()) fields = FieldsSet(in);
  SP_RETURN_IF_ERROR(ApplyProto(in, fields, enrollment));
  // Any of these begins the operation afresh, and so unlocks it.
  const bool arm = Holds(fields, "operation") ||
                   Holds(fields, "authentication_mode") ||
                   Holds(fields, "authentication_string");
  if (arm && enrollment.operation != Operation::kNone &&
      !Holds(fields, "operation_completes_by_time") &&
      enrollment.mode != AuthenticationMode::kByNullString) {
    enrollment.completes_by = Now() + kDefaultCompletesBy;
  }
  SP_ASSIGN_OR_RETURN(
      const EnrollmentWithString made,
      parts_.enrollments.Update(std::move(enrollment), arm,
                                Secret::CopyOf(in.authentication_string()),
                                actor, request.validate_only()));
  SP_RETURN_IF_ERROR(Fill(made.enrollment, response));
  response.set_authentication_string(std::string(made.string.DangerousText()));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* CapfService::UpdateEnrollment(
    grpc::CallbackServerContext* context,
    const pb::UpdateEnrollmentRequest* request, pb::Enrollment* response) {
  return Run(context, "UpdateEnrollment",
             TenantOfName(request->enrollment().name()),
             [this, request, response](const std::string& actor) {
               return Update(*request, actor, *response);
             });
}

grpc::ServerUnaryReactor* CapfService::DeleteEnrollment(
    grpc::CallbackServerContext* context,
    const pb::DeleteEnrollmentRequest* request, google::protobuf::Empty*) {
  return Run(
      context, "DeleteEnrollment", TenantOfName(request->name()),
      [this, request](const std::string& actor) -> absl::Status {
        SP_RETURN_IF_ERROR(
            ParseName(request->name(), {"tenants", "enrollments"}).status());
        SP_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request->etag()));
        const absl::Status status = parts_.enrollments.Delete(
            request->name(), version, actor, request->validate_only());
        if (absl::IsNotFound(status) && request->allow_missing()) {
          return absl::OkStatus();
        }
        return status;
      });
}

absl::StatusOr<std::vector<TrustedCertificate>> CapfService::TrustedOf(
    const std::string& store) {
  SP_ASSIGN_OR_RETURN(std::vector<TrustedCertificate> all,
                      parts_.ledger.store().ListTrusted());
  std::erase_if(
      all, [&](const TrustedCertificate& one) { return one.store != store; });
  return all;
}

grpc::ServerUnaryReactor* CapfService::GetTrustStore(
    grpc::CallbackServerContext* context,
    const pb::GetTrustStoreRequest* request, pb::TrustStore* response) {
  return Run(context, "GetTrustStore", TenantOfName(request->name()),
             [this, request, response](const std::string&) -> absl::Status {
               SP_ASSIGN_OR_RETURN(const std::string name,
                                   CheckStore(request->name()));
               SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                                   ParseName(name, {"tenants", "trustStores"}));
               SP_ASSIGN_OR_RETURN(const auto trusted, TrustedOf(name));
               SP_ASSIGN_OR_RETURN(const int64_t version,
                                   parts_.ledger.store().TrustVersion());
               *response = StoreMessage(ids[0], *FindTrustStoreKind(ids[1]),
                                        trusted.size(), version);
               return absl::OkStatus();
             });
}

grpc::ServerUnaryReactor* CapfService::ListTrustStores(
    grpc::CallbackServerContext* context,
    const pb::ListTrustStoresRequest* request,
    pb::ListTrustStoresResponse* response) {
  return Run(
      context, "ListTrustStores", TenantOfList(request->parent()),
      [this, request, response](const std::string&) -> absl::Status {
        SP_ASSIGN_OR_RETURN(const Page page,
                            ReadPage(request->parent(), request->page_size(),
                                     request->page_token(), request->filter()));
        if (page.tenant.empty()) {
          return Invalid("NAME_INVALID", "trust stores are listed by tenant");
        }
        SP_ASSIGN_OR_RETURN(const int64_t version,
                            parts_.ledger.store().TrustVersion());
        for (const TrustStoreKind& kind : TrustStoreKinds()) {
          SP_ASSIGN_OR_RETURN(const auto trusted,
                              TrustedOf(TrustStoreName(page.tenant, kind.id)));
          *response->add_trust_stores() =
              StoreMessage(page.tenant, kind, trusted.size(), version);
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CapfService::CreateTrustedCertificate(
    grpc::CallbackServerContext* context,
    const pb::CreateTrustedCertificateRequest* request,
    pb::TrustedCertificate* response) {
  return Run(
      context, "CreateTrustedCertificate", TenantOfName(request->parent()),
      [this, request, response](const std::string& actor) -> absl::Status {
        SP_ASSIGN_OR_RETURN(const std::string store,
                            CheckStore(request->parent()));
        const pb::TrustedCertificate& in = request->trusted_certificate();
        SP_ASSIGN_OR_RETURN(const std::vector<std::string> certificates,
                            ReadCertificates(in.certificate()));
        TrustedCertificate like;
        like.origin = "import";
        like.tls_peer_subject = in.tls_peer_subject();
        like.tls_contexts.assign(in.tls_contexts().begin(),
                                 in.tls_contexts().end());
        SP_ASSIGN_OR_RETURN(const std::vector<TrustedCertificate> added,
                            parts_.trust.Add(store, certificates, like, actor,
                                             request->validate_only()));
        *response = ToProto(added[0]);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CapfService::GetTrustedCertificate(
    grpc::CallbackServerContext* context,
    const pb::GetTrustedCertificateRequest* request,
    pb::TrustedCertificate* response) {
  return Run(context, "GetTrustedCertificate", TenantOfName(request->name()),
             [this, request, response](const std::string&) -> absl::Status {
               SP_ASSIGN_OR_RETURN(
                   const std::vector<std::string> ids,
                   ParseName(request->name(),
                             {"tenants", "trustStores", "certificates"}));
               SP_ASSIGN_OR_RETURN(const auto trusted,
                                   TrustedOf(TrustStoreName(ids[0], ids[1])));
               for (const TrustedCertificate& one : trusted) {
                 if (one.sha256 != ids[2]) continue;
                 *response = ToProto(one);
                 return absl::OkStatus();
               }
               return NotFound("TRUSTED_NOT_FOUND",
                               "no such certificate in this trust store");
             });
}

grpc::ServerUnaryReactor* CapfService::ListTrustedCertificates(
    grpc::CallbackServerContext* context,
    const pb::ListTrustedCertificatesRequest* request,
    pb::ListTrustedCertificatesResponse* response) {
  return Run(
      context, "ListTrustedCertificates", TenantOfName(request->parent()),
      [this, request, response](const std::string&) -> absl::Status {
        SP_ASSIGN_OR_RETURN(const std::string store,
                            CheckStore(request->parent()));
        SP_ASSIGN_OR_RETURN(const Page page,
                            ReadPage("tenants/-", request->page_size(),
                                     request->page_token(), request->filter()));
        SP_ASSIGN_OR_RETURN(const auto trusted, TrustedOf(store));
        for (const TrustedCertificate& one : trusted) {
          if (one.sha256 <= page.after) continue;
          const int size = response->trusted_certificates_size();
          if (static_cast<size_t>(size) == page.limit) {
            const std::string last =
                std::string(response->trusted_certificates(size - 1)
                                .summary()
                                .sha256_thumbprint());
            response->set_next_page_token(HexEncode(AsBytes(last)));
            break;
          }
          *response->add_trusted_certificates() = ToProto(one);
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CapfService::DeleteTrustedCertificate(
    grpc::CallbackServerContext* context,
    const pb::DeleteTrustedCertificateRequest* request,
    google::protobuf::Empty*) {
  return Run(context, "DeleteTrustedCertificate", TenantOfName(request->name()),
             [this, request](const std::string& actor) -> absl::Status {
               SP_ASSIGN_OR_RETURN(
                   const std::vector<std::string> ids,
                   ParseName(request->name(),
                             {"tenants", "trustStores", "certificates"}));
               const absl::Status status = parts_.trust.Remove(
                   TrustStoreName(ids[0], ids[1]), ids[2], actor,
                   request->force(), request->validate_only());
               if (absl::IsNotFound(status) && request->allow_missing()) {
                 return absl::OkStatus();
               }
               return status;
             });
}

grpc::ServerWriteReactor<pb::WatchTrustBundleResponse>*
CapfService::WatchTrustBundle(grpc::CallbackServerContext* context,
                              const pb::WatchTrustBundleRequest* request) {
  // A stream that ends at once, for a refusal.
  class Refused final
      : public grpc::ServerWriteReactor<pb::WatchTrustBundleResponse> {
   public:
    explicit Refused(const absl::Status& status) { Finish(ToGrpc(status)); }
    void OnDone() override { delete this; }
  };
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
        const auto own = CertificatesFromPem(options_.own_certificate_pem);
        if (own.ok()) {
          *info.mutable_certificate() = Summarize(AsBytes((*own)[0]));
        }
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

        const absl::Status writable = parts_.ledger.Check();
        response->set_can_issue(writable.ok());
        if (!writable.ok()) response->set_issue_reason(ReasonOf(writable));
        response->set_issued_count(parts_.authority.issued_count());
        SP_ASSIGN_OR_RETURN(const int64_t pending,
                            parts_.ledger.store().CountPendingEnrollments());
        response->set_pending_enrollments(static_cast<uint32_t>(pending));
        response->mutable_fips()->set_disclaimer(
            "BoringSSL from an update stream, not the validated module");
        return absl::OkStatus();
      });
}

}  // namespace sallyport::capf
