// The part of EdgeCore that answers requests for A/V credentials: SIP SERVICE
// with an MRAS body (MS-AVEDGEA section 3.1). What the body says is for
// credential_issuer to judge; errors that it can tell in MRAS's own words come
// back in a 200.
#include <string>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kMaxMrasBody = 65'536;
constexpr size_t kMaxAwaited = 10'000;

}  // namespace

void EdgeCore::OnService(const Flow& flow, const SipMessage& request,
                         TransactionId transaction, MonoTime now) {
  // AVE-09: over TLS alone; and so before a challenge is answered in clear.
  if (!flow.is_tls()) {
    Refuse(flow, request, transaction,
           MakeError(absl::StatusCode::kPermissionDenied,
                     "SECURITY_MODE_TLS_REQUIRED",
                     "credentials are given over TLS alone"),
           RefusalKind::kRequest, now);
    return;
  }
  const std::optional<Party> caller = Prove(flow, request, transaction, now);
  if (!caller.has_value()) return;
  const auto refuse = [&](absl::StatusCode code, std::string_view reason,
                          std::string_view what) {
    RefuseRequest(flow, request, transaction, MakeError(code, reason, what),
                  now, &*caller);
  };
  const UserEntry* const user = caller->kind == Party::Kind::kUser
                                    ? plan_->index().User(caller->resource)
                                    : nullptr;
  if (user == nullptr) {  // AVE-08: for oneself, and a peer has no user
    return refuse(absl::StatusCode::kPermissionDenied, "IDENTITY_NOT_ALLOWED",
                  "credentials are given to users");
  }
  const auto type = ParseValueWithParams(request.Value(HeaderId::kContentType));
  if (!type.ok() || !EqualsIgnoreCase(type->value, kMrasType)) {
    return refuse(absl::StatusCode::kInvalidArgument, "BODY_TYPE_UNSUPPORTED",
                  "the body asks for no credentials");
  }
  if (request.body().size() > kMaxMrasBody) {
    return refuse(absl::StatusCode::kInvalidArgument, "SIP_MESSAGE_TOO_LARGE",
                  "the body is too long");
  }
  if (draining_ || credentials_.size() >= kMaxAwaited) {
    return refuse(absl::StatusCode::kUnavailable,
                  draining_ ? "DRAINING" : "CREDENTIALS_UNAVAILABLE",
                  "no credentials can be given now");
  }
  const uint64_t id = ++last_credentials_;
  credentials_[id] = {transaction, flow, request, *caller};
  Perform(IssueCredentials{id, caller->tenant,
                           Cat(user->username, "@", user->domain),
                           std::string(request.body())});
}

EdgeActions EdgeCore::OnCredentials(uint64_t request,
                                    absl::StatusOr<std::string> body,
                                    MonoTime now) {
  const auto it = credentials_.find(request);
  if (it == credentials_.end()) return Finish(now);
  const AwaitedCredentials awaited = std::move(it->second);
  credentials_.erase(it);
  if (!body.ok()) {
    RefuseRequest(awaited.flow, awaited.request, awaited.transaction,
                  body.status(), now, &awaited.sender);
    return Finish(now);
  }
  SipMessage response =
      MakeResponse(awaited.request, 200, ReasonPhrase(200), NewToken());
  response.Add(HeaderId::kContentType, kMrasType);
  response.SetBody(*body);
  Respond(awaited.transaction, std::move(response), now);
  return Finish(now);
}

}  // namespace sallyport::signaling_edge
