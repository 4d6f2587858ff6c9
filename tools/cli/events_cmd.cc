#include "tools/cli/events_cmd.h"

#include <memory>
#include <string>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "grpcpp/client_context.h"
#include "sallyport/capf/v1/capf_service.grpc.pb.h"
#include "sallyport/signaling_edge/v1/signaling_edge_service.grpc.pb.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/field_text.h"
#include "tools/cli/list_cmd.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::signaling_edge::v1;

struct EventsOptions {
  ListOptions list;
  bool follow = false;
  bool certificates = false;
};

std::string EventLine(const pb::Event& event) {
  std::string line =
      absl::StrCat(FieldText(event, "event_time"), "  ",
                   FieldText(event, "type"), event.reason().empty() ? "" : "  ",
                   event.reason(), "  ", event.summary());
  if (!event.resource().empty()) {
    absl::StrAppend(&line, "  (", event.resource(), ")");
  }
  return Printable(line) + "\n";
}

// Until the stream ends; one edge, the first.
absl::Status Follow(CliContext& context) {
  SP_ASSIGN_OR_RETURN(const std::string parent, context.TenantName());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint,
                      clients->First("signaling_edge"));
  const auto stub = pb::SignalingEdgeService::NewStub(endpoint.channel);
  grpc::ClientContext call;
  pb::WatchEventsRequest request;
  request.set_parent(parent);
  const auto reader = stub->WatchEvents(&call, request);
  pb::WatchEventsResponse response;
  while (reader->Read(&response)) {
    context.out() << (context.format == OutputFormat::kTable
                          ? EventLine(response.event())
                          : RenderOne(response.event(), context.format, ""))
                  << std::flush;
  }
  return FromGrpc(reader->Finish());
}

// What happens to certificates from now on, until the stream ends.
absl::Status FollowCertificates(CliContext& context) {
  SP_ASSIGN_OR_RETURN(const std::string parent, context.TenantName());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First("capf"));
  const auto stub = capf::v1::CapfService::NewStub(endpoint.channel);
  grpc::ClientContext call;
  capf::v1::WatchCertificateEventsRequest request;
  request.set_parent(parent);
  const auto reader = stub->WatchCertificateEvents(&call, request);
  capf::v1::WatchCertificateEventsResponse response;
  while (reader->Read(&response)) {
    const capf::v1::CertificateEvent& event = response.event();
    context.out() << (context.format == OutputFormat::kTable
                          ? Printable(absl::StrCat(
                                FieldText(event, "event_time"), "  ",
                                FieldText(event, "type"), "  ", event.summary(),
                                "  (", event.used_by(), ")")) +
                                "\n"
                          : RenderOne(event, context.format, ""))
                  << std::flush;
  }
  return FromGrpc(reader->Finish());
}

}  // namespace

void AddEventsCommand(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<EventsOptions>();
  CLI::App* const command =
      app.add_subcommand("events", "What happened at the edges");
  AddListOptions(*command, options->list);
  command->add_flag("--follow", options->follow, "Go on as it happens");
  command->add_flag("--certificates", options->certificates,
                    "What happened to certificates instead, the newest first: "
                    "issued, in use, expiring, revoked");
  command->callback([&context, options] {
    if (options->certificates && options->follow) {
      context.result = FollowCertificates(context);
      return;
    }
    if (options->certificates) {
      context.result =
          ListAndPrint(context, *FindKind("certificateevent"), options->list);
      return;
    }
    context.result = options->follow ? Follow(context)
                                     : ListAndPrint(context, *FindKind("event"),
                                                    options->list);
  });
}

}  // namespace sallyport::cli
