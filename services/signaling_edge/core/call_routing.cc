// Where new calls go: the half of CallControl that routes (call_control.h).
#include <algorithm>
#include <utility>

#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/call_control.h"
#include "services/signaling_edge/core/peer_transport.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/text_pieces.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kMaxHosts = 4096;

// The user part and host of a name-addr or URI; empty when it has none.
struct Target {
  std::string user;
  std::string host;
  std::string display_name;
};
Target TargetOf(std::string_view uri_text) {
  Target target;
  const auto uri = ParseSipUri(uri_text);
  if (!uri.ok()) return target;
  target.user = uri->DecodedUser();
  for (const char c : uri->host) target.host.push_back(ToLower(c));
  return target;
}
Target CallerOf(const SipMessage& invite) {
  const auto from = ParseNameAddr(invite.Value(HeaderId::kFrom));
  if (!from.ok()) return {};
  Target target = TargetOf(from->uri);
  target.display_name = from->DisplayName();
  return target;
}

absl::StatusCode CodeOfRefusal(std::string_view reason) {
  return reason == "ROUTE_NOT_FOUND" || reason == "NUMBER_INVALID"
             ? absl::StatusCode::kNotFound
             : absl::StatusCode::kPermissionDenied;
}

}  // namespace

void CallControl::OnInvite(const SipMessage& invite, TransactionId transaction,
                           const Flow& flow, const Party& caller,
                           MonoTime now) {
  Route(invite, transaction, flow, caller, now);
}

void CallControl::Route(const SipMessage& invite, TransactionId transaction,
                        const Flow& flow, const Party& caller, MonoTime now) {
  Waiting waiting{.invite = invite,
                  .transaction = transaction,
                  .flow = flow,
                  .caller = caller,
                  .resolution = {},
                  .plan = plan_,
                  .target = 0,
                  .host = ""};
  if (draining_) {
    Refuse(waiting,
           MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                     "the edge takes no new calls"),
           now);
    return;
  }
  // Those that wait for an address will be calls too.
  if (calls_.size() + waiting_.size() >= options_.max_calls) {
    Refuse(waiting,
           MakeError(absl::StatusCode::kResourceExhausted, "CALL_LIMIT",
                     "too many calls"),
           now);
    return;
  }
  const Target target = TargetOf(invite.request_uri());
  if (target.user.empty()) {
    Refuse(waiting,
           MakeError(absl::StatusCode::kNotFound, "ROUTE_NOT_FOUND",
                     "no number was dialled"),
           now);
    return;
  }
  RouteQuery query;
  query.tenant = caller.tenant;
  query.caller = caller.resource;
  query.calling = CallerOf(invite).user;
  query.called = target.user;
  // One of our own addresses stands for the tenant's domain.
  if (std::none_of(options_.listeners.begin(), options_.listeners.end(),
                   [&](const EdgeListener& listener) {
                     return EqualsIgnoreCase(target.host, listener.host);
                   })) {
    query.domain = target.host;
  }
  query.turn = last_turn_++;
  query.draw = random_.NextU64();
  waiting.resolution = plan_->Resolve(query);
  const Resolution& resolution = waiting.resolution;
  switch (resolution.outcome) {
    case Resolution::Outcome::kRefused:
      Refuse(waiting,
             MakeError(CodeOfRefusal(resolution.reason), resolution.reason,
                       resolution.detail),
             now);
      return;
    case Resolution::Outcome::kUser:
    case Resolution::Outcome::kLine:
    case Resolution::Outcome::kHunt:
      ToUsers(std::move(waiting), now);
      return;
    case Resolution::Outcome::kMessageWaiting:
      Refuse(waiting,
             MakeError(absl::StatusCode::kNotFound, "ROUTE_NOT_FOUND",
                       "message waiting numbers are not served here"),
             now);
      return;
    case Resolution::Outcome::kPeer:
      ToPeer(std::move(waiting), now);
      return;
  }
}

std::string CallControl::HomeDomain(std::string_view tenant) const {
  const TenantEntry* entry = plan_->index().Tenant(tenant);
  if (entry != nullptr && !entry->domains.empty()) return entry->domains[0];
  return "anonymous.invalid";
}

