#include "services/common/plan_snapshot/route_answer.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/resolution.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::dialplan::v1;
namespace type = ::sallyport::type::v1;

absl::Status BadField(std::string_view field, std::string_view reason,
                      std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, what,
                   {{std::string(field), std::string(what)}});
}

type::SecurityMode ToProto(SecurityMode mode) {
  switch (mode) {
    case SecurityMode::kUnsecured:
      return type::SECURITY_MODE_UNSECURED;
    case SecurityMode::kSipSecured:
      return type::SECURITY_MODE_SIP_SECURED;
    case SecurityMode::kSecured:
      return type::SECURITY_MODE_SECURED;
  }
  return type::SECURITY_MODE_UNSPECIFIED;
}

type::Transport ToProto(SipTransport transport) {
  switch (transport) {
    case SipTransport::kUdp:
      return type::TRANSPORT_UDP;
    case SipTransport::kTcp:
      return type::TRANSPORT_TCP;
    case SipTransport::kTls:
      return type::TRANSPORT_TLS;
    case SipTransport::kUnset:
      break;
  }
  return type::TRANSPORT_UNSPECIFIED;
}

pb::TollClass ToProto(TollClass toll_class) {
  switch (toll_class) {
    case TollClass::kInternal:
      return pb::TOLL_CLASS_INTERNAL;
    case TollClass::kEmergency:
      return pb::TOLL_CLASS_EMERGENCY;
    case TollClass::kLocal:
      return pb::TOLL_CLASS_LOCAL;
    case TollClass::kNational:
      return pb::TOLL_CLASS_NATIONAL;
    case TollClass::kInternational:
      return pb::TOLL_CLASS_INTERNATIONAL;
    case TollClass::kPremium:
      return pb::TOLL_CLASS_PREMIUM;
  }
  return pb::TOLL_CLASS_UNSPECIFIED;
}

pb::CandidateOutcome ToProto(RouteCandidate::Verdict verdict) {
  using Verdict = RouteCandidate::Verdict;
  switch (verdict) {
    case Verdict::kWon:
      return pb::CANDIDATE_OUTCOME_CHOSEN;
    case Verdict::kDoesNotMatch:
      return pb::CANDIDATE_OUTCOME_NO_MATCH;
    case Verdict::kNeedsMoreDigits:
      return pb::CANDIDATE_OUTCOME_NEEDS_MORE_DIGITS;
    case Verdict::kDisabled:
      return pb::CANDIDATE_OUTCOME_DISABLED;
    case Verdict::kPartitionNotVisible:
      return pb::CANDIDATE_OUTCOME_NOT_REACHABLE;
    case Verdict::kLessSpecific:
      return pb::CANDIDATE_OUTCOME_LESS_SPECIFIC;
    case Verdict::kLaterPartition:
    case Verdict::kLaterName:  // the explanation says which
      return pb::CANDIDATE_OUTCOME_LATER_PARTITION;
  }
  return pb::CANDIDATE_OUTCOME_UNSPECIFIED;
}

pb::RouteDecision DecisionOf(const Resolution& resolution) {
  if (resolution.outcome != Resolution::Outcome::kRefused) {
    return pb::ROUTE_DECISION_ROUTED;
  }
  if (resolution.reason == "PATTERN_BLOCKED") {
    return pb::ROUTE_DECISION_BLOCKED;
  }
  if (resolution.reason == "DIALLING_RESTRICTED") {
    return pb::ROUTE_DECISION_RESTRICTED;
  }
  if (resolution.reason == "ROUTE_NOT_FOUND") {
    return pb::ROUTE_DECISION_NOT_FOUND;
  }
  return pb::ROUTE_DECISION_UNAVAILABLE;
}

std::string OperationOf(const TransformStep& step) {
  using Kind = TransformStep::Kind;
  switch (step.kind) {
    case Kind::kNormalize:
      return "remove " + step.rule;
    case Kind::kDiscard:
      return "discard " + step.rule;
    case Kind::kMask:
      return "mask " + step.rule;
    case Kind::kPrefix:
      return "prefix " + step.rule;
  }
  return step.rule;
}

void AddTarget(const Resolution& resolution, pb::ResolveRouteResponse& out) {
  pb::RouteTarget& target = *out.add_targets();
  target.set_security_mode(ToProto(resolution.destination_mode));
  target.set_called_number(resolution.called);
  target.set_calling_number(resolution.calling);
  if (resolution.user != nullptr) {
    target.set_user(resolution.user->name);
    target.set_dial_plan(resolution.user->dial_plan);
    return;
  }
  const PeerEntry& peer = *resolution.peer;
  target.set_peer(peer.name);
  target.set_dial_plan(peer.dial_plan);
  target.set_host(peer.address.empty() ? peer.fqdn : peer.address);
  target.set_port(peer.port);
  target.set_transport(ToProto(peer.transport));
  if (peer.transport == SipTransport::kTls) {
    if (peer.x509_subjects.empty()) {
      target.add_expected_subject_names(peer.fqdn);
    }
    for (const std::string& subject : peer.x509_subjects) {
      target.add_expected_subject_names(subject);
    }
  }
}

