// The part of EdgeCore that keeps it well: what is read at all, who looks like
// a scanner, and what is refused when there is too much.
#include <string>
#include <utility>

#include "services/common/digit_analysis/resolver.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/scanner_signature.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr absl::Duration kTellEvery = absl::Seconds(1);

absl::Status Overloaded() {
  return MakeError(absl::StatusCode::kResourceExhausted, "OVERLOADED",
                   "the edge has more to do than it can");
}

RefusalKind KindOf(std::string_view method) {
  return method.empty()         ? RefusalKind::kConnection
         : method == "INVITE"   ? RefusalKind::kCall
         : method == "REGISTER" ? RefusalKind::kRegistration
                                : RefusalKind::kRequest;
}

// Whom a request claims to be of: user and host, the latter in one case.
std::pair<std::string, std::string> Claimed(const SipMessage& request) {
  const auto address = ParseNameAddr(request.Value(
      request.method() == SipMethod::kRegister ? HeaderId::kTo
                                               : HeaderId::kFrom));
  if (!address.ok()) return {};
  const auto uri = ParseSipUri(address->uri);
  if (!uri.ok()) return {};
  std::string host(uri->host);
  for (char& c : host) c = ToLower(c);
  return {uri->DecodedUser(), std::move(host)};
}

std::string ClaimedUser(const SipMessage& request) {
  return Claimed(request).first;
}

std::string ClaimedAddress(const SipMessage& request) {
  const auto [user, host] = Claimed(request);
  return Cat(user, "@", host);
}

std::string_view Explain(Suspicion suspicion) {
  switch (suspicion) {
    case Suspicion::kUserWalk:
      return "the source goes through users and proves to be none; it is "
             "listened to slowly for a while, unless it has proven something "
             "lately";
    case Suspicion::kPasswordGuessing:
      return "the source sends one wrong password after the other; it is "
             "listened to slowly for a while";
    default:
      return "the message says of itself that it is a scanner's";
  }
}

}  // namespace

EdgeActions EdgeCore::OnLoad(const LoadSample& sample, MonoTime now) {
  gate_.OnSample(sample, now);
  return Finish(now);
}

bool EdgeCore::MayBeRead(const Flow& flow, MonoTime now) {
  const bool proven = !ProvenResource(flow).empty();
  const bool is_peer =
      !proven &&
      auth_.KnowsSource(flow, options_.listeners[flow.listener].logical_port);
  gate_.OnMessage(proven || is_peer);
  if (proven) return true;
  if (!admission_.OnMessage(flow.remote, is_peer, now).ok()) {
    ++stats_.rate_limited;
    return false;
  }
  if (is_peer) return true;
  const Suspicion suspicion = sources_.Of(flow.remote, now);
  // Who has proven something lately may ask for many users; nobody may try
  // passwords.
  if (suspicion != Suspicion::kNone &&
      (suspicion == Suspicion::kPasswordGuessing ||
       !sources_.HasProven(flow.remote, now)) &&
      !admission_.OnSuspect(flow.remote, now).ok()) {
    ++stats_.rate_limited;
    ++stats_.refusals[std::string(SuspicionReason(suspicion))];
    return false;
  }
  return true;
}

bool EdgeCore::IsScanner(const Flow& flow, const SipMessage& request,
                         MonoTime now) {
  if (ClassOf(flow, now) == LoadClass::kProven ||
      !HasScannerSignature(request)) {
    return false;
  }
  const std::string_view reason = SuspicionReason(Suspicion::kScanner);
  if (sources_.OnScanner(flow.remote, now)) {
    ReportRefusal(KindOf(request.method_text()), flow,
                  MakeError(absl::StatusCode::kPermissionDenied, reason,
                            Explain(Suspicion::kScanner)),
                  0, request.method_text(), now);
  } else {
    ++stats_.refusals[std::string(reason)];
  }
  return true;
}

LoadClass EdgeCore::ClassOf(const Flow& flow, MonoTime now) const {
  const uint32_t port = options_.listeners[flow.listener].logical_port;
  if (!ProvenResource(flow).empty() || auth_.KnowsSource(flow, port)) {
    return LoadClass::kProven;
  }
  return sources_.HasProven(flow.remote, now) || auth_.IsPeerAddress(flow, port)
             ? LoadClass::kFamiliar
             : LoadClass::kStranger;
}

LoadClass EdgeCore::ClassOf(ConnectionId connection, MonoTime now) const {
  const Connection* const known = connections_.Find(connection);
  return known == nullptr ? LoadClass::kStranger : ClassOf(known->flow(), now);
}

