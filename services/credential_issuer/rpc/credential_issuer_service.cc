#include "services/credential_issuer/rpc/credential_issuer_service.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"
#include "services/credential_issuer/rpc/issuer_proto.h"
#include "services/credential_issuer/rpc/method_policy.h"
#include "services/credential_issuer/rpc/request_check.h"

namespace sallyport::credential_issuer {
namespace {

using ::sallyport::FromProto;
using ::sallyport::ToProto;

constexpr char kSoftwareVersion[] = "0.1.0";
constexpr size_t kMaxConsumer = 128;
constexpr int kDefaultPage = 50;
constexpr int kMaxPage = 1000;
constexpr size_t kCredentialIdDigits = 24;

bool IsCredentialId(std::string_view id) {
  return id.size() == kCredentialIdDigits &&
         std::all_of(id.begin(), id.end(), [](unsigned char c) {
           return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
         });
}

absl::Status NoCredentialId() {
  return RequestInvalid(
      {{"credential_id", "must be 24 lower-case hexadecimal digits"}});
}

absl::StatusOr<size_t> PageSize(int asked) {
  if (asked < 0 || asked > kMaxPage) {
    return RequestInvalid({{"page_size", "must be 0 to 1000"}});
  }
  return static_cast<size_t>(asked == 0 ? kDefaultPage : asked);
}

// Index of the first element after the one that `token` names, in a list that
// is newest first; 0 without token. What was purged meanwhile is an error, so
// that no page is shown twice.
template <typename List, typename NameOf>
absl::StatusOr<size_t> PageStart(const List& list, const std::string& token,
                                 NameOf name_of) {
  if (token.empty()) return size_t{0};
  for (size_t i = 0; i < list.size(); ++i) {
    if (name_of(list[i]) == token) return i + 1;
  }
  return RequestInvalid({{"page_token", "is not of an answer in force"}});
}

grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context,
                                 const absl::Status& status) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

IssueOutcome OutcomeOf(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  if (reason == "AUDIT_UNAVAILABLE" || reason == "AUDIT_OVERLOADED") {
    return IssueOutcome::kNotAudited;
  }
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return IssueOutcome::kIssued;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kPermissionDenied:
      return IssueOutcome::kInvalid;
    case absl::StatusCode::kResourceExhausted:
      return IssueOutcome::kLimited;
    default:
      return reason == "DRAINING" ? IssueOutcome::kDraining
                                  : IssueOutcome::kFailed;
  }
}

}  // namespace

CredentialIssuerService::CredentialIssuerService(const Options& options,
                                                 const Parts& parts)
    : options_(options),
      parts_(parts),
      start_time_(parts.clock.Now()),
      issues_(parts.metrics.Counter(kIssuesTotal)),
      mras_requests_(parts.metrics.Counter(kMrasRequestsTotal)),
      rate_(options.limits, parts.random) {}

void CredentialIssuerService::SetLimits(const IssueLimits& limits) {
  IssueRate rate(limits, parts_.random);
  absl::MutexLock lock(&rate_mutex_);
  rate_ = std::move(rate);
}

AuditRecord CredentialIssuerService::RecordOf(
    std::string_view event, std::initializer_list<LogField> fields) const {
  AuditRecord out;
  out.time = parts_.clock.Now();
  out.id = AuditId(out.time, parts_.random.NextU64());
  out.line = AuditLine(out.time, event, fields);
  return out;
}

void CredentialIssuerService::Audit(std::string_view tenant,
                                    std::string_view credential_id,
                                    std::string_view subject,
                                    std::string_view event,
                                    std::initializer_list<LogField> fields) {
  AuditRecord record = RecordOf(event, fields);
  record.tenant = std::string(tenant);
  record.credential_id = std::string(credential_id);
  record.subject = std::string(subject);
  // A failure is counted and logged by the audit itself.
  parts_.audit.AppendAndWait(std::move(record)).IgnoreError();
}

