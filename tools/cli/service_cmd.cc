#include "tools/cli/service_cmd.h"

#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/util/message_differencer.h"
#include "sallyport/common/v1/process_service.pb.h"
#include "sallyport/dialplan/v1/tls_context.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/confirmation.h"
#include "tools/cli/error_text.h"
#include "tools/cli/process_cmd.h"
#include "tools/cli/resource_calls.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/service_status.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::common::v1;
using ::google::protobuf::Message;
using Context = ::sallyport::dialplan::v1::TlsContext;

// What holds the TLS contexts of peers, by the name that it has elsewhere.
constexpr char kSipProxy[] = "sip-proxy";
constexpr absl::Duration kPoll = absl::Milliseconds(200);
// Beyond the drain timeout of most configurations.
constexpr absl::Duration kPatience = absl::Seconds(90);

struct ServiceOptions {
  std::vector<std::string> names;
  std::string target;
};

bool Waits(const Context& context) {
  return !google::protobuf::util::MessageDifferencer::Equals(
      context.configured(), context.active());
}

absl::StatusOr<std::vector<Context>> Contexts(CliContext& context) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.TenantName());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First("dialplan"));
  SP_ASSIGN_OR_RETURN(
      const ResourceList all,
      ListResources(endpoint, *FindKind("tls-context"), tenant, "", 0));
  std::vector<Context> out;
  for (const auto& one : all) {
    out.push_back(dynamic_cast<const Context&>(*one));
  }
  return out;
}

// IMP-42: what is configured comes into force.
absl::Status ActivateContexts(CliContext& context) {
  SP_ASSIGN_OR_RETURN(const std::vector<Context> contexts, Contexts(context));
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First("dialplan"));
  size_t changed = 0;
  for (Context one : contexts) {
    if (!Waits(one)) continue;
    one.set_restart_mark(absl::FormatTime(absl::Now(), absl::UTCTimeZone()));
    SP_RETURN_IF_ERROR(UpdateResource(endpoint, *FindKind("tls-context"), one,
                                      {"restart_mark"}, false)
                           .status());
    context.out() << one.name() << ": in force\n";
    ++changed;
  }
  if (changed == 0) context.out() << "no TLS context waits\n";
  return absl::OkStatus();
}

absl::StatusOr<pb::Process> Call(const Endpoint& endpoint,
                                 const std::string& name) {
  const auto* const service =
      pb::Process::descriptor()->file()->FindServiceByName("ProcessService");
  pb::Process process;
  if (name == "RestartProcess") {
    SP_RETURN_IF_ERROR(CallUnary(endpoint, *service->FindMethodByName(name),
                                 pb::RestartProcessRequest(), &process));
  } else if (name == "StopProcess") {
    SP_RETURN_IF_ERROR(CallUnary(endpoint, *service->FindMethodByName(name),
                                 pb::StopProcessRequest(), &process));
  } else {
    SP_RETURN_IF_ERROR(CallUnary(endpoint, *service->FindMethodByName(name),
                                 pb::StartProcessRequest(), &process));
  }
  return process;
}

// CCE-29: asks, and waits until it is there again.
absl::Status Change(CliContext& context, const Endpoint& endpoint,
                    const std::string& method) {
  SP_ASSIGN_OR_RETURN(const pb::Process before, Call(endpoint, method));
  context.out() << endpoint.service << " " << before.instance() << " at "
                << endpoint.target << ": " << std::flush;
  const absl::Time give_up = absl::Now() + kPatience;
  absl::Status last;
  while (absl::Now() < give_up) {
    absl::SleepFor(kPoll);
    const absl::StatusOr<pb::Process> now = GetProcess(endpoint);
    last = now.status();
    if (!now.ok() ||
        FromProto(now->start_time()) == FromProto(before.start_time())) {
      continue;
    }
    context.out() << (now->stopped() ? "stopped\n" : "started\n");
    return absl::OkStatus();
  }
  context.out() << "not yet\n";
  return MakeError(absl::StatusCode::kDeadlineExceeded, "CHANGE_NOT_SEEN",
                   absl::StrCat(endpoint.service, " at ", endpoint.target,
                                " has not come back: ", last.message()));
}

absl::Status ChangeAll(CliContext& context, const ServiceOptions& options,
                       const std::string& method) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  for (const std::string& name : options.names) {
    if (name == kSipProxy) {
      if (method == "StopProcess") {
        return MakeError(absl::StatusCode::kInvalidArgument,
                         "SERVICE_NOT_A_PROCESS",
                         "sip-proxy cannot be stopped: the process is "
                         "signaling_edge");
      }
      SP_RETURN_IF_ERROR(ActivateContexts(context));
      continue;
    }
    SP_ASSIGN_OR_RETURN(const std::vector<Endpoint> all, clients->All(name));
    bool found = false;
    for (const Endpoint& endpoint : all) {
      if (!options.target.empty() && endpoint.target != options.target) {
        continue;
      }
      found = true;
      SP_RETURN_IF_ERROR(Change(context, endpoint, method));
    }
    if (!found) {
      return MakeError(absl::StatusCode::kNotFound, "INSTANCE_NOT_CONFIGURED",
                       absl::StrCat("no ", name, " at ", options.target));
    }
  }
  return absl::OkStatus();
}

