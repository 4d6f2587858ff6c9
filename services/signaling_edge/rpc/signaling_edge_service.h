// SignalingEdgeService of sallyport.signaling_edge.v1.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_SIGNALING_EDGE_SERVICE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_SIGNALING_EDGE_SERVICE_H_

#include <cstddef>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/support/server_callback.h"
#include "sallyport/signaling_edge/v1/signaling_edge_service.grpc.pb.h"
#include "services/common/rpc/access_policy.h"
#include "services/signaling_edge/io/config_feed.h"
#include "services/signaling_edge/io/edge_loop.h"
#include "services/signaling_edge/io/edge_reporter.h"
#include "services/signaling_edge/io/media_client.h"
#include "services/signaling_edge/rpc/edge_proto.h"
#include "services/signaling_edge/rpc/journal_stream.h"

namespace sallyport::signaling_edge {

// gRPC in, core, gRPC out: handlers that need the loop's state are finished by
// the loop. Thread-safe.
class SignalingEdgeService final
    : public v1::SignalingEdgeService::CallbackService {
 public:
  // All of them outlive this object; the loop runs as long as it is called.
  struct Parts {
    const AccessPolicy& policy;
    EdgeLoop& loop;
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
  // Answers here, or with what `handler` says on the loop.
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                   absl::Status status);
  grpc::ServerUnaryReactor* OnLoop(grpc::CallbackServerContext* context,
                                   const std::string& method,
                                   const std::string& name, Handler handler);
  ProtoContext ContextOf(EdgeLoop& loop) const;
  absl::Status FillStatus(EdgeLoop& loop, v1::EdgeStatus& out) const;

  const Options options_;
  const Parts parts_;
  const absl::Time started_ = absl::Now();
  StreamSet streams_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_SIGNALING_EDGE_SERVICE_H_
