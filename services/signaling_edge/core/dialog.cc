#include "services/signaling_edge/core/dialog.h"

#include <algorithm>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_uri.h"

namespace sallyport::signaling_edge {
namespace {

constexpr uint32_t kMaxCseq = 0x7fffffff;

std::string_view TagOf(const SipMessage& message, HeaderId id) {
  const auto parsed = ParseNameAddr(message.Value(id));
  return parsed.ok() ? parsed->tag() : std::string_view();
}

DialogId MakeId(const SipMessage& message, HeaderId local, HeaderId remote) {
  return {std::string(message.Value(HeaderId::kCallId)),
          std::string(TagOf(message, local)),
          std::string(TagOf(message, remote))};
}

// The URI of the first Contact; empty when there is none.
std::string ContactUri(const SipMessage& message) {
  const SipMessage::Values contacts = message.Items(HeaderId::kContact);
  if (contacts.empty()) return {};
  const auto parsed = ParseNameAddr(contacts.front());
  if (!parsed.ok() || !ParseSipUri(parsed->uri).ok()) return {};
  return std::string(parsed->uri);
}

uint32_t CseqOf(const SipMessage& message) {
  const auto cseq = ParseCseq(message.Value(HeaderId::kCseq));
  return cseq.ok() ? cseq->number : 0;
}

std::string WithTag(std::string_view name_addr, std::string_view tag) {
  std::string text(name_addr);
  const auto parsed = ParseNameAddr(name_addr);
  if (parsed.ok() && parsed->tag().empty()) {
    text.append(";tag=");
    text.append(tag);
  }
  return text;
}

bool IsTargetRefresh(SipMethod method) {
  return method == SipMethod::kInvite || method == SipMethod::kUpdate ||
         method == SipMethod::kSubscribe || method == SipMethod::kNotify;
}

absl::Status Missing(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "SIP_HEADER_MISSING",
                   what);
}

}  // namespace

Dialog::Parts Dialog::parts() const {
  return {id_,     caller_,     secure_,     local_, remote_, remote_target_,
          routes_, local_cseq_, remote_cseq_};
}

Dialog Dialog::FromParts(Parts parts) {
  Dialog out;
  out.id_ = std::move(parts.id);
  out.state_ = State::kConfirmed;
  out.caller_ = parts.caller;
  out.secure_ = parts.secure;
  out.local_ = std::move(parts.local);
  out.remote_ = std::move(parts.remote);
  out.remote_target_ = std::move(parts.remote_target);
  out.routes_ = std::move(parts.routes);
  out.local_cseq_ = parts.local_cseq;
  out.remote_cseq_ = parts.remote_cseq;
  return out;
}

DialogId DialogIdOfRequest(const SipMessage& request) {
  return MakeId(request, HeaderId::kTo, HeaderId::kFrom);
}

DialogId DialogIdOfResponse(const SipMessage& response) {
  return MakeId(response, HeaderId::kFrom, HeaderId::kTo);
}

void Dialog::TakeRoutesOf(const SipMessage& message, bool reversed) {
  routes_.clear();
  for (std::string_view route : message.Items(HeaderId::kRecordRoute)) {
    routes_.emplace_back(route);
  }
  if (reversed) std::reverse(routes_.begin(), routes_.end());
}

absl::StatusOr<Dialog> Dialog::AsCallee(const SipMessage& request,
                                        std::string_view local_tag,
                                        bool secure) {
  Dialog dialog;
  dialog.remote_target_ = ContactUri(request);
  if (dialog.remote_target_.empty()) return Missing("Contact");
  dialog.id_ = DialogIdOfRequest(request);
  dialog.id_.local_tag = std::string(local_tag);
  dialog.secure_ = secure;
  dialog.local_ = WithTag(request.Value(HeaderId::kTo), local_tag);
  dialog.remote_ = std::string(request.Value(HeaderId::kFrom));
  dialog.remote_cseq_ = CseqOf(request);
  dialog.TakeRoutesOf(request, false);
  return dialog;
}

