#include "services/signaling_edge/core/mwi.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/edge_action.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/loop_news.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"
#include "services/signaling_edge/core/trunk_rights.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {
namespace {

constexpr uint32_t kMaxExpires = 3600;

bool IsOurPackage(const SipMessage& request) {
  const auto event = ParseValueWithParams(request.Value(HeaderId::kEvent));
  return event.ok() && EqualsIgnoreCase(event->value, MessageWaiting::kPackage);
}

absl::Duration ExpiresOf(const SipMessage& request) {
  return absl::Seconds(
      std::min(ParseDeltaSeconds(request.Value(HeaderId::kExpires))
                   .value_or(kMaxExpires),
               kMaxExpires));
}

// Of two contacts, whose hosts and ports are those of connections.
bool SameUser(std::string_view a, std::string_view b) {
  const auto first = ParseSipUri(a);
  const auto second = ParseSipUri(b);
  return first.ok() && second.ok() && first->user == second->user;
}

std::string AccountOf(const UserEntry& user) {
  return Cat("sip:", PercentEncode(user.username), "@", user.domain);
}

}  // namespace

MessageWaiting::MessageWaiting(CallPort& port, const Registrar& registrar,
                               RandomSource& random, size_t max_subscriptions)
    : port_(port),
      registrar_(registrar),
      random_(random),
      max_subscriptions_(max_subscriptions) {}

std::string MessageWaiting::KeyOf(const DialogId& id) {
  return Cat(id.call_id, "\n", id.local_tag, "\n", id.remote_tag);
}

void MessageWaiting::SetPlan(std::shared_ptr<const Resolver> plan) {
  plan_ = std::move(plan);
  // Mailboxes that are no more.
  absl::erase_if(lamps_, [&](const auto& lamp) {
    return plan_->index().Find<LineEntry>(lamp.first) == nullptr &&
           plan_->index().User(lamp.first) == nullptr;
  });
}

// ------------------------------------------------------------------- lamps

std::string MessageWaiting::MailboxOf(const RouteQuery& query) const {
  const Resolution found = plan_->Resolve(query);
  // A line that forwards everything still has its mailbox.
  if (!found.redirections.empty()) return found.redirections[0].resource;
  if (found.outcome == Resolution::Outcome::kLine) return found.line->name;
  if (found.outcome == Resolution::Outcome::kUser) return found.user->name;
  return {};
}

absl::Status MessageWaiting::OnNotify(const SipMessage& request,
                                      const Party& sender, MonoTime now) {
  const PeerEntry* peer = sender.kind == Party::Kind::kPeer
                              ? plan_->index().Peer(sender.resource)
                              : nullptr;
  // protocols.md section 8: both are off unless set.
  if (peer == nullptr || !peer->message_waiting_allowed ||
      !TrunkMay(TrunkRight::kUnsolicitedNotification, sender, plan_->index())) {
    return MakeError(absl::StatusCode::kPermissionDenied,
                     "IDENTITY_NOT_ALLOWED",
                     "notifications of this party are not taken");
  }
  if (!IsOurPackage(request)) {
    return MakeError(absl::StatusCode::kInvalidArgument, "EVENT_UNSUPPORTED",
                     "another event package");
  }
  SP_ASSIGN_OR_RETURN(const MessageSummary summary,
                      ParseMessageSummary(request.body()));
  const auto uri = ParseSipUri(request.request_uri());
  RouteQuery query;
  query.tenant = sender.tenant;
  query.caller = sender.resource;
  if (uri.ok()) query.called = uri->DecodedUser();
  const std::string mailbox = MailboxOf(query);
  if (mailbox.empty()) {
    return MakeError(absl::StatusCode::kNotFound, "ROUTE_NOT_FOUND",
                     "there is no such mailbox");
  }
  Set(mailbox, summary, now);
  return absl::OkStatus();
}

