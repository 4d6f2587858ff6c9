// SignalingEdgeService of sallyport.signaling_edge.v1.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_SIGNALING_EDGE_SERVICE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_SIGNALING_EDGE_SERVICE_H_

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/support/server_callback.h"
#include "sallyport/signaling_edge/v1/signaling_edge_service.grpc.pb.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/status/status_grpc.h"
#include "services/signaling_edge/io/config_feed.h"
#include "services/signaling_edge/io/edge_loop.h"
#include "services/signaling_edge/io/edge_reporter.h"
#include "services/signaling_edge/io/loop_set.h"
#include "services/signaling_edge/io/media_client.h"
#include "services/signaling_edge/rpc/edge_proto.h"
#include "services/signaling_edge/rpc/journal_stream.h"
#include "services/signaling_edge/rpc/resource_scope.h"

namespace sallyport::signaling_edge {

// gRPC in, core, gRPC out: handlers that need a loop's state are finished by
// that loop, and those that need all by the last that has told its part.
// Thread-safe.
class SignalingEdgeService final
    : public v1::SignalingEdgeService::CallbackService {
 public:
  // All of them outlive this object; the loops run as long as it is called.
  struct Parts {
    const AccessPolicy& policy;
    LoopSet& loops;
    EdgeReporter& reporter;
    ConfigFeed& feed;
    MediaClient& media;
  };
  struct Options {
    std::string instance;
    std::string identity;  // own SPIFFE ID
    std::string version;
    absl::Duration drain_timeout = absl::Seconds(30);
  };

  SignalingEdgeService(Options options, const Parts& parts);

  // Ends the streams, which do not end by themselves.
  void EndStreams();
  size_t open_streams() const { return streams_.size(); }

  grpc::ServerUnaryReactor* GetRegistration(
      grpc::CallbackServerContext* context,
      const v1::GetRegistrationRequest* request,
      v1::Registration* response) override;
  grpc::ServerUnaryReactor* ListRegistrations(
      grpc::CallbackServerContext* context,
      const v1::ListRegistrationsRequest* request,
      v1::ListRegistrationsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteRegistration(
      grpc::CallbackServerContext* context,
      const v1::DeleteRegistrationRequest* request,
      google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* GetCall(grpc::CallbackServerContext* context,
                                    const v1::GetCallRequest* request,
                                    v1::Call* response) override;
  grpc::ServerUnaryReactor* ListCalls(grpc::CallbackServerContext* context,
                                      const v1::ListCallsRequest* request,
                                      v1::ListCallsResponse* response) override;
  grpc::ServerUnaryReactor* EndCall(grpc::CallbackServerContext* context,
                                    const v1::EndCallRequest* request,
                                    v1::Call* response) override;
  grpc::ServerUnaryReactor* SetAgentState(
      grpc::CallbackServerContext* context,
      const v1::SetAgentStateRequest* request, v1::Agent* response) override;
  grpc::ServerUnaryReactor* GetCallTrace(grpc::CallbackServerContext* context,
                                         const v1::GetCallTraceRequest* request,
                                         v1::CallTrace* response) override;
  grpc::ServerUnaryReactor* GetConnection(
      grpc::CallbackServerContext* context,
      const v1::GetConnectionRequest* request,
      v1::Connection* response) override;
  grpc::ServerUnaryReactor* ListConnections(
      grpc::CallbackServerContext* context,
      const v1::ListConnectionsRequest* request,
      v1::ListConnectionsResponse* response) override;
  grpc::ServerUnaryReactor* CloseConnection(
      grpc::CallbackServerContext* context,
      const v1::CloseConnectionRequest* request,
      v1::CloseConnectionResponse* response) override;
  grpc::ServerUnaryReactor* ListRefusals(
      grpc::CallbackServerContext* context,
      const v1::ListRefusalsRequest* request,
      v1::ListRefusalsResponse* response) override;
  grpc::ServerUnaryReactor* ListEvents(
      grpc::CallbackServerContext* context,
      const v1::ListEventsRequest* request,
      v1::ListEventsResponse* response) override;
  grpc::ServerUnaryReactor* GetPeerState(grpc::CallbackServerContext* context,
                                         const v1::GetPeerStateRequest* request,
                                         v1::PeerState* response) override;
  grpc::ServerUnaryReactor* ListPeerStates(
      grpc::CallbackServerContext* context,
      const v1::ListPeerStatesRequest* request,
      v1::ListPeerStatesResponse* response) override;
  grpc::ServerUnaryReactor* CheckPeer(grpc::CallbackServerContext* context,
                                      const v1::CheckPeerRequest* request,
                                      v1::CheckPeerResponse* response) override;
  grpc::ServerUnaryReactor* ExplainRoute(
      grpc::CallbackServerContext* context,
      const v1::ExplainRouteRequest* request,
      v1::ExplainRouteResponse* response) override;
  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest* request,
                                      v1::EdgeStatus* response) override;
  grpc::ServerUnaryReactor* SetTlsDebug(grpc::CallbackServerContext* context,
                                        const v1::SetTlsDebugRequest* request,
                                        v1::TlsDebug* response) override;
  grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchEvents(
      grpc::CallbackServerContext* context,
      const v1::WatchEventsRequest* request) override;
  grpc::ServerUnaryReactor* ListCallRecords(
      grpc::CallbackServerContext* context,
      const v1::ListCallRecordsRequest* request,
      v1::ListCallRecordsResponse* response) override;
  grpc::ServerWriteReactor<v1::DrainResponse>* Drain(
      grpc::CallbackServerContext* context,
      const v1::DrainRequest* request) override;
  grpc::ServerWriteReactor<v1::WatchCallRecordsResponse>* WatchCallRecords(
      grpc::CallbackServerContext* context,
      const v1::WatchCallRecordsRequest* request) override;

 private:
  using Handler = std::function<absl::Status(EdgeLoop&)>;

  absl::Status Authorize(const grpc::CallbackServerContext& context,
                         const std::string& method,
                         const std::string& name) const;
  // Answers here, or with what `handler` says on the loop that `name` is a
  // resource of, or the first.
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                   absl::Status status);
  grpc::ServerUnaryReactor* OnLoop(grpc::CallbackServerContext* context,
                                   const std::string& method,
                                   const std::string& name, Handler handler);
  // Answers here, or with what `merge` makes of what `look` says on each loop.
  template <typename T>
  grpc::ServerUnaryReactor* OnAllLoops(
      grpc::CallbackServerContext* context, const std::string& method,
      const std::string& name, std::function<T(EdgeLoop&)> look,
      std::function<absl::Status(std::vector<T>)> merge) {
    if (absl::Status status = Authorize(*context, method, name); !status.ok()) {
      return Answer(context, std::move(status));
    }
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    parts_.loops.Gather<T>(
        std::move(look), [reactor, merge = std::move(merge)](auto said) {
          reactor->Finish(
              ToGrpc(said.ok() ? merge(*std::move(said)) : said.status()));
        });
    return reactor;
  }
  // The same of a List method: the items of all loops, by name.
  template <typename Item>
  grpc::ServerUnaryReactor* ListOfAll(
      grpc::CallbackServerContext* context, const std::string& method,
      const std::string& parent,
      std::function<std::vector<Item>(EdgeLoop&)> look,
      std::function<absl::Status(std::vector<Item>)> fill) {
    using Items = std::vector<Item>;
    return OnAllLoops<Items>(
        context, method, parent, std::move(look),
        [parent, fill = std::move(fill)](std::vector<Items> said) {
          if (absl::Status status = CheckParent(parent); !status.ok()) {
            return status;
          }
          Items all;
          for (Items& items : said) {
            std::move(items.begin(), items.end(), std::back_inserter(all));
          }
          std::sort(all.begin(), all.end(), [](const Item& a, const Item& b) {
            return a.name() < b.name();
          });
          return fill(std::move(all));
        });
  }
  ProtoContext ContextOf(EdgeLoop& loop) const;
  // What is of one loop, and of all but is the same everywhere.
  v1::EdgeStatus LoopStatus(EdgeLoop& loop) const;
  void FillStatus(EdgeLoop& loop, v1::EdgeStatus& out) const;
  void FillTlsDebug(v1::TlsDebug& out) const;

  const Options options_;
  const Parts parts_;
  const absl::Time started_ = absl::Now();
  StreamSet streams_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_SIGNALING_EDGE_SERVICE_H_