absl::StatusOr<CredentialIssuerService::Minted> CredentialIssuerService::Mint(
    const Asker& asker, const IssueRequest& request) {
  {
    absl::MutexLock lock(&rate_mutex_);
    SP_RETURN_IF_ERROR(
        rate_.Take(asker.caller, request, parts_.clock.MonoNow()));
  }
  const absl::Time now = parts_.clock.Now();
  Minted out;
  if (asker.by_mras) {
    SP_ASSIGN_OR_RETURN(out.credential, IssueForMras(request, now));
  } else {
    SP_ASSIGN_OR_RETURN(out.credential, parts_.keeper.issuer()->Issue(
                                            request, now, parts_.random));
  }
  const IssuedCredential& credential = out.credential;
  out.relays = parts_.consumers.SelectRelays(
      {asker.network, asker.location, credential.key_version}, now,
      parts_.random);
  out.record = RecordOf("issue", {{"tenant", request.tenant},
                                  {"credential_id", credential.credential_id},
                                  {"subject", credential.opaque_subject},
                                  {"key_id", credential.key_id},
                                  {"expire_time", credential.expire_time},
                                  {"caller", asker.caller},
                                  {"request_id", asker.request_id}});
  out.record.tenant = request.tenant;
  out.record.credential_id = credential.credential_id;
  out.record.subject = credential.opaque_subject;
  return out;
}

absl::StatusOr<AuditRecord> CredentialIssuerService::Issue(
    const Context& context, const v1::IssueTurnCredentialRequest& request,
    v1::TurnCredential* response) {
  IssueRequest in;
  in.tenant = std::string(TenantOfName(request.parent()));
  in.subject = request.subject();
  in.lifetime = FromProto(request.lifetime());
  SP_ASSIGN_OR_RETURN(
      const CallerIdentity caller,
      parts_.policy.Authorize(context, MethodPath("IssueTurnCredential"),
                              in.tenant));
  if (draining_) {
    return MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                     "this instance is ending; ask another");
  }
  SP_RETURN_IF_ERROR(TenantOfParent(request.parent()).status());
  SP_RETURN_IF_ERROR(CheckText("request_id", request.request_id(),
                               kMaxRequestId, /*required=*/false));
  SP_RETURN_IF_ERROR(CheckText("location", request.location(), kMaxReason,
                               /*required=*/false));
  if (!v1::ClientNetwork_IsValid(request.network())) {
    return RequestInvalid({{"network", "is none of the API's"}});
  }
  SP_RETURN_IF_ERROR(CheckIssueRequest(in));
  const Asker asker = {caller.ToString(), request.request_id(),
                       FromProto(request.network()), request.location()};
  SP_ASSIGN_OR_RETURN(Minted minted, Mint(asker, in));
  ToProto(minted.credential, options_.realm, minted.relays, response);
  return std::move(minted.record);
}

absl::Status CredentialIssuerService::DoRevokeCredential(
    const Context& context, const v1::RevokeCredentialRequest& request,
    v1::Revocation* response) {
  SP_ASSIGN_OR_RETURN(
      const CallerIdentity caller,
      parts_.policy.Authorize(context, MethodPath("RevokeCredential"),
                              TenantOfName(request.parent())));
  SP_ASSIGN_OR_RETURN(const std::string tenant,
                      TenantOfParent(request.parent()));
  SP_RETURN_IF_ERROR(CheckText("reason", request.reason(), kMaxReason, false));
  std::string id = request.credential_id();
  if (request.has_username()) {
    SP_ASSIGN_OR_RETURN(
        id, parts_.keeper.issuer()->CredentialIdOf(tenant, request.username(),
                                                   parts_.clock.Now()));
  }
  if (!IsCredentialId(id)) return NoCredentialId();
  SP_ASSIGN_OR_RETURN(const Revocation out, parts_.keeper.RevokeCredential(
                                                tenant, id, request.reason()));
  Audit(tenant, id, "", "revoke_credential",
        {{"tenant", tenant},
         {"credential_id", id},
         {"caller", caller.ToString()},
         {"reason", request.reason()}});
  *response = ToProto(out);
  return absl::OkStatus();
}

