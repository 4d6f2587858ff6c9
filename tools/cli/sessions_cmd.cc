#include "tools/cli/sessions_cmd.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "sallyport/media_relay/v1/media_relay_service.grpc.pb.h"
#include "sallyport/signaling_edge/v1/signaling_edge_service.grpc.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/error_text.h"
#include "tools/cli/list_cmd.h"
#include "tools/cli/render.h"
#include "tools/cli/session_text.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::media_relay::v1;
namespace edge_pb = ::sallyport::signaling_edge::v1;

struct SessionsOptions {
  ListOptions list;
  bool follow = false;
  int every = 0;  // seconds; 0: no statistics
};

struct DrainOptions {
  std::string target;
  int timeout = 0;  // seconds; 0: the relay's own
};

// Until the stream ends; one relay, the first.
absl::Status Follow(CliContext& context, const SessionsOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.TenantName());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First("media_relay"));
  const auto stub = pb::MediaRelayService::NewStub(endpoint.channel);
  grpc::ClientContext call;
  pb::WatchSessionsRequest request;
  request.set_parent(options.list.parent.empty() ? tenant
                                                 : options.list.parent);
  if (options.every > 0) {
    *request.mutable_statistics_interval() =
        ToProto(absl::Seconds(options.every));
  }
  const auto reader = stub->WatchSessions(&call, request);
  pb::WatchSessionsResponse event;
  while (reader->Read(&event)) {
    context.out() << (context.format == OutputFormat::kTable
                          ? SessionLine(event)
                          : RenderOne(event, context.format, ""))
                  << std::flush;
  }
  return FromGrpc(reader->Finish());
}

// Of media_relay and of signaling_edge alike.
template <typename Service, typename Request, typename Response>
absl::Status DrainAt(CliContext& context, const Endpoint& endpoint,
                     int timeout) {
  const auto stub = Service::NewStub(endpoint.channel);
  grpc::ClientContext call;
  Request request;
  if (timeout > 0) {
    *request.mutable_timeout() = ToProto(absl::Seconds(timeout));
  }
  const auto reader = stub->Drain(&call, request);
  Response progress;
  while (reader->Read(&progress)) {
    context.out() << (context.format == OutputFormat::kTable
                          ? DrainLine(progress)
                          : RenderOne(progress, context.format, ""))
                  << std::flush;
  }
  return FromGrpc(reader->Finish());
}

absl::Status Drain(CliContext& context, const DrainOptions& options) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  for (const char* service : {"media_relay", "signaling_edge"}) {
    const auto endpoints = clients->All(service);
    if (!endpoints.ok()) continue;  // none is configured
    for (const Endpoint& endpoint : *endpoints) {
      if (endpoint.target != options.target) continue;
      return std::string_view(service) == "media_relay"
                 ? DrainAt<pb::MediaRelayService, pb::DrainRequest,
                           pb::DrainResponse>(context, endpoint,
                                              options.timeout)
                 : DrainAt<edge_pb::SignalingEdgeService, edge_pb::DrainRequest,
                           edge_pb::DrainResponse>(context, endpoint,
                                                   options.timeout);
    }
  }
  return UsageError(absl::StrCat(
      "no media relay or edge of the configuration is ", options.target));
}

}  // namespace

void AddSessionCommands(CLI::App& app, CliContext& context) {
  const auto sessions = std::make_shared<SessionsOptions>();
  CLI::App* command =
      app.add_subcommand("sessions", "Media sessions with their statistics");
  AddListOptions(*command, sessions->list);
  command->add_flag("--follow", sessions->follow,
                    "What happens to them, as it happens");
  command->add_option("--every", sessions->every,
                      "With --follow: statistics each so many seconds");
  command->callback([&context, sessions] {
    context.result =
        sessions->follow
            ? Follow(context, *sessions)
            : ListAndPrint(context, *FindKind("Session"), sessions->list);
  });

  const auto drain = std::make_shared<DrainOptions>();
  command = app.add_subcommand(
      "drain",
      "A media relay or edge takes no new work; shows what is still live");
  command
      ->add_option("target", drain->target,
                   "Its target, as the configuration names it")
      ->required();
  command->add_option("--timeout", drain->timeout,
                      "Seconds until the rest is ended");
  command->callback(
      [&context, drain] { context.result = Drain(context, *drain); });
}

}  // namespace sallyport::cli