bool EdgeCore::IsCallForHelp(const SipMessage& request) {
  if (request.method() != SipMethod::kInvite || plan_ == nullptr) return false;
  const auto from = ParseNameAddr(request.Value(HeaderId::kFrom));
  if (!from.ok()) return false;
  const auto caller = ParseSipUri(from->uri);
  const auto called = ParseSipUri(request.request_uri());
  if (!caller.ok() || !called.ok()) return false;
  const UserEntry* user =
      plan_->index().UserAt(caller->DecodedUser(), caller->host);
  if (user == nullptr) return false;
  RouteQuery query;
  query.tenant = TenantOf(user->name);
  query.caller = user->name;
  query.calling = caller->DecodedUser();
  query.called = called->DecodedUser();
  const Resolution found = plan_->Resolve(query);
  return found.outcome != Resolution::Outcome::kRefused &&
         found.toll_class == TollClass::kEmergency;
}

absl::Status EdgeCore::MayCome(const Flow& flow, const SipMessage& request,
                               MonoTime now) {
  const LoadClass who = ClassOf(flow, now);
  const auto to = ParseNameAddr(request.Value(HeaderId::kTo));
  // What is of a dialog goes on, and calls of those we know are judged when it
  // is known where they go.
  if ((to.ok() && !to->tag().empty()) ||
      (who == LoadClass::kProven && request.method() == SipMethod::kInvite)) {
    return absl::OkStatus();
  }
  absl::Status status;
  if (who != LoadClass::kProven) {
    if (request.method() == SipMethod::kInvite) {
      status = admission_.OnInvite(flow.remote, now);
    } else if (request.method() == SipMethod::kRegister) {
      status = admission_.OnRegister(flow.remote, now);
    }
  }
  if (status.ok() && !gate_.Admit(who, now)) status = Overloaded();
  return status.ok() || IsCallForHelp(request) ? absl::OkStatus() : status;
}

absl::Status EdgeCore::MayBegin(const Party& caller, bool for_help,
                                MonoTime now) {
  const TenantEntry* const tenant = plan_->index().Tenant(caller.tenant);
  const uint32_t most =
      tenant == nullptr ? 0 : tenant->limits.max_calls_per_second;
  if (for_help) {
    admission_.OnTenantCallForHelp(caller.tenant, most, now);
    return absl::OkStatus();
  }
  if (!gate_.Admit(LoadClass::kProven, now)) return Overloaded();
  return admission_.OnTenantInvite(caller.tenant, most, now);
}

absl::Status EdgeCore::MayTryPassword(const Flow& flow,
                                      const SipMessage& request,
                                      MonoTime now) const {
  if (!request.Has(HeaderId::kAuthorization) &&
      !request.Has(HeaderId::kProxyAuthorization)) {
    return absl::OkStatus();
  }
  return ClassOf(flow, now) == LoadClass::kStranger
             ? admission_.MayGuess(ClaimedAddress(request), now)
             : absl::OkStatus();
}

void EdgeCore::RefuseForNow(const Flow& flow, const SipMessage& request,
                            TransactionId transaction,
                            const absl::Status& status, MonoTime now) {
  SipMessage response =
      MakeResponse(request, 503, ReasonPhrase(503), PlainTag());
  response.SetUint(HeaderId::kRetryAfter,
                   static_cast<uint32_t>(gate_.RetryAfter()));
  RespondUnproven(transaction, std::move(response), now);
  ReportOverload(flow, status, request.method_text(), now);
}

void EdgeCore::ReportOverload(const Flow& flow, const absl::Status& status,
                              std::string_view method, MonoTime now) {
  if (now < overload_told_ + kTellEvery) {
    ++stats_.refusals[ReasonOf(status)];
    return;
  }
  overload_told_ = now;
  ReportRefusal(KindOf(method), flow, status, method.empty() ? 0 : 503, method,
                now);
}

void EdgeCore::OnUnproven(const Flow& flow, const SipMessage& request,
                          bool failed, MonoTime now) {
  if (ClassOf(flow, now) == LoadClass::kProven) return;
  if (failed) admission_.OnWrongPassword(ClaimedAddress(request), now);
  const Suspicion begun =
      sources_.OnUnproven(flow.remote, ClaimedUser(request), failed, now);
  if (begun == Suspicion::kNone) return;
  ReportRefusal(KindOf(request.method_text()), flow,
                MakeError(absl::StatusCode::kPermissionDenied,
                          SuspicionReason(begun), Explain(begun)),
                0, request.method_text(), now);
}

void EdgeCore::OnProven(const Flow& flow, const SipMessage& request,
                        MonoTime now) {
  if (ClassOf(flow, now) == LoadClass::kProven) return;
  sources_.OnProven(flow.remote, ClaimedUser(request), now);
}

}  // namespace sallyport::signaling_edge
