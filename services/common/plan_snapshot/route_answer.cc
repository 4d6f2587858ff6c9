#include "services/common/plan_snapshot/route_answer.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/common/config/proto_time.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_table.h"
#include "services/common/digit_analysis/resolution.h"
#include "services/common/plan_snapshot/proto_values.h"
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

pb::CandidateOutcome OutcomeOf(RouteCandidate::Verdict verdict) {
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
    case Verdict::kUrgentTaken:
      return pb::CANDIDATE_OUTCOME_URGENT_TAKEN;
  }
  return pb::CANDIDATE_OUTCOME_UNSPECIFIED;
}

pb::RouteDecision DecisionOf(const Resolution& resolution) {
  if (resolution.incomplete) return pb::ROUTE_DECISION_INCOMPLETE;
  if (resolution.outcome != Resolution::Outcome::kRefused) {
    return pb::ROUTE_DECISION_ROUTED;
  }
  if (resolution.reason == "PATTERN_BLOCKED") {
    return pb::ROUTE_DECISION_BLOCKED;
  }
  if (resolution.reason == "DIALLING_RESTRICTED") {
    return pb::ROUTE_DECISION_RESTRICTED;
  }
  if (resolution.reason == "ROUTE_NOT_FOUND" ||
      resolution.reason == "NOT_FORWARDED") {
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
    case Kind::kExternalMask:
      return "external mask " + step.rule;
    case Kind::kMask:
      return "mask " + step.rule;
    case Kind::kPrefix:
      return "prefix " + step.rule;
    case Kind::kRestrict:
      return "restrict presentation";
    case Kind::kForward:
      return "forward on " + step.rule;
    case Kind::kOverlap:
      return "stop listening: " + step.rule;
    case Kind::kRestore:
      return "override the pattern";
  }
  return step.rule;
}

void AddPeers(const Resolution& resolution, pb::ResolveRouteResponse& out) {
  for (const RouteTarget& from : resolution.targets) {
    pb::RouteTarget& target = *out.add_targets();
    const PeerEntry& peer = *from.peer;
    target.set_peer(peer.name);
    target.set_host(from.host());
    target.set_port(from.port());
    target.set_transport(TransportToProto(peer.transport));
    target.set_dial_plan(peer.dial_plan);
    target.set_security_mode(ProtoOf<type::SecurityMode>(from.mode));
    target.set_called_number(from.called);
    target.set_calling_number(from.calling);
    target.set_restrict_presentation(from.restrict_presentation);
    if (peer.transport == SipTransport::kTls) {
      for (std::string& subject : from.subjects()) {
        target.add_expected_subject_names(std::move(subject));
      }
    }
    if (from.group != nullptr) target.set_server_group(from.group->name);
  }
}

// A line or user of the installation.
pb::RouteTarget& AddOwn(const Resolution& resolution, const UserEntry* user,
                        const PlanIndex& index, pb::ResolveRouteResponse& out) {
  pb::RouteTarget& target = *out.add_targets();
  target.set_called_number(resolution.called);
  target.set_calling_number(resolution.calling);
  target.set_restrict_presentation(resolution.restrict_presentation);
  if (user != nullptr) {
    target.set_dial_plan(user->dial_plan);
    target.set_security_mode(
        ProtoOf<type::SecurityMode>(index.ModeOf(user->dial_plan)));
  }
  return target;
}

void AddTargets(const Resolution& resolution, const Resolver& resolver,
                pb::ResolveRouteResponse& out) {
  const PlanIndex& index = resolver.index();
  switch (resolution.outcome) {
    case Resolution::Outcome::kRefused:
      break;
    case Resolution::Outcome::kPeer:
      AddPeers(resolution, out);
      break;
    case Resolution::Outcome::kUser:
      AddOwn(resolution, resolution.user, index, out)
          .set_user(resolution.user->name);
      break;
    case Resolution::Outcome::kLine:
      AddOwn(resolution, resolution.user, index, out)
          .set_line(resolution.line->name);
      break;
    case Resolution::Outcome::kHunt:
      for (const HuntStage& stage : resolution.hunt) {
        for (const LineEntry* line : stage.lines) {
          pb::RouteTarget& target =
              AddOwn(resolution, resolver.callers().UserOf(*line), index, out);
          target.set_line(line->name);
          target.set_line_group(stage.group->name);
          target.set_hunt_algorithm(
              ProtoOf<pb::HuntAlgorithm>(stage.group->algorithm));
        }
      }
      break;
    case Resolution::Outcome::kMessageWaiting:
      out.set_message_waiting(resolution.message_waiting->lights
                                  ? pb::MESSAGE_WAITING_INDICATOR_ON
                                  : pb::MESSAGE_WAITING_INDICATOR_OFF);
      break;
  }
}