absl::Status MessageWaiting::OnNumber(const MessageWaitingNumberEntry& entry,
                                      std::string_view number, MonoTime now) {
  RouteQuery query;
  query.tenant = TenantOf(entry.name);
  query.search_space = entry.calling_search_space;
  query.called = number;
  const std::string mailbox = MailboxOf(query);
  if (mailbox.empty()) {
    return MakeError(absl::StatusCode::kNotFound, "ROUTE_NOT_FOUND",
                     "there is no such mailbox");
  }
  MessageSummary summary;
  summary.waiting = entry.lights;
  Set(mailbox, summary, now);
  return absl::OkStatus();
}

void MessageWaiting::Set(const std::string& mailbox,
                         const MessageSummary& summary, MonoTime now) {
  if (Show(mailbox, summary, now)) {
    port_.Perform(TellLoops{LampNews{mailbox, summary}});
  }
}

bool MessageWaiting::Show(const std::string& mailbox,
                          const MessageSummary& summary, MonoTime now) {
  if (plan_ == nullptr) return false;
  const auto [it, added] = lamps_.try_emplace(mailbox);
  if (!added && it->second == summary) return false;
  it->second = summary;
  std::vector<std::string> users = {mailbox};
  if (const auto* line = plan_->index().Find<LineEntry>(mailbox)) {
    users = line->users;
  }
  for (const std::string& name : users) {
    const UserEntry* user = plan_->index().User(name);
    if (user == nullptr || user->disabled) continue;
    if (TellSubscribed(name, Told::kAll, now)) continue;
    for (const auto& flows : registrar_.ContactsOf(name)) {
      // Of those at other edges, the edge that is told tells them.
      if (!flows[0]->foreign) TellUnasked(*user, *flows[0], now);
    }
  }
  return true;
}

const MessageSummary* MessageWaiting::LampOf(const UserEntry& user) const {
  const MessageSummary* found = nullptr;
  const auto look = [&](const std::string& mailbox) {
    const auto it = lamps_.find(mailbox);
    if (it == lamps_.end()) return;
    if (found == nullptr || it->second.waiting) found = &it->second;
  };
  look(user.name);
  const auto& callers = plan_->Of(TenantOf(user.name)).callers();
  for (const LineEntry* line : callers.LinesOf(user)) {
    look(line->name);
  }
  return found;
}

// ------------------------------------------------------------------ telling

void MessageWaiting::Fill(SipMessage& notify, const UserEntry& user,
                          const Flow& flow, std::string_view state) const {
  notify.Add(HeaderId::kContact,
             Cat("<", ContactUri(port_.ListenerOf(flow)), ">"));
  notify.Add(HeaderId::kEvent, kPackage);
  notify.Add(HeaderId::kSubscriptionState, state);
  notify.Add(HeaderId::kContentType, kBodyType);
  const MessageSummary* lamp = LampOf(user);
  notify.SetBody(WriteMessageSummary(lamp == nullptr ? MessageSummary() : *lamp,
                                     AccountOf(user)));
}

void MessageWaiting::TellUnasked(const UserEntry& user, const Binding& binding,
                                 MonoTime now) {
  SipMessage notify = SipMessage::Request(SipMethod::kNotify, binding.contact);
  for (const std::string& hop : binding.path) {
    notify.Add(HeaderId::kRoute, hop);
  }
  notify.SetUint(HeaderId::kMaxForwards, 70);
  const std::string account = AccountOf(user);
  notify.Add(HeaderId::kFrom, Cat("<", account, ">;tag=", port_.NewTag()));
  notify.Add(HeaderId::kTo, Cat("<", account, ">"));
  notify.Add(HeaderId::kCallId, HexOf(random_.NextU64()));
  notify.Add(HeaderId::kCseq, "1 NOTIFY");
  Fill(notify, user, binding.flow, "terminated;reason=noresource");
  // A phone that does not take it shows no lamp; there is nobody to tell.
  port_.SendRequest(binding.flow, std::move(notify), {kOwner, LegSide::kA}, now)
      .IgnoreError();
}

