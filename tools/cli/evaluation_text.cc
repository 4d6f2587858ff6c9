#include "tools/cli/evaluation_text.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "tools/cli/field_text.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::dialplan::v1;

std::string SourceOf(const pb::ResolveRouteRequest& attempt) {
  switch (attempt.source_case()) {
    case pb::ResolveRouteRequest::kUser:
      return "user/" + ShortName(attempt.user());
    case pb::ResolveRouteRequest::kPhone:
      return "phone/" + ShortName(attempt.phone());
    case pb::ResolveRouteRequest::kLine:
      return "line/" + ShortName(attempt.line());
    case pb::ResolveRouteRequest::kPeer:
      return "peer/" + ShortName(attempt.peer());
    case pb::ResolveRouteRequest::kCallingSearchSpace:
      return "css/" + ShortName(attempt.calling_search_space());
    case pb::ResolveRouteRequest::kNumber:
      return attempt.number();
    case pb::ResolveRouteRequest::SOURCE_NOT_SET:
      break;
  }
  return "anybody";
}

// "ROUTED 12025550123 to peers/gw (SECURED) by out", "BLOCKED
// [PATTERN_BLOCKED] by premium".
std::string DecisionText(const pb::ResolveRouteResponse& decision) {
  std::string out = FieldText(decision, "decision");
  if (!decision.reason().empty()) {
    absl::StrAppend(&out, " [", decision.reason(), "]");
  }
  for (const pb::RouteTarget& target : decision.targets()) {
    std::string where = FieldText(target, "destination");
    const size_t tenant = where.find('/', sizeof("tenants/") - 1);
    if (tenant != std::string::npos) where.erase(0, tenant + 1);
    absl::StrAppend(&out, " ", target.called_number(), " to ", where, " (",
                    FieldText(target, "security_mode"), ")");
  }
  if (!decision.matched_resource().empty()) {
    absl::StrAppend(&out, " by ", ShortName(decision.matched_resource()));
  }
  return out;
}

}  // namespace

std::string EvaluationText(const pb::EvaluateChangeResponse& evaluation) {
  std::string out;
  if (evaluation.violations_size() > 0) {
    Table table({"FIELD", "FAULT"});
    for (const auto& violation : evaluation.violations()) {
      table.AddRow({violation.field(), violation.description()});
    }
    return absl::StrCat("The change would be refused:\n", table.ToString());
  }
  Table table({"FROM", "DIALS", "NOW", "THEN"});
  for (const pb::DecisionChange& change : evaluation.decision_changes()) {
    table.AddRow({SourceOf(change.attempt()), change.attempt().called_number(),
                  DecisionText(change.before()), DecisionText(change.after())});
  }
  out = table.ToString();
  const int changes = evaluation.decision_changes_size() +
                      static_cast<int>(evaluation.decision_changes_left_out());
  absl::StrAppend(&out, changes, " of ", evaluation.attempts_evaluated(),
                  " attempts would be decided otherwise");
  if (evaluation.decision_changes_left_out() > 0) {
    absl::StrAppend(&out, ", ", evaluation.decision_changes_left_out(),
                    " of them not shown");
  }
  absl::StrAppend(&out, "\n");
  for (const pb::AttemptSource& source : evaluation.sources()) {
    absl::StrAppend(&out, Printable(source.edge()), ": ");
    if (source.error().empty()) {
      absl::StrAppend(&out, source.attempts(), " calls, complete since ",
                      FieldText(source, "complete_since_time"), "\n");
    } else {
      absl::StrAppend(
          &out, "its calls are missing: ", Printable(source.error()), "\n");
    }
  }
  return out;
}

}  // namespace sallyport::cli
