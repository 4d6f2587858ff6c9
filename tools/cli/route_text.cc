#include "tools/cli/route_text.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tools/cli/field_text.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::dialplan::v1;

template <typename Names>
std::string ShortNames(const Names& names) {
  std::vector<std::string> out;
  for (const std::string& name : names) {
    out.push_back(name.empty() ? "(null partition)" : ShortName(name));
  }
  return out.empty() ? "none" : absl::StrJoin(out, ", ");
}

// "peers/gw" of "tenants/default/peers/gw": kind and name.
std::string Tail(const std::string& name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  if (parts.size() < 2) return name;
  return absl::StrCat(parts[parts.size() - 2], "/", parts.back());
}

std::string Indented(const std::string& text) {
  std::string out;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (const std::string& line : lines) {
    if (!line.empty()) absl::StrAppend(&out, "    ", line, "\n");
  }
  return out;
}

std::string LookupText(const pb::RouteLookup& lookup, int number) {
  std::string out = absl::StrCat(
      "\nLookup ", number, " of ", lookup.number(),
      "\n  Calling search spaces: ", ShortNames(lookup.calling_search_spaces()),
      "\n  Partitions: ", ShortNames(lookup.partitions()), "\n");
  Table candidates(
      {"", "PATTERN", "RESOURCE", "PARTITION", "MATCHES", "OUTCOME", "WHY"});
  for (const pb::RouteCandidate& candidate : lookup.candidates()) {
    const bool chosen = candidate.outcome() == pb::CANDIDATE_OUTCOME_CHOSEN;
    candidates.AddRow(
        {chosen ? "->" : "", candidate.pattern(), Tail(candidate.resource()),
         candidate.partition().empty() ? "(null)"
                                       : ShortName(candidate.partition()),
         candidate.match_count(), FieldText(candidate, "outcome"),
         candidate.explanation()});
  }
  if (candidates.rows() == 0) {
    absl::StrAppend(&out, "  No pattern came near.\n");
  } else {
    absl::StrAppend(&out, "  Candidates:\n", Indented(candidates.ToString()));
  }
  Table steps({"PARTY", "CHANGE", "BEFORE", "AFTER", "BY"});
  for (const pb::TransformationStep& step : lookup.steps()) {
    steps.AddRow({step.party(), step.operation(), step.before(), step.after(),
                  Tail(step.resource())});
  }
  if (steps.rows() != 0) {
    absl::StrAppend(&out, "  Changes:\n", Indented(steps.ToString()));
  }
  return out;
}

}  // namespace

