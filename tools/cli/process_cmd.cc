#include "tools/cli/process_cmd.h"

#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "sallyport/capf/v1/capf_status.pb.h"
#include "sallyport/media_relay/v1/relay_status.pb.h"
#include "sallyport/signaling_edge/v1/edge_status.pb.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/error_text.h"
#include "tools/cli/field_text.h"
#include "tools/cli/port_rules.h"
#include "tools/cli/render.h"
#include "tools/cli/service_status.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::common::v1;

// Asks every configured instance. Those that do not answer are named on the
// error stream, and make the command fail at its end.
absl::Status ForEach(CliContext& context,
                     const std::function<absl::Status(const Endpoint&)>& ask) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  bool failed = false;
  for (const char* const service : kServiceNames) {
    const auto endpoints = clients->All(service);
    if (!endpoints.ok()) continue;
    for (const Endpoint& endpoint : *endpoints) {
      const absl::Status status = ask(endpoint);
      if (status.ok()) continue;
      context.err() << service << " at " << endpoint.target << ":\n"
                    << ErrorText(status);
      failed = true;
    }
  }
  if (!failed) return absl::OkStatus();
  return MakeError(absl::StatusCode::kUnavailable, "STATUS_INCOMPLETE",
                   "not every service answered");
}

// The processes, by `add` in a table or whole in another format. The answer is
// printed although one of them failed.
absl::Status Print(CliContext& context, std::vector<std::string> headers,
                   const char* if_empty,
                   const std::function<void(const Endpoint&, const pb::Process&,
                                            Table&)>& add) {
  Table table(std::move(headers));
  std::vector<std::string> members;
  const absl::Status status =
      ForEach(context, [&](const Endpoint& endpoint) -> absl::Status {
        SP_ASSIGN_OR_RETURN(const pb::Process process, GetProcess(endpoint));
        add(endpoint, process, table);
        members.push_back(absl::StrCat("{\"service\": \"", endpoint.service,
                                       "\", \"process\": ", ToJson(process),
                                       "}"));
        return absl::OkStatus();
      });
  if (context.format != OutputFormat::kTable) {
    context.out() << "{\"processes\": [" << absl::StrJoin(members, ",\n")
                  << "]}\n";
  } else {
    context.out() << (table.rows() == 0 ? if_empty : table.ToString());
  }
  return status;
}

absl::Status Listeners(CliContext& context) {
  return Print(
      context, {"SERVICE", "INSTANCE", "PROTOCOL", "ADDRESS", "PORTS"},
      "nobody listens\n",
      [](const Endpoint& endpoint, const pb::Process& process, Table& table) {
        for (const pb::ProcessListener& one : process.listeners()) {
          table.AddRow(
              {endpoint.service, process.instance(), one.protocol(),
               one.address(),
               one.first_port() == one.last_port()
                   ? absl::StrCat(one.first_port())
                   : absl::StrCat(one.first_port(), "-", one.last_port())});
        }
      });
}

absl::Status Restarts(CliContext& context) {
  return Print(
      context,
      {"SERVICE", "INSTANCE", "SETTING", "ACTIVE", "CONFIGURED", "SINCE"},
      "every setting is in force\n",
      [](const Endpoint& endpoint, const pb::Process& process, Table& table) {
        const std::string since = FieldText(process, "configuration_time");
        for (const pb::WaitingSetting& one : process.waiting_settings()) {
          table.AddRow(
              {endpoint.service, process.instance(), one.field(),
               one.active_value().empty() ? "(not set)" : one.active_value(),
               one.configured_value().empty() ? "(not set)"
                                              : one.configured_value(),
               since});
        }
        if (!process.refused_configuration().empty()) {
          table.AddRow({endpoint.service, process.instance(), "(the file)",
                        "(as before)",
                        "refused: " + process.refused_configuration(), since});
        }
      });
}

absl::Status Ports(CliContext& context) {
  Table table({"SERVICE", "TRANSPORT", "DIRECTION", "ADDRESS", "PORTS",
               "FAR SIDE", "WHY"});
  const absl::Status status =
      ForEach(context, [&](const Endpoint& endpoint) -> absl::Status {
        std::vector<PortRule> rules;
        SP_ASSIGN_OR_RETURN(const auto answer, GetServiceStatus(endpoint));
        if (const auto* relay =
                dynamic_cast<media_relay::v1::RelayStatus*>(answer.get())) {
          rules = RelayPortRules(*relay);
        } else if (const auto* edge =
                       dynamic_cast<signaling_edge::v1::EdgeStatus*>(
                           answer.get())) {
          rules = EdgePortRules(*edge);
        } else if (const auto* capf =
                       dynamic_cast<capf::v1::CapfStatus*>(answer.get())) {
          rules = CapfPortRules(*capf);
        }
        for (const PortRule& rule : rules) {
          table.AddRow({endpoint.service, rule.transport, rule.direction,
                        rule.address, rule.ports, rule.far_side, rule.why});
        }
        return absl::OkStatus();
      });
  context.out() << table.ToString() << "\n" << PortGuidance();
  return status;
}

}  // namespace

absl::StatusOr<pb::Process> GetProcess(const Endpoint& endpoint) {
  const google::protobuf::MethodDescriptor* const method =
      pb::Process::descriptor()
          ->file()
          ->FindServiceByName("ProcessService")
          ->FindMethodByName("GetProcess");
  pb::Process process;
  SP_RETURN_IF_ERROR(
      CallUnary(endpoint, *method, pb::GetProcessRequest(), &process));
  return process;
}

void AddProcessCommands(CLI::App& app, CliContext& context) {
  const auto add = [&](const char* name, const char* help,
                       absl::Status (*run)(CliContext&)) {
    app.add_subcommand(name, help)->callback([&context, run] {
      context.result = run(context);
    });
  };
  add("listeners", "Every socket that the services listen on", Listeners);
  add("restarts",
      "Settings whose configured and active values differ until a service "
      "restarts",
      Restarts);
  add("ports", "What a firewall has to let through, and why", Ports);
}

}  // namespace sallyport::cli
