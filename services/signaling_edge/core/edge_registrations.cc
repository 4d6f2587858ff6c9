// The part of EdgeCore that is about registrations and the flows that keep
// them (RFC 5626).
#include <string>
#include <utility>
#include <vector>

#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/registration_desk.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/stun_keep_alive.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {

RegisterPolicy EdgeCore::RegisterPolicyOf(const UserEntry& user,
                                          const Flow& flow) {
  RegisterPolicy policy;
  policy.max_contacts = user.max_contacts;
  if (const TenantEntry* tenant = plan_->index().Tenant(TenantOf(user.name))) {
    policy.max_of_tenant = tenant->limits.max_registrations;
  }
  policy.may_be_bulk = user.bulk_registration;
  policy.username = user.username;
  policy.domain = user.domain;
  policy.gruus = &gruus_;
  policy.flow_timer = FlowTimerOf(flow);
  if (!options_.service_route_host.empty()) {
    policy.service_route =
        ServiceRouteUri(options_.service_route_host, ListenerOf(flow));
  }
  return policy;
}

absl::Duration EdgeCore::FlowTimerOf(const Flow& flow) const {
  return flow.transport == SipTransport::kUdp ? options_.udp_flow_timer
                                              : options_.flow_timer;
}

void EdgeCore::OnRegister(const Flow& flow, const SipMessage& request,
                          TransactionId transaction, MonoTime now) {
  const std::optional<Party> party = Prove(flow, request, transaction, now);
  if (!party.has_value()) return;
  const UserEntry* user = plan_->index().User(party->resource);
  if (user == nullptr) return;  // Prove() has just found it
  if (const absl::Status status =
          admission_.OnTenantRegister(party->tenant, now);
      !status.ok()) {
    Refuse(flow, request, transaction, status, RefusalKind::kRegistration, now,
           &*party);
    return;
  }
  auto registration =
      ReadRegister(request, *party, flow, RegisterPolicyOf(*user, flow));
  if (!registration.ok()) {
    Registration none;
    none.change.user = user->name;
    AnswerRegister({transaction, flow, request, none, *party},
                   registration.status(), now);
    return;
  }
  if (shared_.has_value()) {
    const uint64_t ticket = ++last_ticket_;
    RegisterRequest change = registration->change;
    registering_[ticket] = {transaction, flow, request,
                            *std::move(registration), *party};
    shared_->Register(ticket, std::move(change), now);
    return;
  }
  const auto done = registrar_.OnRegister(registration->change, now);
  AnswerRegister({transaction, flow, request, *std::move(registration), *party},
                 done.status(), now);
  if (done.ok()) ReportChanges(*done, now);
}

void EdgeCore::AnswerRegister(const AwaitedRegistration& awaited,
                              const absl::Status& status, MonoTime now) {
  const RegisterRequest& change = awaited.registration.change;
  const UserEntry* user = plan_->index().User(change.user);
  absl::Status refusal = status;
  if (refusal.ok() && user == nullptr) {
    refusal = MakeError(absl::StatusCode::kPermissionDenied, "USER_DISABLED",
                        "the user was removed meanwhile");
  }
  if (refusal.ok()) {
    Respond(
        awaited.transaction,
        RegisterAnswer(awaited.request, awaited.registration,
                       registrar_.Of(change.user),
                       RegisterPolicyOf(*user, awaited.flow), NewToken(), now),
        now);
    return;
  }
  SipMessage response = RegisterRefusal(awaited.request, refusal,
                                        registrar_.min_expires(), NewToken());
  const int code = response.status_code();
  Respond(awaited.transaction, std::move(response), now);
  EdgeEvent event = RefusalOf(RefusalKind::kRegistration, awaited.flow, refusal,
                              code, "REGISTER", now);
  NameSender(awaited.sender, "request", event);
  Perform(Report{std::move(event)});
}

// ------------------------------------------------- shared with other edges

EdgeActions EdgeCore::OnRegistryReply(uint64_t request,
                                      absl::StatusOr<RegistryReply> reply,
                                      MonoTime now) {
  if (shared_.has_value()) shared_->OnReply(request, std::move(reply), now);
  return Finish(now);
}

EdgeActions EdgeCore::OnRegistryState(bool up, MonoTime now) {
  if (shared_.has_value()) shared_->OnState(up, now);
  return Finish(now);
}

void EdgeCore::OnRegistered(uint64_t ticket, const absl::Status& status,
                            MonoTime now) {
  const auto it = registering_.find(ticket);
  if (it == registering_.end()) return;
  const AwaitedRegistration awaited = std::move(it->second);
  registering_.erase(it);
  AnswerRegister(awaited, status, now);
}

void EdgeCore::OnLookedUp(uint64_t attempt, MonoTime now) {
  calls_.OnLookedUp(attempt, now);
}

void EdgeCore::OnSharedChanges(const Registrar::Changes& changes,
                               MonoTime now) {
  TellChanges(changes, now);
}