absl::StatusOr<Dialog> Dialog::AsCaller(const SipMessage& request,
                                        const SipMessage& response,
                                        bool secure) {
  Dialog dialog;
  dialog.id_ = DialogIdOfResponse(response);
  if (dialog.id_.remote_tag.empty()) return Missing("To tag");
  const bool success = response.status_code() >= 200;
  dialog.remote_target_ = ContactUri(response);
  if (dialog.remote_target_.empty()) {
    if (success) return Missing("Contact");
    // Many 180 have none; until one has, the way is that of the INVITE.
    dialog.remote_target_ = std::string(request.request_uri());
  }
  dialog.caller_ = true;
  dialog.secure_ = secure;
  dialog.local_ = std::string(request.Value(HeaderId::kFrom));
  dialog.remote_ = std::string(response.Value(HeaderId::kTo));
  dialog.local_cseq_ = CseqOf(request);
  dialog.TakeRoutesOf(response, true);
  if (success) dialog.state_ = State::kConfirmed;
  return dialog;
}

absl::Status Dialog::OnRequest(const SipMessage& request) {
  const SipMethod method = request.method();
  if (method == SipMethod::kAck || method == SipMethod::kCancel) {
    return absl::OkStatus();
  }
  const uint32_t cseq = CseqOf(request);
  if (remote_cseq_.has_value() && cseq <= *remote_cseq_) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "CSEQ_OUT_OF_ORDER",
                     "older than one seen");
  }
  remote_cseq_ = cseq;
  return absl::OkStatus();
}

void Dialog::AcceptTarget(const SipMessage& message) {
  if (message.is_request() && !IsTargetRefresh(message.method())) return;
  std::string target = ContactUri(message);
  if (!target.empty()) remote_target_ = std::move(target);
}

void Dialog::OnResponse(const SipMessage& request, const SipMessage& response) {
  const int code = response.status_code();
  const bool success = code >= 200 && code < 300;
  if (state_ == State::kTerminated) return;
  // 408 and 481 say that the peer has no dialog any more, whatever was asked.
  if (code == 481 || code == 408) {
    Terminate();
    return;
  }
  if (state_ == State::kEarly && caller_ &&
      request.method() == SipMethod::kInvite &&
      CseqOf(request) == CseqOf(response)) {
    if (success) {
      TakeRoutesOf(response, true);
      state_ = State::kConfirmed;
    } else if (code >= 300) {
      Terminate();
      return;
    }
  }
  const bool may_move = success || (code > 100 && code < 200);
  if (may_move && IsTargetRefresh(request.method())) AcceptTarget(response);
}

void Dialog::Confirm() {
  if (state_ == State::kEarly) state_ = State::kConfirmed;
}

void Dialog::Terminate() { state_ = State::kTerminated; }

std::string_view Dialog::next_hop() const {
  if (routes_.empty()) return remote_target_;
  const auto route = ParseNameAddr(routes_.front());
  return route.ok() ? route->uri : std::string_view(remote_target_);
}

SipMessage Dialog::MakeNumbered(SipMethod method, uint32_t cseq) const {
  // Section 12.2.1.1. A first route without "lr" is a strict router: it takes
  // the place of the Request-URI, and the target goes last.
  bool strict = false;
  std::string request_uri = remote_target_;
  if (!routes_.empty()) {
    const std::string_view first = next_hop();
    const auto uri = ParseSipUri(first);
    strict = uri.ok() && !uri->is_loose_router();
    if (strict) request_uri = std::string(first);
  }
  SipMessage request = SipMessage::Request(method, request_uri);
  for (size_t i = strict ? 1 : 0; i < routes_.size(); ++i) {
    request.Add(HeaderId::kRoute, routes_[i]);
  }
  if (strict) {
    std::string target = "<";
    target.append(remote_target_).append(">");
    request.Add(HeaderId::kRoute, target);
  }
  request.SetUint(HeaderId::kMaxForwards, 70);
  request.Add(HeaderId::kFrom, local_);
  request.Add(HeaderId::kTo, remote_);
  request.Add(HeaderId::kCallId, id_.call_id);
  Cseq number;
  number.number = cseq;
  number.method = method;
  request.Add(HeaderId::kCseq, number.ToString());
  return request;
}

SipMessage Dialog::MakeRequest(SipMethod method) {
  // At 2^31 - 1 the number starts anew; no dialog of ours lives to see it.
  local_cseq_ = local_cseq_ >= kMaxCseq ? 1 : local_cseq_ + 1;
  return MakeNumbered(method, local_cseq_);
}

SipMessage Dialog::MakeAck(uint32_t invite_cseq) const {
  return MakeNumbered(SipMethod::kAck, invite_cseq);
}

}  // namespace sallyport::signaling_edge