void CallControl::ToUsers(Waiting waiting, MonoTime now) {
  const Resolution& resolution = waiting.resolution;
  // Of a hunt, the lines in order; the first that has a contact is called.
  std::vector<const UserEntry*> users = resolution.users;
  if (resolution.outcome == Resolution::Outcome::kUser) {
    users = {resolution.user};
  }
  for (const HuntStage& stage : resolution.hunt) {
    for (const LineEntry* line : stage.lines) {
      for (const std::string& name : line->users) {
        const UserEntry* user = waiting.plan->index().User(name);
        if (user != nullptr && !user->disabled) users.push_back(user);
      }
    }
  }
  std::vector<const Binding*> contacts;
  const UserEntry* found = nullptr;
  for (const UserEntry* user : users) {
    contacts = registrar_.Of(user->name);
    found = user;
    if (!contacts.empty()) break;
  }
  if (contacts.empty()) {
    Refuse(waiting,
           MakeError(absl::StatusCode::kNotFound, "USER_NOT_REGISTERED",
                     "the user has no contact"),
           now);
    return;
  }
  const UserEntry& user = *found;
  waiting.resolution.user = found;
  waiting.resolution.destination_mode =
      waiting.plan->index().ModeOf(user.dial_plan);
  const Binding& binding = *contacts[0];
  Call::LegSetup called;
  called.party.kind = Party::Kind::kUser;
  called.party.resource = user.name;
  called.party.tenant = TenantOf(user.name);
  called.party.phone = binding.phone;
  called.party.identity = user.username;
  called.party.dial_plan = user.dial_plan;
  called.party.mode = waiting.resolution.destination_mode;
  called.flow = binding.flow;
  called.request_uri = binding.contact;
  called.to = Cat("<sip:", PercentEncode(user.username), "@", user.domain, ">");
  Begin(std::move(waiting), std::move(called), now);
}

void CallControl::ToPeer(Waiting waiting, MonoTime now) {
  absl::Status first;
  for (;;) {
    const absl::Status status = TryTarget(waiting, now);
    if (status.ok()) return;
    first.Update(status);
    if (++waiting.target == waiting.resolution.targets.size()) break;
  }
  Refuse(waiting, first, now);
}

absl::Status CallControl::TryTarget(Waiting& waiting, MonoTime now) {
  const RouteTarget& target = waiting.resolution.targets[waiting.target];
  const PeerEntry& peer = *target.peer;
  if (peer.max_calls != 0 && calls_of_peer_[peer.name] >= peer.max_calls) {
    return MakeError(absl::StatusCode::kResourceExhausted, "PEER_CALL_LIMIT",
                     "the peer has as many calls as it may");
  }
  const SipTransport transport = TransportOf(peer);
  // Before anything is dialled: no call leaves by a way that the mode forbids.
  if (absl::Status status =
          CheckTransport(target.mode, transport == SipTransport::kTls);
      !status.ok()) {
    return status;
  }
  std::vector<SocketAddress> addresses;
  const uint16_t port = static_cast<uint16_t>(target.port());
  const std::string& host = target.host();
  if (const auto literal = SocketAddress::FromIp(host, port); literal.ok()) {
    addresses = {*literal};
  } else if (const auto it = hosts_.find(host);
             it != hosts_.end() && it->second.expires > now) {
    for (const SocketAddress& address : it->second.addresses) {
      addresses.push_back(address.WithPort(port));
    }
  } else {
    const uint64_t query = ++last_query_;
    waiting.host = host;
    by_invite_[waiting.transaction] = 0;
    waiting_.emplace(query, std::move(waiting));
    port_.Perform(ResolveHost{query, host});
    return absl::OkStatus();
  }
  Call::LegSetup called;
  called.party.kind = Party::Kind::kPeer;
  called.party.resource = peer.name;
  called.party.tenant = TenantOf(peer.name);
  called.party.identity = peer.fqdn.empty() ? host : peer.fqdn;
  called.party.dial_plan = peer.dial_plan;
  called.party.mode = target.mode;
  called.party.authentication = transport == SipTransport::kTls
                                    ? Authentication::kPeerCertificate
                                    : Authentication::kSourceAddress;
  const auto flow = port_.FlowTo(peer, addresses, now);
  if (!flow.ok()) return flow.status();
  called.flow = *flow;
  // A URI that was routed by its host keeps it.
  const std::string& domain = waiting.resolution.called_domain;
  const std::string where =
      domain.empty()
          ? HostPortText(target.server != nullptr || peer.fqdn.empty()
                             ? host
                             : peer.fqdn,
                         port, transport)
          : domain;
  const std::string number = PercentEncode(target.called, "+*#");
  called.to = Cat("<sip:", number, "@", where, ">");
  called.request_uri = Cat("sip:", number, "@", where);
  if (transport == SipTransport::kTls) called.request_uri += ";transport=tls";
  if (transport == SipTransport::kTcp) called.request_uri += ";transport=tcp";
  Begin(std::move(waiting), std::move(called), now);
  return absl::OkStatus();
}