void EdgeCore::TellHolder(const NodeId& node, const std::string& user) {
  if (Reachable(node) == nullptr) return;
  ClusterMessage message;
  message.kind = ClusterMessage::Kind::kRegistryChanged;
  message.from = options_.node;
  message.to = node;
  message.text = user;
  Perform(HandOver{std::move(message)});
}

bool EdgeCore::LookUp(const std::string& user, uint64_t attempt, MonoTime now) {
  if (!shared_.has_value() || !shared_->up()) return false;
  shared_->LookUp(attempt, user, now);
  return true;
}

RemoteFlow EdgeCore::ExportFlow(const Flow& flow) const { return Export(flow); }

std::optional<Flow> EdgeCore::FormerFlow(const RemoteFlow& flow) const {
  if (flow.transport != SipTransport::kUdp) return std::nullopt;
  for (ListenerId id = 0; id < options_.listeners.size(); ++id) {
    const EdgeListener& listener = options_.listeners[id];
    if (listener.transport == flow.transport &&
        listener.logical_port == flow.logical_port) {
      return Flow{
          .transport = flow.transport, .listener = id, .remote = flow.remote};
    }
  }
  return std::nullopt;
}

absl::StatusOr<Flow> EdgeCore::FlowOf(const Binding& binding, MonoTime now) {
  if (!binding.foreign) return binding.flow;
  if (binding.owner.has_value()) return Import(*binding.owner, now);
  return MakeError(absl::StatusCode::kUnavailable, "CONNECTION_LOST",
                   "nobody has the connection of this contact");
}

// By the rules that RequestAuth has for a REGISTER.
bool EdgeCore::MayStay(const Binding& binding) const {
  if (sccp_.contains(binding.flow.connection)) return true;  // OnSccpPlan
  const PlanIndex& index = plan_->index();
  const UserEntry* user = index.User(binding.user);
  if (user == nullptr || user->disabled ||
      !CheckTransport(index.ModeOf(user->dial_plan), binding.flow.is_tls())
           .ok()) {
    return false;
  }
  if (binding.phone.empty()) {
    return !binding.flow.is_tls() || user->allow_without_certificate;
  }
  const PhoneEntry* phone = index.Phone(binding.phone);
  return phone != nullptr && !phone->disabled &&
         phone->owner_user == binding.user &&
         (phone->lsc_alone ||
          binding.authentication != AuthenticationName(Authentication::kLsc));
}

// ------------------------------------------------------------------- flows

void EdgeCore::OnStun(const Flow& flow, std::string_view datagram,
                      MonoTime now) {
  if (!admission_
           .OnMessage(flow.remote,
                      auth_.KnowsSource(
                          flow, options_.listeners[flow.listener].logical_port),
                      now)
           .ok()) {
    ++stats_.rate_limited;
    return;
  }
  if (auto answer = AnswerStun(datagram, flow.remote)) {
    Perform(SendDatagram{flow.listener, flow.remote, *std::move(answer)});
  }
}

void EdgeCore::FlowFailed(uint64_t registration, bool refused, MonoTime now) {
  const Binding* binding = registrar_.Find(registration);
  if (binding == nullptr || !binding->is_outbound()) return;
  // That an edge is not reached says nothing of the flows that it has.
  const bool is_ours = !binding->foreign;
  const Registrar::Changes changes = registrar_.OnFlowFailed(registration);
  TellChanges(changes, now);
  if (shared_.has_value() && (is_ours || refused)) {
    shared_->OnRemoved(changes, now);
  }
}

void EdgeCore::ReportChanges(const Registrar::Changes& changes, MonoTime now) {
  TellChanges(changes, now);
  if (shared_.has_value()) shared_->OnRemoved(changes, now);
}

void EdgeCore::TellChanges(const Registrar::Changes& changes, MonoTime now) {
  for (const Registrar::Change& change : changes) {
    // Others tell of theirs.
    if (change.kind == Registrar::Change::Kind::kRefreshed ||
        change.binding.foreign) {
      continue;
    }
    const bool added = change.kind == Registrar::Change::Kind::kAdded;
    if (added) ++stats_.registrations;
    EdgeEvent event;
    event.type =
        added ? EdgeEvent::Type::kRegistered : EdgeEvent::Type::kUnregistered;
    event.at = now;
    event.registration = change.binding.id;
    event.resource = change.binding.user;
    event.connection = change.binding.flow.connection;
    event.summary =
        added ? "a contact was registered" : "a contact was removed";
    if (change.kind == Registrar::Change::Kind::kExpired) {
      event.reason = "EXPIRED";
    } else if (change.kind == Registrar::Change::Kind::kFlowLost) {
      event.reason = "CONNECTION_LOST";
    }
    Perform(Report{std::move(event)});
    if (added) mwi_.OnRegistered(change.binding, now);
  }
}

}  // namespace sallyport::signaling_edge
