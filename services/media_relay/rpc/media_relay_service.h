// gRPC in, a command to the right loop, gRPC out.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_RPC_MEDIA_RELAY_SERVICE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_RPC_MEDIA_RELAY_SERVICE_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/grpcpp.h"
#include "sallyport/media_relay/v1/media_relay_service.grpc.pb.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/caller_identity.h"
#include "services/media_relay/io/relay_fleet.h"
#include "services/media_relay/rpc/drain_watch.h"
#include "services/media_relay/rpc/load_report.h"
#include "services/media_relay/rpc/load_watch.h"
#include "services/media_relay/rpc/session_methods.h"
#include "services/media_relay/rpc/session_watch.h"

namespace sallyport::media_relay {

struct MediaRelayServiceOptions {
  // Fills what GetStatus says beside the load; called on gRPC threads.
  std::function<void(v1::RelayStatus&)> describe;
  RelayCapacity capacity;
};

// What streams.
struct RelayWatches {
  LoadWatch& load;
  SessionWatch& sessions;
  DrainWatch& drain;
};

// A handler that needs a loop's state posts a command to its mailbox, and the
// loop finishes the call; no gRPC thread waits. Thread-safe.
class MediaRelayService final : public v1::MediaRelayService::CallbackService {
 public:
  // All must outlive this object.
  MediaRelayService(const AccessPolicy& access, RelayFleet& fleet,
                    SessionMethods& sessions, RelayWatches watches,
                    MediaRelayServiceOptions options);

  grpc::ServerUnaryReactor* CreateSession(
      grpc::CallbackServerContext* context,
      const v1::CreateSessionRequest* request, v1::Session* response) override;
  grpc::ServerUnaryReactor* GetSession(grpc::CallbackServerContext* context,
                                       const v1::GetSessionRequest* request,
                                       v1::Session* response) override;
  grpc::ServerUnaryReactor* ListSessions(
      grpc::CallbackServerContext* context,
      const v1::ListSessionsRequest* request,
      v1::ListSessionsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateSession(
      grpc::CallbackServerContext* context,
      const v1::UpdateSessionRequest* request, v1::Session* response) override;
  grpc::ServerUnaryReactor* DeleteSession(
      grpc::CallbackServerContext* context,
      const v1::DeleteSessionRequest* request, v1::Session* response) override;
  grpc::ServerUnaryReactor* RenewSessions(
      grpc::CallbackServerContext* context,
      const v1::RenewSessionsRequest* request,
      v1::RenewSessionsResponse* response) override;
  grpc::ServerUnaryReactor* GetAllocation(
      grpc::CallbackServerContext* context,
      const v1::GetAllocationRequest* request,
      v1::Allocation* response) override;
  grpc::ServerUnaryReactor* ListAllocations(
      grpc::CallbackServerContext* context,
      const v1::ListAllocationsRequest* request,
      v1::ListAllocationsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteAllocation(
      grpc::CallbackServerContext* context,
      const v1::DeleteAllocationRequest* request,
      google::protobuf::Empty* response) override;
  grpc::ServerWriteReactor<v1::WatchSessionsResponse>* WatchSessions(
      grpc::CallbackServerContext* context,
      const v1::WatchSessionsRequest* request) override;
  grpc::ServerWriteReactor<v1::DrainResponse>* Drain(
      grpc::CallbackServerContext* context,
      const v1::DrainRequest* request) override;
  grpc::ServerWriteReactor<v1::WatchLoadResponse>* WatchLoad(
      grpc::CallbackServerContext* context,
      const v1::WatchLoadRequest* request) override;
  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest* request,
                                      v1::RelayStatus* response) override;

 private:
  // Posts to one loop; the call ends with what `command` returns.
  void OnLoop(size_t loop, grpc::ServerUnaryReactor* reactor,
              std::function<absl::Status(RelayLoopContext&)> command);
  absl::StatusOr<CallerIdentity> Authorize(
      const grpc::CallbackServerContext& context, std::string_view method,
      std::string_view tenant) const;
  template <typename Request>
  grpc::ServerUnaryReactor* ChangeSession(
      grpc::CallbackServerContext* context, std::string_view method,
      const Request& request, v1::Session* response,
      void (SessionMethods::*work)(const Request&, SessionMethods::Authorize,
                                   SessionMethods::Done));

  const AccessPolicy& access_;
  RelayFleet& fleet_;
  SessionMethods& sessions_;
  const RelayWatches watches_;
  const MediaRelayServiceOptions options_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_RPC_MEDIA_RELAY_SERVICE_H_