bool CallControl::GoesOn(const Waiting& waiting, const CallRecord& record) {
  if (waiting.target + 1 >= waiting.resolution.targets.size()) return false;
  const int code = record.legs[IndexOf(LegSide::kB)].sip_status;
  if (record.disposition == CallDisposition::kCancelled) return false;
  switch (code) {
    case 486:  // Busy Here
    case 600:  // Busy Everywhere
      return !waiting.resolution.stop_on_busy;
    case 404:  // Not Found
    case 410:  // Gone
    case 484:  // Address Incomplete
    case 604:  // Does Not Exist Anywhere
      return !waiting.resolution.stop_on_unallocated_number;
    case 487:  // Request Terminated
      return false;
    default:
      // A global failure (section 21.6) is everybody's answer. Without one the
      // peer could not be reached.
      return (code >= 300 && code < 600) || record.reason == "PEER_UNREACHABLE";
  }
}

void CallControl::OnHostResolved(
    uint64_t query, absl::StatusOr<std::vector<SocketAddress>> addresses,
    MonoTime now) {
  const auto it = waiting_.find(query);
  if (it == waiting_.end()) return;
  Waiting waiting = std::move(it->second);
  waiting_.erase(it);
  by_invite_.erase(waiting.transaction);
  if (!addresses.ok() || addresses->empty()) {
    if (++waiting.target < waiting.resolution.targets.size()) {
      ToPeer(std::move(waiting), now);
      return;
    }
    Refuse(waiting,
           MakeError(absl::StatusCode::kUnavailable, "PEER_UNREACHABLE",
                     "the peer's name cannot be resolved"),
           now);
    return;
  }
  if (hosts_.size() >= kMaxHosts) hosts_.clear();
  hosts_[waiting.host] = {*std::move(addresses), now + options_.host_lifetime};
  ToPeer(std::move(waiting), now);
}

void CallControl::Begin(Waiting waiting, Call::LegSetup called, MonoTime now) {
  if (absl::Status status =
          CheckTransport(called.party.mode, called.flow.is_tls());
      !status.ok()) {
    Refuse(waiting, status, now);
    return;
  }
  const Resolution& resolution = waiting.resolution;
  const Target dialled = TargetOf(waiting.invite.request_uri());
  const Target from = CallerOf(waiting.invite);
  Call::LegSetup caller;
  caller.party = waiting.caller;
  caller.flow = waiting.flow;
  caller.contact = ContactUri(port_.ListenerOf(waiting.flow));
  caller.called = dialled.user;
  caller.calling = from.user;
  called.contact = ContactUri(port_.ListenerOf(called.flow));
  const RouteTarget* target = resolution.outcome == Resolution::Outcome::kPeer
                                  ? &resolution.targets[waiting.target]
                                  : nullptr;
  called.called = target == nullptr ? resolution.called : target->called;
  called.calling = target == nullptr ? resolution.calling : target->calling;
  const bool restricted = target == nullptr ? resolution.restrict_presentation
                                            : target->restrict_presentation;
  const std::string address = Cat("<sip:", PercentEncode(called.calling, "+*#"),
                                  "@", HomeDomain(waiting.caller.tenant), ">");
  if (called.party.kind == Party::Kind::kPeer && !restricted) {
    called.asserted_identity = address;  // RFC 3325: peers are trusted with it
  }
  if (restricted) {
    // RFC 3323 section 4.1.1.3: not even a trusted peer is told.
    called.from = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
  } else {
    called.from = from.display_name.empty()
                      ? address
                      : Cat(Quote(from.display_name), " ", address);
  }
  const uint64_t id = ++last_call_;
  auto made = std::make_unique<Call>(id, std::move(caller), std::move(called),
                                     Call::Timers{.sip = options_.sip,
                                                  .ring = options_.ring_timeout,
                                                  .session = options_.session},
                                     random_);
  Call& call = *made;
  CallRecord& record = call.record();
  record.matched_resource =
      resolution.pattern_name.empty() && resolution.user != nullptr
          ? resolution.user->name
          : resolution.pattern_name;
  record.matched_pattern = resolution.pattern;
  record.snapshot_version = waiting.plan->snapshot().version;
  calls_.emplace(id, std::move(made));
  if (target != nullptr && waiting.target + 1 < resolution.targets.size()) {
    attempts_.emplace(id, waiting);
  }
  NoteInvite(id, waiting.transaction);
  for (const LegSide side : {LegSide::kA, LegSide::kB}) {
    if (call.party(side).kind == Party::Kind::kPeer) {
      ++calls_of_peer_[call.party(side).resource];
    }
  }
  NoteDialog(id, LegSide::kB, call.called_call_id(), call.called_local_tag());
  CallActions actions = call.Start(waiting.invite, waiting.transaction, now);
  if (const Dialog* dialog = call.dialog(LegSide::kA)) {
    NoteDialog(id, LegSide::kA, dialog->id().call_id, dialog->id().local_tag);
  }
  Do(call, std::move(actions), now);
}

}  // namespace sallyport::signaling_edge