absl::Status Status(CliContext& context) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  Table table({"SERVICE", "INSTANCE", "STATE", "SINCE", "WAITS FOR A RESTART"});
  bool failed = false;
  for (const char* const name : kServiceNames) {
    const auto endpoints = clients->All(name);
    if (!endpoints.ok()) continue;
    for (const Endpoint& endpoint : *endpoints) {
      const absl::StatusOr<pb::Process> process = GetProcess(endpoint);
      if (!process.ok()) {
        failed = true;
        table.AddRow({name, endpoint.target, "not reached", "",
                      ReasonOf(process.status())});
        continue;
      }
      std::string waits;
      for (const pb::WaitingSetting& one : process->waiting_settings()) {
        absl::StrAppend(&waits, waits.empty() ? "" : ", ", one.field());
      }
      table.AddRow(
          {name, process->instance(),
           process->stopped() ? "stopped" : "running",
           absl::FormatTime(absl::RFC3339_sec, FromProto(process->start_time()),
                            absl::UTCTimeZone()),
           waits});
    }
  }
  const absl::StatusOr<std::vector<Context>> contexts = Contexts(context);
  if (contexts.ok()) {
    for (const Context& one : *contexts) {
      table.AddRow({kSipProxy, ShortName(one.name()), "TLS context", "",
                    Waits(one) ? "configured" : ""});
    }
  }
  context.out() << table.ToString();
  if (!failed) return contexts.status();
  return MakeError(absl::StatusCode::kUnavailable, "STATUS_INCOMPLETE",
                   "not every service answered");
}

// CCE-21: asks of each process that a setting waits for.
absl::Status RestartWaiting(CliContext& context) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  bool any = false;
  for (const char* const name : kServiceNames) {
    const auto endpoints = clients->All(name);
    if (!endpoints.ok()) continue;
    for (const Endpoint& endpoint : *endpoints) {
      SP_ASSIGN_OR_RETURN(const pb::Process process, GetProcess(endpoint));
      if (process.waiting_settings().empty()) continue;
      any = true;
      std::string effect = absl::StrCat("restarts ", name, " ",
                                        process.instance(), ", which has");
      for (const pb::WaitingSetting& one : process.waiting_settings()) {
        absl::StrAppend(&effect, "\n  ", one.field(), ": ", one.active_value(),
                        " -> ", one.configured_value());
      }
      absl::StrAppend(&effect,
                      "\nwaiting for it; calls that are live after "
                      "its drain timeout end");
      const absl::Status said =
          AskForConfirmation(effect, std::cin, context.err());
      if (!said.ok()) {
        context.out() << name << " " << process.instance() << ": left\n";
        continue;
      }
      SP_RETURN_IF_ERROR(Change(context, endpoint, "RestartProcess"));
    }
  }
  if (!any) context.out() << "every setting is in force\n";
  return absl::OkStatus();
}

}  // namespace

void AddServiceCommand(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<ServiceOptions>();
  CLI::App* const service = app.add_subcommand(
      "service", "Services that are stopped, started and begin anew");
  service->require_subcommand(1);
  service->add_subcommand("status", "Each, and what waits for its restart")
      ->callback([&context] { context.result = Status(context); });
  std::vector<std::string> names = {kSipProxy};
  for (const char* const name : kServiceNames) names.emplace_back(name);
  struct Verb {
    const char* name;
    const char* help;
    const char* method;
  };
  for (const Verb& verb :
       {Verb{"restart",
             "Ends its work and begins anew, one instance after the other, "
             "each waited for; of sip-proxy: what is configured of TLS "
             "contexts comes into force",
             "RestartProcess"},
        Verb{"stop", "Ends its work; it only waits for its start",
             "StopProcess"},
        Verb{"start", "Begins after a stop", "StartProcess"}}) {
    CLI::App* const command = service->add_subcommand(verb.name, verb.help);
    command->add_option("name", options->names, "Services, in this order")
        ->required()
        ->check(CLI::IsMember(names));
    command->add_option("--target", options->target,
                        "Only the instance at this address");
    command->callback([&context, options, method = verb.method] {
      context.result = ChangeAll(context, *options, method);
    });
  }
  // IMP-43, CCE-45: service activation, as the other entry to the same.
  CLI::App* const activate = service->add_subcommand(
      "activate", "Begins after a stop; of sip-proxy the same as restart");
  activate->add_option("name", options->names, "Services, in this order")
      ->required()
      ->check(CLI::IsMember(names));
  activate->add_option("--target", options->target,
                       "Only the instance at this address");
  activate->callback([&context, options] {
    context.result = ChangeAll(context, *options, "StartProcess");
  });
  service
      ->add_subcommand("restart-waiting",
                       "Asks of each process for which a setting waits "
                       "whether to restart it now")
      ->callback([&context] { context.result = RestartWaiting(context); });
}

}  // namespace sallyport::cli