bool MessageWaiting::Reach(Subscription& subscription) const {
  if (port_.IsAlive(subscription.flow)) return true;
  for (const Binding* binding : registrar_.Of(subscription.user.resource)) {
    if (binding->foreign || binding->phone != subscription.user.phone ||
        binding->flow.is_tls() != subscription.flow.is_tls() ||
        !port_.IsAlive(binding->flow)) {
      continue;
    }
    // Another phone of the user has no part in the dialog.
    if (!SameUser(binding->contact, subscription.dialog.remote_target())) {
      continue;
    }
    subscription.flow = binding->flow;
    return true;
  }
  return false;
}

void MessageWaiting::DropLost(const Party& user, std::string_view contact) {
  const auto subscribed = by_user_.find(user.resource);
  if (subscribed == by_user_.end()) return;
  const std::vector<uint64_t> ids = subscribed->second;
  for (const uint64_t id : ids) {
    const Subscription& old = subscriptions_.find(id)->second;
    if (!port_.IsAlive(old.flow) && old.user.phone == user.phone &&
        SameUser(old.dialog.remote_target(), contact)) {
      Drop(id);
    }
  }
}

bool MessageWaiting::TellSubscribed(const std::string& user, Told told,
                                    MonoTime now) {
  const auto subscribed = by_user_.find(user);
  if (subscribed == by_user_.end()) return false;
  bool reached = false;
  const std::vector<uint64_t> ids = subscribed->second;
  for (const uint64_t id : ids) {
    const bool left_alone = told == Told::kLost &&
                            port_.IsAlive(subscriptions_.find(id)->second.flow);
    reached |= left_alone || Tell(id, "", now);
  }
  return reached;
}

bool MessageWaiting::Tell(uint64_t id, std::string_view state, MonoTime now) {
  const auto it = subscriptions_.find(id);
  if (it == subscriptions_.end()) return false;
  Subscription& subscription = it->second;
  const UserEntry* user = plan_->index().User(subscription.user.resource);
  if (user == nullptr || user->disabled) {
    Drop(id);
    return false;
  }
  if (!Reach(subscription)) return false;
  SipMessage notify = subscription.dialog.MakeRequest(SipMethod::kNotify);
  Fill(notify, *user, subscription.flow,
       state.empty() ? Cat("active;expires=",
                           absl::ToInt64Seconds(subscription.expires - now))
                     : std::string(state));
  if (!port_
           .SendRequest(subscription.flow, std::move(notify),
                        {kOwner | id, LegSide::kA}, now)
           .ok()) {
    Drop(id);  // it comes back with a new one
    return false;
  }
  return true;
}

// ------------------------------------------------------------ subscriptions

void MessageWaiting::Accept(const SipMessage& request,
                            TransactionId transaction,
                            const Subscription& subscription,
                            absl::Duration expires, MonoTime now) {
  SipMessage response = MakeResponse(request, 200, ReasonPhrase(200),
                                     subscription.dialog.id().local_tag);
  response.SetUint(HeaderId::kExpires,
                   static_cast<uint32_t>(absl::ToInt64Seconds(expires)));
  response.Add(HeaderId::kContact,
               Cat("<", ContactUri(port_.ListenerOf(subscription.flow)), ">"));
  port_.Respond(transaction, std::move(response), now);
}