pb::ForwardReason ReasonToProto(ForwardReason reason) {
  return static_cast<pb::ForwardReason>(reason);  // in the same order
}

void AddLookups(const Resolution& resolution, pb::ResolveRouteResponse& out) {
  for (const RouteLookup& from : resolution.lookups) {
    pb::RouteLookup& lookup = *out.add_lookups();
    lookup.set_number(from.number);
    for (const std::string& name : from.search_spaces) {
      lookup.add_calling_search_spaces(name);
    }
    for (const std::string& partition : from.partitions) {
      lookup.add_partitions(partition);
    }
    for (const RouteCandidate& candidate : from.candidates) {
      pb::RouteCandidate& shown = *lookup.add_candidates();
      shown.set_resource(candidate.name);
      shown.set_pattern(candidate.pattern);
      shown.set_partition(candidate.partition);
      shown.set_outcome(OutcomeOf(candidate.verdict));
      shown.set_match_count(candidate.strings_matched);
      shown.set_explanation(candidate.detail);
    }
    for (const TransformStep& step : from.steps) {
      pb::TransformationStep& shown = *lookup.add_steps();
      shown.set_resource(step.resource);
      shown.set_party(step.side == TransformStep::Side::kCalled ? "called"
                                                                : "calling");
      shown.set_operation(OperationOf(step));
      shown.set_before(step.before);
      shown.set_after(step.after);
    }
  }
  for (const SkippedTarget& from : resolution.skipped) {
    pb::SkippedTarget& skipped = *out.add_skipped_targets();
    skipped.set_peer(from.name);
    skipped.set_reason(from.reason);
    skipped.set_explanation(from.detail);
  }
}

// What is missing is said where it is known: with INCOMPLETE, what happens if
// no digit comes.
std::string ExplanationOf(const Resolution& resolution) {
  if (!resolution.incomplete) return resolution.detail;
  const std::string wait =
      absl::StrCat("more digits could match; if none comes within ",
                   absl::FormatDuration(resolution.interdigit_timeout));
  if (resolution.pattern_name.empty()) {
    return absl::StrCat(wait, ": ROUTE_NOT_FOUND");
  }
  return absl::StrCat(wait, ", ", resolution.pattern, " (",
                      resolution.pattern_name, ") takes the call",
                      resolution.reason.empty() ? "" : ": ", resolution.reason);
}

// The line, or failing that the user, that has a number; empty if none.
std::string OwnerOf(const std::string& number, const std::string& tenant,
                    const PlanIndex& index) {
  for (const LineEntry& line : index.snapshot().lines) {
    if (TenantOf(line.name) != tenant) continue;
    const auto own = NumberOfPattern(line.directory_number);
    if (own.ok() && *own == number) return line.name;
  }
  for (const UserEntry& user : index.snapshot().users) {
    if (TenantOf(user.name) != tenant) continue;
    if (user.username == number ||
        std::find(user.phone_numbers.begin(), user.phone_numbers.end(),
                  number) != user.phone_numbers.end()) {
      return user.name;
    }
  }
  return "";
}

std::string NumberOfLine(const LineEntry& line) {
  const auto number = NumberOfPattern(line.directory_number);
  return number.ok() ? *number : line.directory_number;
}

// The number by which a caller is known, or its name.
std::string NumberOf(const std::string& caller, const Resolver& resolver) {
  const PlanIndex& index = resolver.index();
  if (const auto* line = index.Find<LineEntry>(caller)) {
    return NumberOfLine(*line);
  }
  const UserEntry* user = index.User(caller);
  if (const PhoneEntry* phone = index.Phone(caller)) {
    for (const std::string& name : phone->lines) {
      const auto* line = index.Find<LineEntry>(name);
      if (line != nullptr) return NumberOfLine(*line);
    }
    user = index.User(phone->owner_user);
  }
  if (user == nullptr) return "";
  const auto& lines = resolver.callers().LinesOf(*user);
  if (!lines.empty()) return NumberOfLine(*lines[0]);
  return user->phone_numbers.empty() ? user->username : user->phone_numbers[0];
}