// Who calls, for the resolver.
absl::StatusOr<RouteQuery> QueryOf(const pb::ResolveRouteRequest& request,
                                   const PlanIndex& index) {
  RouteQuery query;
  query.tenant = request.parent();
  const TenantEntry* tenant = index.Tenant(query.tenant);
  if (tenant == nullptr) {
    return MakeError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                     "parent: there is no such tenant");
  }
  const UserEntry* user = nullptr;
  const auto in_tenant = [&](const std::string& name) {
    return TenantOf(name) == query.tenant;
  };
  switch (request.source_case()) {
    case pb::ResolveRouteRequest::kUser:
      user = in_tenant(request.user()) ? index.User(request.user()) : nullptr;
      if (user == nullptr) {
        return BadField("user", "REFERENCE_NOT_FOUND", "there is no such user");
      }
      break;
    case pb::ResolveRouteRequest::kPhone: {
      const PhoneEntry* phone =
          in_tenant(request.phone()) ? index.Phone(request.phone()) : nullptr;
      if (phone == nullptr) {
        return BadField("phone", "REFERENCE_NOT_FOUND",
                        "there is no such phone");
      }
      user = index.User(phone->owner_user);
      if (user == nullptr) query.search_space = phone->calling_search_space;
      break;
    }
    case pb::ResolveRouteRequest::kLine:
      return BadField("line", "REFERENCE_NOT_FOUND", "there is no such line");
    case pb::ResolveRouteRequest::kPeer:
      if (!in_tenant(request.peer()) || index.Peer(request.peer()) == nullptr) {
        return BadField("peer", "REFERENCE_NOT_FOUND", "there is no such peer");
      }
      query.caller = request.peer();
      break;
    case pb::ResolveRouteRequest::kCallingSearchSpace:
      if (!in_tenant(request.calling_search_space()) ||
          index.CallingSearchSpace(request.calling_search_space()) == nullptr) {
        return BadField("calling_search_space", "REFERENCE_NOT_FOUND",
                        "there is no such calling search space");
      }
      query.search_space = request.calling_search_space();
      break;
    case pb::ResolveRouteRequest::kNumber:
      for (const UserEntry& candidate : index.snapshot().users) {
        if (!in_tenant(candidate.name)) continue;
        if (candidate.username == request.number() ||
            std::find(candidate.phone_numbers.begin(),
                      candidate.phone_numbers.end(),
                      request.number()) != candidate.phone_numbers.end()) {
          user = &candidate;
          break;
        }
      }
      if (user == nullptr) {
        return BadField("number", "REFERENCE_NOT_FOUND",
                        "no user has that number");
      }
      query.calling = request.number();
      break;
    case pb::ResolveRouteRequest::SOURCE_NOT_SET:
      break;
  }
  if (user != nullptr) {
    query.caller = user->name;
    if (query.calling.empty()) {
      query.calling =
          user->phone_numbers.empty() ? user->username : user->phone_numbers[0];
    }
  }
  if (!request.calling_number().empty()) {
    query.calling = request.calling_number();
  }
  query.called = request.called_number();
  const size_t at = query.called.find('@');
  if (at != std::string::npos) {
    query.domain = query.called.substr(at + 1);
    query.called.resize(at);
  }
  return query;
}

}  // namespace

absl::StatusOr<pb::ResolveRouteResponse> AnswerRoute(
    const pb::ResolveRouteRequest& request, const Resolver& resolver) {
  constexpr size_t kMaxText = 255;
  if (request.called_number().empty()) {
    return BadField("called_number", "VALUE_REQUIRED", "is required");
  }
  if (request.called_number().size() > kMaxText ||
      request.calling_number().size() > kMaxText) {
    return BadField("called_number", "VALUE_TOO_LONG",
                    "numbers have at most 255 octets");
  }
  if (request.overlap()) {
    return BadField("overlap", "FIELD_NOT_SUPPORTED",
                    "this version routes whole numbers only");
  }
  SP_ASSIGN_OR_RETURN(const RouteQuery query,
                      QueryOf(request, resolver.index()));
  const Resolution resolution =
      request.explain() ? resolver.Explain(query) : resolver.Resolve(query);
  pb::ResolveRouteResponse out;
  out.set_decision(DecisionOf(resolution));
  out.set_reason(resolution.reason);
  out.set_explanation(resolution.detail);
  out.set_version(resolver.snapshot().version);
  out.set_matched_resource(resolution.pattern_name);
  out.set_matched_pattern(resolution.pattern);
  out.set_called_number(resolution.called);
  out.set_calling_number(resolution.calling);
  out.set_cause(resolution.block_cause);
  out.set_toll_class(ToProto(resolution.toll_class));
  if (resolution.outcome != Resolution::Outcome::kRefused) {
    AddTarget(resolution, out);
  }
  if (!request.explain()) return out;

  pb::RouteLookup& lookup = *out.add_lookups();
  lookup.set_number(query.called);
  for (const std::string& partition : resolution.partitions) {
    lookup.add_partitions(partition);
  }
  std::string search_space = query.search_space;
  if (const UserEntry* user = resolver.index().User(query.caller)) {
    search_space = user->calling_search_space;
  } else if (const PeerEntry* peer = resolver.index().Peer(query.caller)) {
    search_space = peer->calling_search_space;
  }
  if (!search_space.empty()) lookup.add_calling_search_spaces(search_space);
  for (const RouteCandidate& candidate : resolution.candidates) {
    pb::RouteCandidate& shown = *lookup.add_candidates();
    shown.set_resource(candidate.name);
    shown.set_pattern(candidate.pattern);
    shown.set_partition(candidate.partition);
    shown.set_outcome(ToProto(candidate.verdict));
    shown.set_match_count(candidate.strings_matched);
    shown.set_explanation(candidate.detail);
  }
  for (const TransformStep& step : resolution.steps) {
    pb::TransformationStep& shown = *lookup.add_steps();
    shown.set_resource(resolution.pattern_name);
    shown.set_party(step.side == TransformStep::Side::kCalled ? "called"
                                                              : "calling");
    shown.set_operation(OperationOf(step));
    shown.set_before(step.before);
    shown.set_after(step.after);
  }
  return out;
}

}  // namespace sallyport
