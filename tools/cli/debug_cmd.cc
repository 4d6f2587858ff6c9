#include "tools/cli/debug_cmd.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "CLI/Option.hpp"
#include "sallyport/signaling_edge/v1/edge_status.pb.h"
#include "sallyport/signaling_edge/v1/tls_debug.pb.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/resource_calls.h"
#include "tools/cli/service_status.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::signaling_edge::v1;
using ::google::protobuf::Message;

struct DebugOptions {
  std::string errors;
  std::string messages;
  std::string states;
};

const char* OnOff(bool on) { return on ? "on" : "off"; }

// CCE-68: what is not said stays as it is.
absl::Status RunTls(CliContext& context, const DebugOptions& options) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const std::vector<Endpoint> edges,
                      clients->All("signaling_edge"));
  Table table({"EDGE", "ERRORS", "MESSAGES", "STATES"});
  for (const Endpoint& edge : edges) {
    SP_ASSIGN_OR_RETURN(const std::unique_ptr<Message> status,
                        GetServiceStatus(edge));
    pb::TlsDebug now = dynamic_cast<const pb::EdgeStatus&>(*status).tls_debug();
    pb::SetTlsDebugRequest request;
    *request.mutable_tls_debug() = now;
    pb::TlsDebug& wanted = *request.mutable_tls_debug();
    if (!options.errors.empty()) wanted.set_errors(options.errors == "on");
    if (!options.messages.empty()) {
      wanted.set_messages(options.messages == "on");
    }
    if (!options.states.empty()) wanted.set_states(options.states == "on");
    if (!options.errors.empty() || !options.messages.empty() ||
        !options.states.empty()) {
      SP_ASSIGN_OR_RETURN(const std::unique_ptr<Message> answer,
                          CallMethod(edge, "SetTlsDebug", request));
      now = dynamic_cast<const pb::TlsDebug&>(*answer);
    }
    table.AddRow({edge.target, OnOff(now.errors()), OnOff(now.messages()),
                  OnOff(now.states())});
  }
  context.out() << table.ToString();
  return absl::OkStatus();
}

}  // namespace

void AddDebugCommand(CLI::App& app, CliContext& context) {
  CLI::App* const debug =
      app.add_subcommand("debug",
                         "What edges log in addition, until told "
                         "otherwise");
  debug->require_subcommand(1);
  const auto options = std::make_shared<DebugOptions>();
  CLI::App* const tls = debug->add_subcommand(
      "tls", "Steps of TLS handshakes; without options, what is on");
  const auto add = [&](const char* name, std::string& value, const char* help) {
    tls->add_option(name, value, help)->check(CLI::IsMember({"on", "off"}));
  };
  add("--errors", options->errors, "Why they fail, and alerts");
  add("--messages", options->messages, "Each message, by kind and length");
  add("--states", options->states, "Each state");
  tls->callback(
      [&context, options] { context.result = RunTls(context, *options); });
}

}  // namespace sallyport::cli
