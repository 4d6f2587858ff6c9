#include "services/dialplan/io/edge_records.h"

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/time/clock.h"
#include "grpcpp/client_context.h"
#include "sallyport/signaling_edge/v1/signaling_edge_service.grpc.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
namespace edge_pb = ::sallyport::signaling_edge::v1;

constexpr int kPage = 1000;

// Nothing if it cannot be said who called.
std::optional<pb::ResolveRouteRequest> AttemptOf(const edge_pb::Call& call,
                                                 const std::string& tenant) {
  if (call.called_number().empty()) return std::nullopt;
  pb::ResolveRouteRequest out;
  out.set_parent(tenant);
  out.set_called_number(call.called_number());
  out.set_calling_number(call.calling_number());
  for (const edge_pb::CallLeg& leg : call.legs()) {
    if (!leg.incoming()) continue;
    if (!leg.user().empty()) {
      out.set_user(leg.user());
    } else if (!leg.peer().empty()) {
      out.set_peer(leg.peer());
    } else if (!leg.phone().empty()) {
      out.set_phone(leg.phone());
    } else {
      return std::nullopt;
    }
    return out;
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EdgeRecords>> EdgeRecords::Create(
    const common::config::v1::ServerConfig& own,
    const google::protobuf::RepeatedPtrField<common::config::v1::ClientConfig>&
        edges) {
  auto out = absl::WrapUnique(new EdgeRecords());
  for (const common::config::v1::ClientConfig& edge : edges) {
    SP_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel,
                        ConnectTo(own, edge, "signaling_edge"));
    out->edges_.push_back({edge.target(), std::move(channel)});
  }
  return out;
}

std::vector<EdgeAttempts> EdgeRecords::Fetch(const std::string& tenant,
                                             absl::Time since,
                                             absl::Duration patience) const {
  const absl::Time deadline = absl::Now() + patience;
  std::vector<EdgeAttempts> out(edges_.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < edges_.size(); ++i) {
    threads.emplace_back(
        [&, i] { out[i] = FetchOne(edges_[i], tenant, since, deadline); });
  }
  for (std::thread& thread : threads) thread.join();
  return out;
}

EdgeAttempts EdgeRecords::FetchOne(const Edge& edge, const std::string& tenant,
                                   absl::Time since,
                                   absl::Time deadline) const {
  EdgeAttempts out;
  out.edge = edge.target;
  const auto stub = edge_pb::SignalingEdgeService::NewStub(edge.channel);
  edge_pb::ListCallRecordsRequest request;
  request.set_parent(tenant);
  request.set_page_size(kPage);
  *request.mutable_since_time() = ToProto(since);
  do {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(deadline));
    edge_pb::ListCallRecordsResponse page;
    out.status = FromGrpc(stub->ListCallRecords(&context, request, &page));
    if (!out.status.ok()) return out;
    for (const edge_pb::CallRecord& record : page.call_records()) {
      if (auto attempt = AttemptOf(record.call(), tenant)) {
        out.attempts.push_back(*std::move(attempt));
      }
    }
    out.complete_since = FromProto(page.complete_since_time());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return out;
}

}  // namespace sallyport::dialplan