absl::Status CredentialIssuerService::DoRevokeUser(
    const Context& context, const v1::RevokeUserRequest& request,
    v1::Revocation* response) {
  SP_ASSIGN_OR_RETURN(const CallerIdentity caller,
                      parts_.policy.Authorize(context, MethodPath("RevokeUser"),
                                              TenantOfName(request.parent())));
  SP_ASSIGN_OR_RETURN(const std::string tenant,
                      TenantOfParent(request.parent()));
  SP_RETURN_IF_ERROR(CheckText("reason", request.reason(), kMaxReason, false));
  SP_RETURN_IF_ERROR(CheckIssueRequest({tenant, request.subject(), {}}));
  SP_ASSIGN_OR_RETURN(
      const Revocation out,
      parts_.keeper.RevokeUser(tenant, request.subject(), request.reason()));
  Audit(tenant, "", out.target, "revoke_user",
        {{"tenant", tenant},
         {"subject", out.target},
         {"caller", caller.ToString()},
         {"reason", request.reason()}});
  *response = ToProto(out);
  return absl::OkStatus();
}

absl::Status CredentialIssuerService::DoListRevocations(
    const Context& context, const v1::ListRevocationsRequest& request,
    v1::ListRevocationsResponse* response) const {
  // `tenants/-` is all tenants, and so for those who may see all.
  const bool all = request.parent() == "tenants/-";
  std::string tenant;
  if (!all) tenant = std::string(TenantOfName(request.parent()));
  SP_RETURN_IF_ERROR(
      parts_.policy.Authorize(context, MethodPath("ListRevocations"), tenant)
          .status());
  if (!all) {
    SP_RETURN_IF_ERROR(TenantOfParent(request.parent()).status());
  }
  SP_ASSIGN_OR_RETURN(const size_t size, PageSize(request.page_size()));
  const auto issuer = parts_.keeper.issuer();
  std::vector<const Revocation*> list;
  const absl::Time now = parts_.clock.Now();
  for (const Revocation& r : issuer->state().revocations.all()) {
    // What has expired is kept for a while, but revokes nothing any more.
    if (r.expire_time <= now) continue;
    if (all || r.tenant == tenant) list.push_back(&r);
  }
  std::reverse(list.begin(), list.end());
  SP_ASSIGN_OR_RETURN(size_t i,
                      PageStart(list, request.page_token(),
                                [](const Revocation* r) { return r->id; }));
  for (size_t n = 0; n < size && i < list.size(); ++n, ++i) {
    *response->add_revocations() = ToProto(*list[i]);
  }
  if (i < list.size()) response->set_next_page_token(list[i - 1]->id);
  return absl::OkStatus();
}

absl::Status CredentialIssuerService::DoGetKey(const Context& context,
                                               const v1::GetKeyRequest& request,
                                               v1::Key* response) const {
  SP_RETURN_IF_ERROR(
      parts_.policy.Authorize(context, MethodPath("GetKey"), "").status());
  SP_ASSIGN_OR_RETURN(const uint32_t id, KeyIdOfName(request.name()));
  const auto issuer = parts_.keeper.issuer();
  const KeyRing& ring = issuer->state().ring;
  const RingKey* const key = ring.Find(id);
  if (key == nullptr) {
    return MakeError(absl::StatusCode::kNotFound, "KEY_NOT_FOUND",
                     absl::StrCat("there is no keys/", id));
  }
  *response = ToProto(ring, *key, parts_.clock.Now());
  return absl::OkStatus();
}