// Who calls, for the resolver.
absl::StatusOr<RouteQuery> QueryOf(const pb::ResolveRouteRequest& request,
                                   const Resolver& resolver) {
  const PlanIndex& index = resolver.index();
  RouteQuery query;
  query.tenant = request.parent();
  const TenantEntry* tenant = index.Tenant(query.tenant);
  if (tenant == nullptr) {
    return MakeError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                     "parent: there is no such tenant");
  }
  const auto in_tenant = [&](const std::string& name) {
    return TenantOf(name) == query.tenant;
  };
  switch (request.source_case()) {
    case pb::ResolveRouteRequest::kUser:
      if (!in_tenant(request.user()) || index.User(request.user()) == nullptr) {
        return BadField("user", "REFERENCE_NOT_FOUND", "there is no such user");
      }
      query.caller = request.user();
      break;
    case pb::ResolveRouteRequest::kPhone:
      if (!in_tenant(request.phone()) ||
          index.Phone(request.phone()) == nullptr) {
        return BadField("phone", "REFERENCE_NOT_FOUND",
                        "there is no such phone");
      }
      query.caller = request.phone();
      break;
    case pb::ResolveRouteRequest::kLine:
      if (!in_tenant(request.line()) ||
          index.Find<LineEntry>(request.line()) == nullptr) {
        return BadField("line", "REFERENCE_NOT_FOUND", "there is no such line");
      }
      query.caller = request.line();
      break;
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
      query.caller = OwnerOf(request.number(), query.tenant, index);
      if (query.caller.empty()) {
        return BadField("number", "REFERENCE_NOT_FOUND",
                        "no line or user has that number");
      }
      query.calling = request.number();
      break;
    case pb::ResolveRouteRequest::SOURCE_NOT_SET:
      break;
  }
  if (query.calling.empty()) {
    query.calling = NumberOf(query.caller, resolver);
  }
  if (!request.calling_number().empty()) {
    query.calling = request.calling_number();
  }
  query.overlap = request.overlap();
  if (!request.forwarded_by().empty() || request.forward_reason() != 0) {
    if (!in_tenant(request.forwarded_by()) ||
        (index.Find<LineEntry>(request.forwarded_by()) == nullptr &&
         index.Find<HuntPilotEntry>(request.forwarded_by()) == nullptr)) {
      return BadField("forwarded_by", "REFERENCE_NOT_FOUND",
                      "there is no such line or hunt pilot");
    }
    if (request.forward_reason() < pb::FORWARD_REASON_ALL ||
        request.forward_reason() > pb::FORWARD_REASON_UNREGISTERED) {
      return BadField("forward_reason", "VALUE_REQUIRED",
                      "is required with forwarded_by");
    }
    query.forwarded_by = request.forwarded_by();
    query.forward = static_cast<ForwardReason>(request.forward_reason());
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
    const pb::ResolveRouteRequest& request, const Resolver& plan) {
  const Resolver& resolver = plan.Of(request.parent());
  constexpr size_t kMaxText = 255;
  if (request.called_number().empty()) {
    return BadField("called_number", "VALUE_REQUIRED", "is required");
  }
  if (request.called_number().size() > kMaxText ||
      request.calling_number().size() > kMaxText) {
    return BadField("called_number", "VALUE_TOO_LONG",
                    "numbers have at most 255 octets");
  }
  SP_ASSIGN_OR_RETURN(const RouteQuery query, QueryOf(request, resolver));
  const Resolution resolution =
      request.explain() ? resolver.Explain(query) : resolver.Resolve(query);
  pb::ResolveRouteResponse out;
  out.set_decision(DecisionOf(resolution));
  out.set_reason(resolution.reason);
  out.set_explanation(ExplanationOf(resolution));
  out.set_version(plan.index().version());
  out.set_matched_resource(resolution.pattern_name);
  out.set_matched_pattern(resolution.pattern);
  out.set_called_number(resolution.called);
  out.set_calling_number(resolution.calling);
  out.set_cause(resolution.block_cause);
  out.set_toll_class(ProtoOf<pb::TollClass>(resolution.toll_class));
  if (resolution.incomplete) {
    *out.mutable_interdigit_timeout() = ToProto(resolution.interdigit_timeout);
  }
  for (const Redirection& from : resolution.redirections) {
    pb::Redirection& redirection = *out.add_redirections();
    redirection.set_resource(from.resource);
    redirection.set_number(from.number);
    redirection.set_reason(ReasonToProto(from.reason));
  }
  out.set_mailbox(resolution.mailbox);
  AddTargets(resolution, resolver, out);
  if (request.explain()) AddLookups(resolution, out);
  return out;
}

}  // namespace sallyport
