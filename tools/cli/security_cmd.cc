#include "tools/cli/security_cmd.h"

#include <algorithm>
#include <memory>
#include <string>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "sallyport/dialplan/v1/readiness.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/error_text.h"
#include "tools/cli/render.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::dialplan::v1;

struct TestOptions {
  std::string peer;
  bool secured = false;
  bool clear = false;
  bool media_secured = false;
  std::string edge;
  std::string phone;
};

// A report that waits for services which may be gone takes its time.
constexpr absl::Duration kPatience = absl::Seconds(15);

absl::Status Call(CliContext& context, const std::string& method,
                  const google::protobuf::Message& request,
                  google::protobuf::Message* response) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(Endpoint endpoint, clients->First("dialplan"));
  endpoint.timeout = std::max(endpoint.timeout, kPatience);
  const google::protobuf::MethodDescriptor* const descriptor =
      google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
          "sallyport.dialplan.v1.DialplanService." + method);
  return CallUnary(endpoint, *descriptor, request, response);
}

template <typename Findings>
void AddFindings(const Findings& findings, Table& table) {
  for (const pb::SecurityFinding& finding : findings) {
    table.AddRow({"", finding.good() ? "ok" : "MISSING", finding.component(),
                  finding.detail()});
  }
}

absl::Status RunTest(CliContext& context, const TestOptions& options) {
  if (options.secured && options.clear) {
    return UsageError("--secured and --clear exclude each other");
  }
  if (options.media_secured && options.clear) {
    return UsageError("--media-secured needs --secured");
  }
  if (!options.phone.empty() && !options.media_secured) {
    return UsageError("--phone needs --media-secured");
  }
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  const ResourceKind* const kind = FindKind("peer");
  pb::TestConnectivityRequest request;
  request.set_peer(FullName(*kind, tenant, options.peer));
  request.set_secured(!options.clear);
  request.set_media_secured(options.media_secured);
  request.set_edge(options.edge);
  request.set_phone(options.phone);
  pb::TestConnectivityResponse answer;
  SP_RETURN_IF_ERROR(Call(context, "TestConnectivity", request, &answer));
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(answer, context.format, "");
  } else {
    Table table({"STEP", "RESULT", "DETAIL"});
    for (const pb::ConnectivityStep& step : answer.steps()) {
      table.AddRow(
          {step.step(), step.succeeded() ? "ok" : "FAILED", step.detail()});
    }
    for (const pb::ServerConnectivity& server : answer.servers()) {
      table.AddRow({absl::StrCat(server.host(), ":", server.port()),
                    server.succeeded() ? "ok" : "FAILED",
                    server.disabled() ? "disabled: takes no calls" : ""});
      for (const pb::ConnectivityStep& step : server.steps()) {
        table.AddRow({absl::StrCat("  ", step.step()),
                      step.succeeded() ? "ok" : "FAILED", step.detail()});
      }
    }
    context.out() << table.ToString()
                  << (answer.succeeded() ? "The peer can be reached"
                                         : "The peer cannot be reached")
                  << " from " << answer.edge() << " ("
                  << absl::ToInt64Milliseconds(FromProto(answer.latency()))
                  << " ms)\n";
  }
  if (answer.succeeded()) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kFailedPrecondition, answer.reason(),
      absl::StrCat(ShortName(request.peer()), " did not answer as it should"));
}

absl::Status RunReadiness(CliContext& context, const std::string& plan) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  pb::GetSecurityReadinessRequest request;
  request.set_name(FullName(*FindKind("dial-plan"), tenant, plan));
  pb::SecurityReadiness answer;
  SP_RETURN_IF_ERROR(Call(context, "GetSecurityReadiness", request, &answer));
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(answer, context.format, "");
    return absl::OkStatus();
  }
  Table table({"STEP", "STATE", "WHAT", "DETAIL"});
  int number = 0;
  for (const pb::ReadinessStep& step : answer.steps()) {
    table.AddRow({absl::StrCat(++number), step.done() ? "done" : "NOT DONE",
                  step.title(), ""});
    AddFindings(step.findings(), table);
  }
  context.out() << table.ToString()
                << (answer.ready() ? "All five securing steps are done.\n"
                                   : "Not all securing steps are done.\n");
  return absl::OkStatus();
}

