#include "services/signaling_edge/rpc/route_proto.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

namespace pb = ::sallyport::dialplan::v1;
namespace type = ::sallyport::type::v1;

absl::Status Invalid(const std::string& field, const std::string& what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "REQUEST_INVALID",
                   absl::StrCat(field, " ", what), {{field, what}});
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
  // A pattern was found, but what it leads to takes no call.
  if (!resolution.pattern_name.empty()) {
    return pb::ROUTE_DECISION_UNAVAILABLE;
  }
  return pb::ROUTE_DECISION_NOT_FOUND;
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
  switch (verdict) {
    case RouteCandidate::Verdict::kWon:
      return pb::CANDIDATE_OUTCOME_CHOSEN;
    case RouteCandidate::Verdict::kDoesNotMatch:
      return pb::CANDIDATE_OUTCOME_NO_MATCH;
    case RouteCandidate::Verdict::kNeedsMoreDigits:
      return pb::CANDIDATE_OUTCOME_NEEDS_MORE_DIGITS;
    case RouteCandidate::Verdict::kDisabled:
      return pb::CANDIDATE_OUTCOME_DISABLED;
    case RouteCandidate::Verdict::kPartitionNotVisible:
      return pb::CANDIDATE_OUTCOME_NOT_REACHABLE;
    case RouteCandidate::Verdict::kLessSpecific:
      return pb::CANDIDATE_OUTCOME_LESS_SPECIFIC;
    case RouteCandidate::Verdict::kLaterPartition:
    case RouteCandidate::Verdict::kLaterName:
      return pb::CANDIDATE_OUTCOME_LATER_PARTITION;
  }
  return pb::CANDIDATE_OUTCOME_UNSPECIFIED;
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

type::Transport ToProto(sallyport::SipTransport transport) {
  switch (transport) {
    case sallyport::SipTransport::kUdp:
      return type::TRANSPORT_UDP;
    case sallyport::SipTransport::kTcp:
      return type::TRANSPORT_TCP;
    case sallyport::SipTransport::kTls:
      return type::TRANSPORT_TLS;
    case sallyport::SipTransport::kUnset:
      break;
  }
  return type::TRANSPORT_UNSPECIFIED;
}

std::string OperationOf(const TransformStep& step) {
  switch (step.kind) {
    case TransformStep::Kind::kNormalize:
      return "normalize";
    case TransformStep::Kind::kDiscard:
      return absl::StrCat("discard ", step.rule);
    case TransformStep::Kind::kMask:
      return absl::StrCat("mask ", step.rule);
    case TransformStep::Kind::kPrefix:
      return absl::StrCat("prefix ", step.rule);
  }
  return step.rule;
}

void AddTarget(const Resolution& resolution, pb::RouteTarget& out) {
  if (resolution.peer != nullptr) {
    const PeerEntry& peer = *resolution.peer;
    out.set_peer(peer.name);
    out.set_host(peer.address.empty() ? peer.fqdn : peer.address);
    out.set_port(peer.port);
    out.set_transport(ToProto(peer.transport));
    out.set_dial_plan(peer.dial_plan);
    if (peer.transport == sallyport::SipTransport::kTls) {
      for (const std::string& subject : peer.x509_subjects) {
        out.add_expected_subject_names(subject);
      }
      if (peer.x509_subjects.empty()) {
        out.add_expected_subject_names(peer.fqdn);
      }
    }
  } else if (resolution.user != nullptr) {
    out.set_user(resolution.user->name);
    out.set_dial_plan(resolution.user->dial_plan);
  }
  out.set_security_mode(ToProto(resolution.destination_mode));
  out.set_called_number(resolution.called);
  out.set_calling_number(resolution.calling);
}

void AddLookup(const Resolution& resolution, const RouteQuery& query,
               pb::RouteLookup& out) {
  out.set_number(query.called);
  if (!query.search_space.empty()) {
    out.add_calling_search_spaces(query.search_space);
  }
  for (const std::string& partition : resolution.partitions) {
    out.add_partitions(partition);
  }
  for (const RouteCandidate& candidate : resolution.candidates) {
    pb::RouteCandidate& to = *out.add_candidates();
    to.set_resource(candidate.name);
    to.set_pattern(candidate.pattern);
    to.set_partition(candidate.partition);
    to.set_outcome(ToProto(candidate.verdict));
    to.set_match_count(candidate.strings_matched);
    to.set_explanation(candidate.detail);
  }
  for (const TransformStep& step : resolution.steps) {
    pb::TransformationStep& to = *out.add_steps();
    to.set_resource(resolution.pattern_name);
    to.set_party(step.side == TransformStep::Side::kCalled ? "called"
                                                           : "calling");
    to.set_operation(OperationOf(step));
    to.set_before(step.before);
    to.set_after(step.after);
  }
}

}  // namespace

absl::StatusOr<RouteQuery> QueryOf(const pb::ResolveRouteRequest& request,
                                   const PlanIndex& plan) {
  RouteQuery out;
  if (request.parent().empty()) return Invalid("request.parent", "is required");
  if (request.called_number().empty()) {
    return Invalid("request.called_number", "is required");
  }
  out.tenant = request.parent();
  out.called = request.called_number();
  if (const size_t at = out.called.find('@'); at != std::string::npos) {
    out.domain = out.called.substr(at + 1);
    out.called.resize(at);
  }
  out.calling = request.calling_number();
  switch (request.source_case()) {
    case pb::ResolveRouteRequest::kUser:
      out.caller = request.user();
      break;
    case pb::ResolveRouteRequest::kPeer:
      out.caller = request.peer();
      break;
    case pb::ResolveRouteRequest::kPhone: {
      // A phone calls as the user that registers from it.
      const PhoneEntry* const phone = plan.Phone(request.phone());
      if (phone == nullptr || phone->owner_user.empty()) {
        return Invalid("request.phone", "is no phone with an owner");
      }
      out.caller = phone->owner_user;
      break;
    }
    case pb::ResolveRouteRequest::kCallingSearchSpace:
      out.search_space = request.calling_search_space();
      break;
    case pb::ResolveRouteRequest::kLine:
    case pb::ResolveRouteRequest::kNumber:
      return MakeError(absl::StatusCode::kUnimplemented, "SOURCE_NOT_SERVED",
                       "the source must be a user, phone, peer or calling "
                       "search space");
    case pb::ResolveRouteRequest::SOURCE_NOT_SET:
      break;
  }
  return out;
}

pb::ResolveRouteResponse ToProto(const Resolution& resolution,
                                 const RouteQuery& query, const PlanIndex& plan,
                                 bool explain) {
  pb::ResolveRouteResponse out;
  out.set_decision(DecisionOf(resolution));
  out.set_reason(resolution.reason);
  out.set_explanation(resolution.detail);
  out.set_version(plan.snapshot().version);
  out.set_matched_resource(resolution.pattern_name);
  out.set_matched_pattern(resolution.pattern);
  out.set_called_number(resolution.called);
  out.set_calling_number(resolution.calling);
  out.set_cause(resolution.block_cause);
  out.set_toll_class(ToProto(resolution.toll_class));
  if (resolution.outcome != Resolution::Outcome::kRefused) {
    AddTarget(resolution, *out.add_targets());
  }
  if (explain) AddLookup(resolution, query, *out.add_lookups());
  return out;
}

}  // namespace sallyport::signaling_edge
