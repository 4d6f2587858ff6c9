// The session methods of every call as relay loops serve them, without the
// threads of the gRPC library (services/adr/0005).

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_RPC_SESSION_LISTENER_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_RPC_SESSION_LISTENER_H_

#include <vector>

#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/grpc_loop_server.h"
#include "services/media_relay/rpc/session_methods.h"

namespace sallyport::media_relay {

// CreateSession, UpdateSession and DeleteSession, with the rights, limits and
// errors that they have at the other port. Each is read, done and answered by
// one loop, if it is the one that owns the session, and else done by that one.
// Not more of them at a time than the mailboxes take: RESOURCE_EXHAUSTED,
// LOOP_OVERLOADED. Both outlive the server.
std::vector<GrpcLoopServer::Method> SessionListenerMethods(
    const AccessPolicy& access, SessionMethods& sessions);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_RPC_SESSION_LISTENER_H_