absl::Status CredentialIssuerService::DoListKeys(
    const Context& context, const v1::ListKeysRequest& request,
    v1::ListKeysResponse* response) const {
  SP_RETURN_IF_ERROR(
      parts_.policy.Authorize(context, MethodPath("ListKeys"), "").status());
  SP_ASSIGN_OR_RETURN(const size_t size, PageSize(request.page_size()));
  const auto issuer = parts_.keeper.issuer();
  const KeyRing& ring = issuer->state().ring;
  std::vector<const RingKey*> list;
  for (const RingKey& key : ring.keys()) list.push_back(&key);
  std::reverse(list.begin(), list.end());
  const auto name_of = [](const RingKey* key) { return absl::StrCat(key->id); };
  SP_ASSIGN_OR_RETURN(size_t i, PageStart(list, request.page_token(), name_of));
  const absl::Time now = parts_.clock.Now();
  for (size_t n = 0; n < size && i < list.size(); ++n, ++i) {
    *response->add_keys() = ToProto(ring, *list[i], now);
  }
  if (i < list.size()) response->set_next_page_token(name_of(list[i - 1]));
  return absl::OkStatus();
}

absl::Status CredentialIssuerService::DoRotateKey(
    const Context& context, const v1::RotateKeyRequest& request,
    v1::Key* response) {
  SP_ASSIGN_OR_RETURN(
      const CallerIdentity caller,
      parts_.policy.Authorize(context, MethodPath("RotateKey"), ""));
  SP_RETURN_IF_ERROR(CheckText("request_id", request.request_id(),
                               kMaxRequestId, /*required=*/true));
  SP_ASSIGN_OR_RETURN(const RingKey key,
                      parts_.keeper.RotateKey(request.request_id()));
  Audit("-", "", "", "rotate_key",
        {{"key_id", key.id},
         {"caller", caller.ToString()},
         {"request_id", request.request_id()}});
  const auto issuer = parts_.keeper.issuer();
  *response = ToProto(issuer->state().ring, key, parts_.clock.Now());
  return absl::OkStatus();
}

absl::Status CredentialIssuerService::DoRevokeKey(
    const Context& context, const v1::RevokeKeyRequest& request,
    v1::Key* response) {
  SP_ASSIGN_OR_RETURN(
      const CallerIdentity caller,
      parts_.policy.Authorize(context, MethodPath("RevokeKey"), ""));
  SP_RETURN_IF_ERROR(CheckText("reason", request.reason(), kMaxReason, false));
  SP_ASSIGN_OR_RETURN(const uint32_t id, KeyIdOfName(request.name()));
  SP_ASSIGN_OR_RETURN(const RingKey key,
                      parts_.keeper.RevokeKey(id, request.reason()));
  Audit("-", "", "", "revoke_key",
        {{"key_id", id},
         {"caller", caller.ToString()},
         {"reason", request.reason()}});
  const auto issuer = parts_.keeper.issuer();
  *response = ToProto(issuer->state().ring, key, parts_.clock.Now());
  return absl::OkStatus();
}

absl::Status CredentialIssuerService::DoReport(
    const Context& context, const v1::ReportKeysVersionRequest& request,
    v1::ReportKeysVersionResponse* response) {
  SP_ASSIGN_OR_RETURN(
      const CallerIdentity caller,
      parts_.policy.Authorize(context, MethodPath("ReportKeysVersion"), ""));
  SP_RETURN_IF_ERROR(CheckText("consumer", request.consumer(), kMaxConsumer,
                               /*required=*/true));
  parts_.consumers.OnReport(request, caller.ToString(), parts_.clock.Now());
  response->set_configured_version(parts_.keeper.issuer()->state().version);
  return absl::OkStatus();
}