absl::Status RunThreats(CliContext& context) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.TenantName());
  pb::ListThreatsRequest request;
  request.set_parent(tenant);
  pb::ListThreatsResponse answer;
  SP_RETURN_IF_ERROR(Call(context, "ListThreats", request, &answer));
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(answer, context.format, "");
    return absl::OkStatus();
  }
  Table table({"THREAT", "MITIGATED", "WHAT", "DETAIL"});
  for (const pb::Threat& threat : answer.threats()) {
    table.AddRow({threat.title(), threat.active() ? "yes" : "NO",
                  threat.mitigation(), ""});
    AddFindings(threat.findings(), table);
  }
  context.out() << table.ToString();
  return absl::OkStatus();
}

std::string MethodText(pb::LinkMethod method) {
  switch (method) {
    case pb::LINK_METHOD_NONE:
      return "NONE: in clear";
    case pb::LINK_METHOD_MUTUAL_TLS:
      return "mutual TLS";
    case pb::LINK_METHOD_TLS_AND_DIGEST:
      return "TLS, digest";
    case pb::LINK_METHOD_IPSEC:
      return "IPsec";
    case pb::LINK_METHOD_SRTP:
      return "SRTP";
    default:
      return "";
  }
}

absl::Status RunLinks(CliContext& context) {
  pb::ListLinksRequest request;
  SP_ASSIGN_OR_RETURN(*request.mutable_parent(), context.TenantName());
  request.set_page_size(1000);
  pb::ListLinksResponse answer;
  do {
    pb::ListLinksResponse page;
    SP_RETURN_IF_ERROR(Call(context, "ListLinks", request, &page));
    answer.mutable_links()->MergeFrom(page.links());
    answer.set_preference(page.preference());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(answer, context.format, "");
    return absl::OkStatus();
  }
  Table table({"LINK", "BETWEEN", "SIGNALLING", "MEDIA", "SCENARIO", "DETAIL"});
  for (const pb::Link& link : answer.links()) {
    table.AddRow({link.kind(), link.component(), MethodText(link.signalling()),
                  MethodText(link.media()), link.scenario(), link.detail()});
  }
  context.out() << table.ToString() << answer.preference() << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddSecurityCommands(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<TestOptions>();
  CLI::App* const test = app.add_subcommand(
      "test-connectivity",
      "Tries to reach a peer from an edge, step by step (Test-UMConnectivity)");
  test->add_option("peer", options->peer, "Peer, by name")->required();
  test->add_flag("--secured", options->secured,
                 "Over mutual TLS; also without this option");
  test->add_flag("--clear", options->clear, "Without TLS (-Secured:false)");
  test->add_flag("--media-secured", options->media_secured,
                 "Also offers SRTP, by a call that is given up at once");
  test->add_option(
      "--phone", options->phone,
      "Number that this call is for, as the peer knows it (-Phone)");
  test->add_option("--edge", options->edge,
                   "Edge that makes the test, by instance id or target");
  test->callback(
      [&context, options] { context.result = RunTest(context, *options); });

  const auto plan = std::make_shared<std::string>();
  CLI::App* const readiness = app.add_subcommand(
      "readiness",
      "Says which of the five securing steps of a dial plan are "
      "done, and what is missing");
  readiness->add_option("plan", *plan, "Dial plan, by name")->required();
  readiness->callback(
      [&context, plan] { context.result = RunReadiness(context, *plan); });

  CLI::App* const threats = app.add_subcommand(
      "threats", "Lists the threats and the mitigations that are in force");
  threats->callback([&context] { context.result = RunThreats(context); });

  CLI::App* const links = app.add_subcommand(
      "links",
      "Lists every kind of link and the method that protects it: mutual TLS, "
      "SRTP, IPsec, or nothing");
  links->callback([&context] { context.result = RunLinks(context); });
}

}  // namespace sallyport::cli