std::string RouteText(const pb::ResolveRouteResponse& route) {
  std::string out = absl::StrCat("Decision: ", FieldText(route, "decision"));
  if (!route.reason().empty()) absl::StrAppend(&out, " [", route.reason(), "]");
  absl::StrAppend(&out, "\n");
  if (!route.explanation().empty()) {
    absl::StrAppend(&out, "  ", Printable(route.explanation()), "\n");
  }
  if (!route.matched_resource().empty()) {
    absl::StrAppend(&out, "Matched: ", route.matched_pattern(), " (",
                    Tail(route.matched_resource()), ")\n");
  }
  if (!route.called_number().empty()) {
    absl::StrAppend(&out, "Called number: ", Printable(route.called_number()),
                    "\n");
  }
  if (!route.calling_number().empty()) {
    absl::StrAppend(&out, "Calling number: ", Printable(route.calling_number()),
                    "\n");
  }
  const std::string toll = FieldText(route, "toll_class");
  if (!toll.empty()) absl::StrAppend(&out, "Toll class: ", toll, "\n");
  if (route.cause() != 0) {
    absl::StrAppend(&out, "Release cause: ", route.cause(), "\n");
  }
  for (const pb::Redirection& redirection : route.redirections()) {
    absl::StrAppend(&out, "Sent on: by ", Tail(redirection.resource()), " (",
                    Printable(redirection.number()), "), ",
                    FieldText(redirection, "reason"), "\n");
  }
  if (!route.mailbox().empty()) {
    absl::StrAppend(&out, "Mailbox: ", Printable(route.mailbox()), "\n");
  }
  const std::string lamp = FieldText(route, "message_waiting");
  if (!lamp.empty()) absl::StrAppend(&out, "Message waiting: ", lamp, "\n");
  if (route.has_interdigit_timeout()) {
    absl::StrAppend(&out, "Waits for the next digit: ",
                    FieldText(route, "interdigit_timeout"), "\n");
  }
  absl::StrAppend(&out, "Configuration version: ", route.version(), "\n");

  int number = 0;
  for (const pb::RouteLookup& lookup : route.lookups()) {
    absl::StrAppend(&out, LookupText(lookup, ++number));
  }

  Table targets({"TRY", "TO", "HOST", "PORT", "TRANSPORT", "DIAL PLAN",
                 "SECURITY", "CALLED", "CALLING", "SHOWN", "CERTIFICATE NAMES",
                 "SERVER GROUP", "LINE GROUP", "HUNTING"});
  for (int i = 0; i < route.targets_size(); ++i) {
    const pb::RouteTarget& target = route.targets(i);
    targets.AddRow(
        {absl::StrCat(i + 1), Tail(FieldText(target, "destination")),
         target.host(), target.port() == 0 ? "" : absl::StrCat(target.port()),
         FieldText(target, "transport"), ShortName(target.dial_plan()),
         FieldText(target, "security_mode"), target.called_number(),
         target.calling_number(),
         target.restrict_presentation() ? "withheld" : "",
         absl::StrJoin(target.expected_subject_names(), ", "),
         ShortName(target.server_group()), ShortName(target.line_group()),
         FieldText(target, "hunt_algorithm")});
  }
  if (targets.rows() != 0) {
    absl::StrAppend(&out, "\nTargets:\n", Indented(targets.ToString()));
  }
  Table skipped({"PEER", "REASON", "WHY"});
  for (const pb::SkippedTarget& target : route.skipped_targets()) {
    skipped.AddRow({Tail(target.peer()), target.reason(),
                    Printable(target.explanation())});
  }
  if (skipped.rows() != 0) {
    absl::StrAppend(&out, "\nPassed over:\n", Indented(skipped.ToString()));
  }
  return out;
}

bool SetSource(const std::string& from, const std::string& tenant,
               pb::ResolveRouteRequest* request) {
  if (from.empty()) return false;
  const std::vector<std::string> parts = absl::StrSplit(from, '/');
  if (parts.size() == 1) {
    request->set_number(from);
    return true;
  }
  const ResourceKind* const kind = FindKind(parts[parts.size() - 2]);
  if (kind == nullptr || parts.back().empty()) return false;
  const std::string name =
      parts.size() == 2 ? FullName(*kind, tenant, parts.back()) : from;
  if (kind->name == "User") {
    request->set_user(name);
  } else if (kind->name == "Phone") {
    request->set_phone(name);
  } else if (kind->name == "Line") {
    request->set_line(name);
  } else if (kind->name == "Peer") {
    request->set_peer(name);
  } else if (kind->name == "CallingSearchSpace") {
    request->set_calling_search_space(name);
  } else {
    return false;
  }
  return true;
}

bool SetForward(const std::string& by, const std::string& reason,
                const std::string& tenant, pb::ResolveRouteRequest* request) {
  const std::vector<std::string> parts = absl::StrSplit(by, '/');
  if (parts.size() < 2 || parts.back().empty()) return false;
  const ResourceKind* const kind = FindKind(parts[parts.size() - 2]);
  if (kind == nullptr || (kind->name != "Line" && kind->name != "HuntPilot")) {
    return false;
  }
  pb::ForwardReason value = pb::FORWARD_REASON_UNSPECIFIED;
  std::string name =
      absl::StrCat("FORWARD_REASON_",
                   absl::AsciiStrToUpper(reason.empty() ? "all" : reason));
  std::replace(name.begin(), name.end(), '-', '_');
  if (!pb::ForwardReason_Parse(name, &value) ||
      value == pb::FORWARD_REASON_UNSPECIFIED) {
    return false;
  }
  request->set_forwarded_by(
      parts.size() == 2 ? FullName(*kind, tenant, parts.back()) : by);
  request->set_forward_reason(value);
  return true;
}

}  // namespace sallyport::cli
