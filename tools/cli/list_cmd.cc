#include "tools/cli/list_cmd.h"

#include <memory>
#include <utility>
#include <vector>

#include "CLI/Option.hpp"
#include "sallyport/signaling_edge/v1/edge_status.pb.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/columns.h"
#include "tools/cli/error_text.h"
#include "tools/cli/refusal_text.h"
#include "tools/cli/resource_calls.h"
#include "tools/cli/service_status.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::Message;

// Commands that are the list of one kind.
struct ListCommand {
  const char* name;
  const char* kind;
  const char* help;
};
constexpr ListCommand kListCommands[] = {
    {"connections", "Connection",
     "SIP connections: peer, verified identity, TLS"},
    {"calls", "Call", "Calls, live and just ended"},
    {"registrations", "Registration", "Contacts of users"},
    {"refusals", "Refusal", "What was refused lately, and why"},
    {"trunks", "PeerState", "Peers as the edges see them"},
    {"allocations", "Allocation", "TURN allocations"},
    {"keys", "Key", "Keys of the credential issuer, without secrets"},
    {"certificates", "Certificate", "Issued certificates"},
    {"enrollments", "Enrollment", "Phones and their certificate operation"},
};

}  // namespace

void AddListOptions(CLI::App& command, ListOptions& options) {
  command.add_option("--parent", options.parent,
                     "List below this name instead of the tenant");
  command.add_option("--filter", options.filter, "Filter of the API");
  command.add_option("--limit", options.limit, "Most to show of an instance");
}

namespace {

// CCE-56: the sums below the list.
void PrintTotals(CliContext& context, const std::vector<Endpoint>& endpoints) {
  for (const Endpoint& endpoint : endpoints) {
    const auto status = GetServiceStatus(endpoint);
    if (!status.ok()) continue;
    const auto* const edge =
        dynamic_cast<const signaling_edge::v1::EdgeStatus*>(status->get());
    if (edge == nullptr) continue;
    const auto& totals = edge->connection_totals();
    context.out() << endpoint.target << ": active " << totals.active_tls()
                  << " TLS, " << totals.active_tcp() << " TCP; opened "
                  << totals.opened() << "; send failures "
                  << totals.send_failures() << "; closed by the far side "
                  << totals.remote_closures() << "\n";
  }
}

}  // namespace

absl::Status ListAndPrint(CliContext& context, const ResourceKind& kind,
                          const ListOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.TenantName());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const std::vector<Endpoint> endpoints,
                      clients->All(kind.service));
  ResourceList all;
  absl::Status failed;
  for (const Endpoint& endpoint : endpoints) {
    auto some = ListResources(endpoint, kind,
                              options.parent.empty() ? tenant : options.parent,
                              options.filter, options.limit);
    if (!some.ok()) {
      if (endpoints.size() > 1) {
        context.err() << endpoint.service << " at " << endpoint.target << ":\n";
      }
      if (failed.ok()) failed = some.status();
      continue;
    }
    for (auto& one : *some) all.push_back(std::move(one));
  }
  std::vector<const Message*> messages;
  for (const auto& one : all) messages.push_back(one.get());
  std::string text;
  if (options.text && context.format == OutputFormat::kTable) {
    for (const Message* one : messages) text += options.text(*one);
  } else {
    text =
        RenderList(messages, context.format, kind,
                   options.columns.empty() ? ColumnsOf(kind) : options.columns);
  }
  context.out() << text;
  if (kind.name == "Connection" && context.format == OutputFormat::kTable) {
    PrintTotals(context, endpoints);
  }
  if (failed.ok() && text.empty()) {
    context.err() << "no " << SnakeCase(kind.plural) << "\n";
  }
  return failed;
}

void AddListCommands(CLI::App& app, CliContext& context) {
  for (const ListCommand& list : kListCommands) {
    const auto options = std::make_shared<ListOptions>();
    CLI::App* const command = app.add_subcommand(list.name, list.help);
    AddListOptions(*command, *options);
    const std::string kind = list.kind;
    if (kind == "Refusal") {
      command->add_flag_callback(
          "--explain", [options] { options->text = RefusalText; },
          "Each with all that is known of it: the checks in order, who was "
          "expected, the call");
    }
    command->callback([&context, options, kind] {
      context.result = ListAndPrint(context, *FindKind(kind), *options);
    });
  }
  // CCE-63: calls of their own kind.
  const auto options = std::make_shared<ListOptions>();
  CLI::App* const queues = app.add_subcommand(
      "queues", "Callers who wait at hunt pilots, and for how long");
  AddListOptions(*queues, *options);
  options->columns = {{"QUEUE", "queue"},
                      {"POSITION", "queue_position"},
                      {"CALL", "name"},
                      {"FROM", "legs.0.party"},
                      {"WAITING", "queue_time"}};
  queues->callback([&context, options] {
    const std::string waiting = "state = CALL_STATE_QUEUED";
    options->filter =
        options->filter.empty() ? waiting : waiting + " AND " + options->filter;
    context.result = ListAndPrint(context, *FindKind("Call"), *options);
  });
}

}  // namespace sallyport::cli
