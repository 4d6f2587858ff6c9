#include "tools/cli/call_cmds.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "google/protobuf/message.h"
#include "sallyport/signaling_edge/v1/call.pb.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/columns.h"
#include "tools/cli/render.h"
#include "tools/cli/resource_calls.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/trace_text.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::Message;
namespace pb = ::sallyport::signaling_edge::v1;

struct TraceOptions {
  std::string call;
  bool messages = false;
};

struct EndCallOptions {
  std::string call;
  uint32_t cause = 0;
};

absl::StatusOr<std::string> CallName(CliContext& context,
                                     const std::string& call) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  return FullName(*FindKind("Call"), tenant, call);
}

// Asks every edge: what one holds, another does not.
absl::StatusOr<std::unique_ptr<Message>> Ask(CliContext& context,
                                             const std::string& method,
                                             Message& request) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const std::vector<Endpoint> endpoints,
                      clients->All("signaling_edge"));
  absl::Status error;
  for (const Endpoint& endpoint : endpoints) {
    auto found = CallMethod(endpoint, method, request);
    if (found.ok()) return found;
    if (error.ok() || error.code() == absl::StatusCode::kNotFound) {
      error = found.status();
    }
  }
  return error;
}

absl::Status RunTrace(CliContext& context, const TraceOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string name, CallName(context, options.call));
  pb::GetCallTraceRequest request;
  request.set_name(absl::StrCat(name, "/trace"));
  SP_ASSIGN_OR_RETURN(const auto found, Ask(context, "GetCallTrace", request));
  pb::CallTrace trace;
  trace.CopyFrom(*found);
  context.out() << (context.format == OutputFormat::kTable
                        ? TraceText(trace, options.messages)
                        : RenderOne(trace, context.format, ""));
  return absl::OkStatus();
}

absl::Status RunEndCall(CliContext& context, const EndCallOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string name, CallName(context, options.call));
  pb::EndCallRequest request;
  request.set_name(name);
  request.set_cause(options.cause);
  SP_ASSIGN_OR_RETURN(const auto call, Ask(context, "EndCall", request));
  const ResourceKind& kind = *FindKind("Call");
  context.out() << (context.format == OutputFormat::kTable
                        ? RenderList({call.get()}, context.format, kind,
                                     ColumnsOf(kind))
                        : RenderOne(*call, context.format, kind.name));
  return absl::OkStatus();
}

}  // namespace

void AddCallCommands(CLI::App& app, CliContext& context) {
  const auto trace = std::make_shared<TraceOptions>();
  CLI::App* command = app.add_subcommand(
      "trace", "The SIP messages of a call, live or just ended");
  command->add_option("call", trace->call, "As `calls` names it")->required();
  command->add_flag("--messages", trace->messages,
                    "Whole messages, numbers and addresses by their hash");
  command->callback(
      [&context, trace] { context.result = RunTrace(context, *trace); });

  const auto end = std::make_shared<EndCallOptions>();
  command = app.add_subcommand("end-call", "Ends a call");
  command->add_option("call", end->call, "As `calls` names it")->required();
  command->add_option("--cause", end->cause,
                      "Q.850 cause that the parties are told; 16 by default");
  command->callback(
      [&context, end] { context.result = RunEndCall(context, *end); });
}

}  // namespace sallyport::cli