absl::Status CredentialIssuerService::DoListAuditRecords(
    const Context& context, const v1::ListAuditRecordsRequest& request,
    v1::ListAuditRecordsResponse* response) const {
  // `tenants/-` is all tenants, and so for those who may see all.
  const bool all = request.parent() == "tenants/-";
  AuditQuery query;
  if (!all) query.tenant = std::string(TenantOfName(request.parent()));
  SP_RETURN_IF_ERROR(
      parts_.policy
          .Authorize(context, MethodPath("ListAuditRecords"), query.tenant)
          .status());
  if (!all) SP_RETURN_IF_ERROR(TenantOfParent(request.parent()).status());
  SP_ASSIGN_OR_RETURN(const size_t size, PageSize(request.page_size()));
  SP_RETURN_IF_ERROR(CheckText("page_token", request.page_token(), kMaxReason,
                               /*required=*/false));
  query.before_id = request.page_token();
  query.limit = size + 1;
  switch (request.of_case()) {
    case v1::ListAuditRecordsRequest::kCredentialId:
      if (!IsCredentialId(request.credential_id())) return NoCredentialId();
      query.credential_id = request.credential_id();
      break;
    case v1::ListAuditRecordsRequest::kSubject:
      if (all) {
        return RequestInvalid({{"subject", "must be of a single tenant"}});
      }
      SP_RETURN_IF_ERROR(
          CheckIssueRequest({query.tenant, request.subject(), {}}));
      query.subject = parts_.keeper.issuer()->OpaqueSubject(query.tenant,
                                                            request.subject());
      break;
    case v1::ListAuditRecordsRequest::kOpaqueSubject:
      SP_RETURN_IF_ERROR(CheckText("opaque_subject", request.opaque_subject(),
                                   kMaxReason, /*required=*/true));
      query.subject = request.opaque_subject();
      break;
    case v1::ListAuditRecordsRequest::OF_NOT_SET:
      break;
  }
  SP_ASSIGN_OR_RETURN(std::vector<AuditRecord> records,
                      parts_.audit_records.List(query));
  if (records.size() > size) {
    records.resize(size);
    response->set_next_page_token(records.back().id);
  }
  for (const AuditRecord& record : records) {
    v1::AuditRecord& out = *response->add_audit_records();
    out.set_name(
        absl::StrCat("tenants/", record.tenant, "/auditRecords/", record.id));
    *out.mutable_create_time() = ToProto(record.time);
    out.set_credential_id(record.credential_id);
    out.set_opaque_subject(record.subject);
    out.set_record(record.line);
  }
  return absl::OkStatus();
}

