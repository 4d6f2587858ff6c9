#include "tools/cli/explain_route_cmd.h"

#include <memory>
#include <string>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "sallyport/dialplan/v1/resolve_route.pb.h"
#include "sallyport/signaling_edge/v1/edge_status.pb.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/attempts.h"
#include "tools/cli/error_text.h"
#include "tools/cli/input_file.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/route_questions.h"
#include "tools/cli/route_text.h"

namespace sallyport::cli {
namespace {

struct RouteOptions {
  std::string from;
  std::string to;
  std::string calling_number;
  std::string forwarded_by;
  std::string forward_reason;
  std::string attempts_file;
  bool edge = false;
  bool overlap = false;
};

absl::Status CallByName(CliContext& context, const std::string& service,
                        const std::string& method,
                        const google::protobuf::Message& request,
                        google::protobuf::Message* response) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First(service));
  const google::protobuf::MethodDescriptor* const descriptor =
      google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
          method);
  return CallUnary(endpoint, *descriptor, request, response);
}

// A file of questions: a line each, by one stream.
absl::Status RunMany(CliContext& context, const RouteOptions& options) {
  if (!options.from.empty() || !options.to.empty() || options.edge) {
    return UsageError("--attempts goes without --from, --to and --edge");
  }
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  SP_ASSIGN_OR_RETURN(const std::string text,
                      ReadInputFile(options.attempts_file));
  SP_ASSIGN_OR_RETURN(const auto questions,
                      ParseAttempts(text, tenant, options.attempts_file));
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First("dialplan"));
  SP_ASSIGN_OR_RETURN(const auto results, AskRoutes(endpoint, questions));
  if (context.format == OutputFormat::kTable) {
    context.out() << RoutesText(questions, results);
  } else {
    dialplan::v1::ResolveRoutesResponse all;
    all.mutable_results()->Add(results.begin(), results.end());
    context.out() << RenderOne(all, context.format, "");
  }
  return absl::OkStatus();
}

absl::Status RunExplainRoute(CliContext& context, const RouteOptions& options) {
  if (!options.attempts_file.empty()) return RunMany(context, options);
  if (options.from.empty() || options.to.empty()) {
    return UsageError("give --from and --to, or --attempts");
  }
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  dialplan::v1::ResolveRouteRequest request;
  request.set_parent(absl::StrCat("tenants/", tenant));
  request.set_called_number(options.to);
  request.set_calling_number(options.calling_number);
  request.set_overlap(options.overlap);
  request.set_explain(true);
  if (!SetSource(options.from, tenant, &request)) {
    return UsageError(
        "--from is user/NAME, phone/NAME, line/NAME, peer/NAME, "
        "css/NAME or a number");
  }
  if (!options.forwarded_by.empty() &&
      !SetForward(options.forwarded_by, options.forward_reason, tenant,
                  &request)) {
    return UsageError(
        "--forwarded-by is line/NAME or hunt-pilot/NAME, --on is all, busy, "
        "no-answer or unregistered");
  }
  dialplan::v1::ResolveRouteResponse route;
  if (options.edge) {
    signaling_edge::v1::ExplainRouteRequest wrapped;
    *wrapped.mutable_request() = request;
    signaling_edge::v1::ExplainRouteResponse answer;
    SP_RETURN_IF_ERROR(CallByName(
        context, "signaling_edge",
        "sallyport.signaling_edge.v1.SignalingEdgeService.ExplainRoute",
        wrapped, &answer));
    route = answer.route();
    for (const auto& [target, reason] : answer.unavailable_targets()) {
      context.err() << "cannot take the call now: " << target << " [" << reason
                    << "]\n";
    }
  } else {
    SP_RETURN_IF_ERROR(CallByName(
        context, "dialplan",
        "sallyport.dialplan.v1.DialplanService.ResolveRoute", request, &route));
  }
  context.out() << (context.format == OutputFormat::kTable
                        ? RouteText(route)
                        : RenderOne(route, context.format, ""));
  return absl::OkStatus();
}

}  // namespace

void AddExplainRouteCommand(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<RouteOptions>();
  CLI::App* const command = app.add_subcommand(
      "explain-route", "Says how a number would be routed, and why");
  command->add_option(
      "--from", options->from,
      "user/NAME, phone/NAME, line/NAME, peer/NAME, css/NAME, or a number");
  command->add_option("--to", options->to, "Number as dialled, or user@host");
  command->add_option("--attempts", options->attempts_file,
                      "Many calls: a YAML list of {from, to}; - is standard "
                      "input. One line each");
  command->add_option("--calling-number", options->calling_number,
                      "Instead of the caller's own");
  command->add_flag("--edge", options->edge,
                    "By what is in force at the edge, not by what is stored");
  command->add_option(
      "--forwarded-by", options->forwarded_by,
      "line/NAME or hunt-pilot/NAME that did not take the call");
  command->add_option("--on", options->forward_reason,
                      "Why it did not: all, busy, no-answer, unregistered");
  command->add_flag("--overlap", options->overlap, "More digits may follow");
  command->callback([&context, options] {
    context.result = RunExplainRoute(context, *options);
  });
}

}  // namespace sallyport::cli
