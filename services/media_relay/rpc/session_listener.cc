#include "services/media_relay/rpc/session_listener.h"

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "services/common/rpc/caller_identity.h"
#include "services/common/status/error_reason.h"
#include "services/media_relay/rpc/access_rules.h"

namespace sallyport::media_relay {
namespace {

// Calls under way; what the server keeps of answers is bounded above that.
constexpr size_t kMaxCalls = 8192;

using Calls = std::shared_ptr<std::atomic<size_t>>;

template <typename Request>
GrpcLoopServer::Method MethodOf(
    std::string_view name, const AccessPolicy& access, SessionMethods& sessions,
    Calls calls,
    void (SessionMethods::*work)(const Request&, SessionMethods::Authorize,
                                 SessionMethods::Done)) {
  GrpcLoopServer::Method method;
  method.path = MethodPath(name);
  method.handler = [path = method.path, &access, &sessions, calls, work](
                       const CallerIdentity& caller, std::string octets,
                       GrpcLoopServer::Reply reply) {
    Request request;
    if (!request.ParseFromString(octets)) {
      return reply(MakeError(absl::StatusCode::kInvalidArgument,
                             "REQUEST_MALFORMED",
                             "it is no request of this method"));
    }
    if (calls->fetch_add(1) >= kMaxCalls) {
      calls->fetch_sub(1);
      return reply(LoopOverloaded());
    }
    const auto authorize = [&](std::string_view tenant) {
      return access.CheckTenant(caller, path, tenant);
    };
    (sessions.*work)(request, authorize,
                     [calls, reply = std::move(reply)](
                         const absl::StatusOr<v1::Session>& answer) {
                       calls->fetch_sub(1);
                       if (!answer.ok()) return reply(answer.status());
                       reply(answer->SerializeAsString());
                     });
  };
  return method;
}

}  // namespace

std::vector<GrpcLoopServer::Method> SessionListenerMethods(
    const AccessPolicy& access, SessionMethods& sessions) {
  const auto calls = std::make_shared<std::atomic<size_t>>(0);
  return {MethodOf("CreateSession", access, sessions, calls,
                   &SessionMethods::Create),
          MethodOf("UpdateSession", access, sessions, calls,
                   &SessionMethods::Update),
          MethodOf("DeleteSession", access, sessions, calls,
                   &SessionMethods::Delete)};
}

}  // namespace sallyport::media_relay
