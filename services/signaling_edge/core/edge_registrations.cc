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

namespace sallyport::signaling_edge {

RegisterPolicy EdgeCore::RegisterPolicyOf(const UserEntry& user,
                                          const Flow& flow) const {
  RegisterPolicy policy;
  policy.max_contacts = user.max_contacts;
  policy.may_be_bulk = user.bulk_registration;
  policy.domain = user.domain;
  policy.flow_timer = flow.transport == SipTransport::kUdp
                          ? options_.udp_flow_timer
                          : options_.flow_timer;
  return policy;
}

void EdgeCore::OnRegister(const Flow& flow, const SipMessage& request,
                          TransactionId transaction, MonoTime now) {
  const std::optional<Party> party = Prove(flow, request, transaction, now);
  if (!party.has_value()) return;
  const UserEntry* user = plan_->index().User(party->resource);
  if (user == nullptr) return;  // Prove() has just found it
  const RegisterPolicy policy = RegisterPolicyOf(*user, flow);
  const auto registration = ReadRegister(request, *party, flow, policy);
  absl::Status refusal = registration.status();
  Registrar::Changes changes;
  if (refusal.ok()) {
    auto done = registrar_.OnRegister(registration->change, now);
    refusal = done.status();
    if (done.ok()) changes = *std::move(done);
  }
  if (!refusal.ok()) {
    SipMessage response =
        RegisterRefusal(request, refusal, registrar_.min_expires(), NewToken());
    const int code = response.status_code();
    Respond(transaction, std::move(response), now);
    ReportRefusal(RefusalKind::kRegistration, flow, refusal, code, "REGISTER",
                  now);
    return;
  }
  Respond(transaction,
          RegisterAnswer(request, *registration, registrar_.Of(user->name),
                         policy, NewToken(), now),
          now);
  ReportChanges(changes, now);
}

// By the rules that RequestAuth has for a REGISTER.
bool EdgeCore::MayStay(const Binding& binding) const {
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
         phone->owner_user == binding.user;
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

void EdgeCore::FlowFailed(uint64_t registration, MonoTime now) {
  const Binding* binding = registrar_.Find(registration);
  if (binding == nullptr || !binding->is_outbound()) return;
  ReportChanges(registrar_.OnFlowFailed(registration), now);
}

void EdgeCore::ReportChanges(const Registrar::Changes& changes, MonoTime now) {
  for (const Registrar::Change& change : changes) {
    if (change.kind == Registrar::Change::Kind::kRefreshed) continue;
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