absl::Status CredentialIssuerService::DoGetStatus(
    const Context& context, v1::IssuerStatus* response) const {
  SP_RETURN_IF_ERROR(
      parts_.policy.Authorize(context, MethodPath("GetStatus"), "").status());
  const absl::Time now = parts_.clock.Now();
  const auto issuer = parts_.keeper.issuer();
  const IssuerState& state = issuer->state();
  auto* const info = response->mutable_info();
  info->set_service("credential_issuer");
  info->set_instance(options_.instance);
  info->set_version(kSoftwareVersion);
  *info->mutable_start_time() = ToProto(start_time_);
  *info->mutable_server_time() = ToProto(now);
  info->set_identity(options_.identity);
  info->set_draining(draining_);
  int64_t key_version = 0;
  if (const RingKey* const active = state.ring.ActiveAt(now)) {
    response->set_active_key_id(active->id);
    key_version = active->made_version;
  }
  response->set_configured_version(state.version);
  *response->mutable_next_rotation_time() =
      ToProto(std::max(now, state.ring.RotationTime(now)));
  for (v1::KeyConsumer& consumer : parts_.consumers.List(key_version, now)) {
    *response->add_consumers() = std::move(consumer);
  }
  for (const RingKey& key : state.ring.keys()) {
    *response->add_keys() = ToProto(state.ring, key, now);
  }
  response->set_clock_settled(parts_.keeper.clock_settled());
  if (parts_.store_state) *response->mutable_store() = parts_.store_state();
  if (parts_.certificate) {
    *response->mutable_info()->mutable_certificate() = parts_.certificate();
  }
  response->set_issued_count(issued_);
  const auto& revocations = state.revocations.all();
  response->set_revocation_count(static_cast<uint32_t>(std::count_if(
      revocations.begin(), revocations.end(),
      [now](const Revocation& r) { return r.expire_time > now; })));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* CredentialIssuerService::IssueTurnCredential(
    Context* context, const v1::IssueTurnCredentialRequest* request,
    v1::TurnCredential* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const auto done = [this, reactor, response](const absl::Status& status) {
    if (status.ok()) {
      ++issued_;
    } else {
      Cleanse(*response->mutable_password());
      response->Clear();
    }
    issues_.Increment(OutcomeOf(status));
    reactor->Finish(ToGrpc(status));
  };
  absl::StatusOr<AuditRecord> record = Issue(*context, *request, response);
  if (!record.ok()) {
    done(record.status());
    return reactor;
  }
  std::vector<AuditRecord> records;
  records.push_back(*std::move(record));
  parts_.audit.Append(std::move(records), done);
  return reactor;
}

grpc::ServerUnaryReactor* CredentialIssuerService::ListAuditRecords(
    Context* context, const v1::ListAuditRecordsRequest* request,
    v1::ListAuditRecordsResponse* response) {
  return Finish(context, DoListAuditRecords(*context, *request, response));
}

grpc::ServerUnaryReactor* CredentialIssuerService::RevokeCredential(
    Context* context, const v1::RevokeCredentialRequest* request,
    v1::Revocation* response) {
  return Finish(context, DoRevokeCredential(*context, *request, response));
}

grpc::ServerUnaryReactor* CredentialIssuerService::RevokeUser(
    Context* context, const v1::RevokeUserRequest* request,
    v1::Revocation* response) {
  return Finish(context, DoRevokeUser(*context, *request, response));
}

grpc::ServerUnaryReactor* CredentialIssuerService::ListRevocations(
    Context* context, const v1::ListRevocationsRequest* request,
    v1::ListRevocationsResponse* response) {
  return Finish(context, DoListRevocations(*context, *request, response));
}

grpc::ServerUnaryReactor* CredentialIssuerService::GetKey(
    Context* context, const v1::GetKeyRequest* request, v1::Key* response) {
  return Finish(context, DoGetKey(*context, *request, response));
}

grpc::ServerUnaryReactor* CredentialIssuerService::ListKeys(
    Context* context, const v1::ListKeysRequest* request,
    v1::ListKeysResponse* response) {
  return Finish(context, DoListKeys(*context, *request, response));
}

grpc::ServerUnaryReactor* CredentialIssuerService::RotateKey(
    Context* context, const v1::RotateKeyRequest* request, v1::Key* response) {
  return Finish(context, DoRotateKey(*context, *request, response));
}

grpc::ServerUnaryReactor* CredentialIssuerService::RevokeKey(
    Context* context, const v1::RevokeKeyRequest* request, v1::Key* response) {
  return Finish(context, DoRevokeKey(*context, *request, response));
}

grpc::ServerWriteReactor<v1::WatchVerificationKeysResponse>*
CredentialIssuerService::WatchVerificationKeys(
    Context* context, const v1::WatchVerificationKeysRequest* request) {
  const auto caller = parts_.policy.Authorize(
      *context, MethodPath("WatchVerificationKeys"), "");
  if (!caller.ok()) return KeyWatch::Refuse(caller.status());
  const absl::Status valid =
      CheckText("consumer", request->consumer(), kMaxConsumer,
                /*required=*/true);
  if (!valid.ok()) return KeyWatch::Refuse(valid);
  return parts_.watch.Open(request->consumer(), caller->ToString());
}

grpc::ServerUnaryReactor* CredentialIssuerService::ReportKeysVersion(
    Context* context, const v1::ReportKeysVersionRequest* request,
    v1::ReportKeysVersionResponse* response) {
  return Finish(context, DoReport(*context, *request, response));
}

grpc::ServerUnaryReactor* CredentialIssuerService::GetStatus(
    Context* context, const v1::GetStatusRequest* /*request*/,
    v1::IssuerStatus* response) {
  return Finish(context, DoGetStatus(*context, response));
}

}  // namespace sallyport::credential_issuer