absl::Status MessageWaiting::OnSubscribe(const SipMessage& request,
                                         TransactionId transaction,
                                         const Flow& flow, const Party& user,
                                         MonoTime now) {
  if (!IsOurPackage(request)) {
    return MakeError(absl::StatusCode::kInvalidArgument, "EVENT_UNSUPPORTED",
                     "another event package");
  }
  if (user.kind != Party::Kind::kUser) {
    return MakeError(absl::StatusCode::kPermissionDenied,
                     "IDENTITY_NOT_ALLOWED", "a peer has no mailbox here");
  }
  SP_ASSIGN_OR_RETURN(Dialog dialog,
                      Dialog::AsCallee(request, port_.NewTag(), flow.is_tls()));
  DropLost(user, dialog.remote_target());
  if (subscriptions_.size() >= max_subscriptions_) {
    return MakeError(absl::StatusCode::kResourceExhausted, "SUBSCRIPTION_LIMIT",
                     "there are too many subscriptions");
  }
  dialog.Confirm();
  const absl::Duration expires = ExpiresOf(request);
  const uint64_t id = ++last_;
  const auto it = subscriptions_
                      .emplace(id, Subscription{std::move(dialog), flow, user,
                                                now + expires})
                      .first;
  by_dialog_[KeyOf(it->second.dialog.id())] = id;
  by_user_[user.resource].push_back(id);
  deadlines_.Set(id, now + expires);
  Accept(request, transaction, it->second, expires, now);
  // RFC 6665 section 4.2.1.2: at once, and for a question only once.
  const bool once = expires == absl::ZeroDuration();
  Tell(id, once ? "terminated;reason=timeout" : "", now);
  if (once) Drop(id);
  return absl::OkStatus();
}

const Party* MessageWaiting::SubscriberOf(const SipMessage& request,
                                          const Flow& flow) const {
  const auto it = by_dialog_.find(KeyOf(DialogIdOfRequest(request)));
  if (it == by_dialog_.end()) return nullptr;
  const Subscription& subscription = subscriptions_.find(it->second)->second;
  return SameFlow(flow, subscription.flow) ? &subscription.user : nullptr;
}

absl::Status MessageWaiting::OnResubscribe(const SipMessage& request,
                                           TransactionId transaction,
                                           MonoTime now) {
  const uint64_t id = by_dialog_[KeyOf(DialogIdOfRequest(request))];
  Subscription& subscription = subscriptions_.find(id)->second;
  SP_RETURN_IF_ERROR(subscription.dialog.OnRequest(request));
  subscription.dialog.AcceptTarget(request);
  const absl::Duration expires = ExpiresOf(request);
  subscription.expires = now + expires;
  deadlines_.Set(id, subscription.expires);
  Accept(request, transaction, subscription, expires, now);
  const bool over = expires == absl::ZeroDuration();
  Tell(id, over ? "terminated;reason=timeout" : "", now);
  if (over) Drop(id);
  return absl::OkStatus();
}

void MessageWaiting::OnNotified(uint64_t owner, int code) {
  const uint64_t id = owner & ~kOwner;
  // RFC 6665 section 4.2.2: who does not take it has no subscription.
  if (id != 0 && (code == 0 || code == 404 || code == 405 || code == 410 ||
                  code == 481 || code == 489)) {
    Drop(id);
  }
}

void MessageWaiting::OnRegistered(const Binding& binding, MonoTime now) {
  if (plan_ == nullptr || binding.bulk) return;  // a PBX has no lamp
  if (TellSubscribed(binding.user, Told::kLost, now)) return;
  const UserEntry* user = plan_->index().User(binding.user);
  if (user == nullptr || LampOf(*user) == nullptr) return;
  TellUnasked(*user, binding, now);
}

void MessageWaiting::OnDeadline(MonoTime now) {
  while (const auto id = deadlines_.PopExpired(now)) {
    Tell(*id, "terminated;reason=timeout", now);
    Drop(*id);
  }
}

void MessageWaiting::Drop(uint64_t id) {
  const auto it = subscriptions_.find(id);
  if (it == subscriptions_.end()) return;
  by_dialog_.erase(KeyOf(it->second.dialog.id()));
  const auto user = by_user_.find(it->second.user.resource);
  std::erase(user->second, id);
  if (user->second.empty()) by_user_.erase(user);
  deadlines_.Erase(id);
  subscriptions_.erase(it);
}

}  // namespace sallyport::signaling_edge
