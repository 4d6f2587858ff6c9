// The MRAS half of CredentialIssuerService.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/common/crypto/secret.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"
#include "services/credential_issuer/core/mras_message.h"
#include "services/credential_issuer/rpc/credential_issuer_service.h"
#include "services/credential_issuer/rpc/issuer_proto.h"
#include "services/credential_issuer/rpc/method_policy.h"
#include "services/credential_issuer/rpc/request_check.h"

namespace sallyport::credential_issuer {
namespace {

// What a failure of ours is in MRAS's words.
MrasReason MrasReasonOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return MrasReason::kOk;
    case absl::StatusCode::kInvalidArgument:
      return MrasReason::kRequestMalformed;
    case absl::StatusCode::kPermissionDenied:
      return MrasReason::kForbidden;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
      return MrasReason::kServerBusy;
    case absl::StatusCode::kDeadlineExceeded:
      return MrasReason::kTimeOut;
    default:
      return MrasReason::kInternalServerError;
  }
}

void SetAnswer(const MrasRequest& request, MrasReason reason,
               std::string_view realm,
               absl::Span<const MrasCredentials> credentials,
               v1::IssueMrasCredentialsResponse* response) {
  response->set_body(WriteMrasResponse(request, reason, realm, credentials));
  response->set_reason_phrase(std::string(MrasReasonPhrase(reason)));
}

}  // namespace

absl::StatusOr<ParsedMras> CredentialIssuerService::CheckMras(
    const Context& context, const v1::IssueMrasCredentialsRequest& request,
    Asker* asker) {
  SP_ASSIGN_OR_RETURN(
      const CallerIdentity caller,
      parts_.policy.Authorize(context, MethodPath("IssueMrasCredentials"),
                              TenantOfName(request.parent())));
  if (draining_) {
    return MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                     "this instance is ending; ask another");
  }
  SP_ASSIGN_OR_RETURN(const std::string tenant,
                      TenantOfParent(request.parent()));
  SP_RETURN_IF_ERROR(CheckIssueRequest({tenant, request.subject(), {}}));
  SP_RETURN_IF_ERROR(CheckText("request_id", request.request_id(),
                               kMaxRequestId, /*required=*/false));
  SP_RETURN_IF_ERROR(CheckText("location", request.location(), kMaxReason,
                               /*required=*/false));
  if (!v1::ClientNetwork_IsValid(request.network())) {
    return RequestInvalid({{"network", "is none of the API's"}});
  }
  *asker = {caller.ToString(), request.request_id(),
            FromProto(request.network()), request.location()};
  return ParseMrasRequest(request.body());
}

absl::StatusOr<IssuedCredential> CredentialIssuerService::IssueForMras(
    const IssueRequest& request, absl::Time now) {
  // One in thirty does not survive; this many in a row, none on earth.
  constexpr int kDraws = 32;
  const std::shared_ptr<const Issuer> issuer = parts_.keeper.issuer();
  for (int draw = 0;; ++draw) {
    SP_ASSIGN_OR_RETURN(IssuedCredential credential,
                        issuer->Issue(request, now, parts_.random));
    if (SurvivesTrimming(credential) || draw == kDraws) return credential;
  }
}

MrasReason CredentialIssuerService::MintAll(
    const Asker& asker, const v1::IssueMrasCredentialsRequest& request,
    const std::string& tenant, const MrasRequest& mras,
    std::vector<Minted>* out) {
  // AVE-09: credentials travel over TLS alone.
  if (request.signaling_transport() != type::v1::TRANSPORT_TLS) {
    return MrasReason::kForbidden;
  }
  for (const MrasCredentialsRequest& one : mras.credentials) {
    // AVE-08: nobody asks for another.
    if (!IsSameSipUser(one.identity, request.subject())) {
      return MrasReason::kForbidden;
    }
  }
  for (const MrasCredentialsRequest& one : mras.credentials) {
    Asker where = asker;
    where.by_mras = true;
    if (one.location.has_value()) where.network = *one.location;
    auto minted = Mint(where, {tenant, request.subject(),
                               one.duration.value_or(absl::ZeroDuration())});
    if (!minted.ok()) return MrasReasonOf(minted.status());
    // A mediaRelayList is not empty, and durations are whole minutes.
    if (minted->relays.empty()) return MrasReason::kServerBusy;
    if (minted->credential.lifetime < absl::Minutes(1)) {
      return MrasReason::kNotSupported;
    }
    out->push_back(*std::move(minted));
  }
  return MrasReason::kOk;
}

grpc::ServerUnaryReactor* CredentialIssuerService::IssueMrasCredentials(
    Context* context, const v1::IssueMrasCredentialsRequest* request,
    v1::IssueMrasCredentialsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  Asker asker;
  const absl::StatusOr<ParsedMras> parsed =
      CheckMras(*context, *request, &asker);
  if (!parsed.ok()) {
    reactor->Finish(ToGrpc(parsed.status()));
    return reactor;
  }
  const MrasRequest& mras = parsed->request;
  std::vector<Minted> minted;
  MrasReason reason = parsed->reason;
  if (reason == MrasReason::kOk) {
    reason =
        MintAll(asker, *request, std::string(TenantOfName(request->parent())),
                mras, &minted);
  }
  // `mras` lives as long as the record is on its way.
  const auto done = [this, reactor, response, mras,
                     count = minted.size()](MrasReason outcome) {
    if (outcome == MrasReason::kOk) {
      issued_ += count;
    } else {
      Cleanse(*response->mutable_body());
      response->Clear();
      SetAnswer(mras, outcome, "", {}, response);
    }
    mras_requests_.Increment(outcome);
    reactor->Finish(grpc::Status::OK);
  };
  if (reason != MrasReason::kOk) {
    done(reason);
    return reactor;
  }
  std::vector<MrasCredentials> credentials;
  std::vector<AuditRecord> records;
  for (size_t i = 0; i < minted.size(); ++i) {
    const MrasCredentialsRequest& asked = mras.credentials[i];
    credentials.push_back(
        {asked.id, &minted[i].credential,
         MrasRelaysOf(minted[i].relays, asked.location, mras.direct_ip)});
    response->add_credential_ids(minted[i].credential.credential_id);
    records.push_back(std::move(minted[i].record));
  }
  SetAnswer(mras, reason, options_.realm, credentials, response);
  parts_.audit.Append(std::move(records), [done](const absl::Status& status) {
    done(MrasReasonOf(status));
  });
  return reactor;
}

}  // namespace sallyport::credential_issuer
