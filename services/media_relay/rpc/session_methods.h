// What makes, changes and ends sessions, whichever port it was asked at.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_RPC_SESSION_METHODS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_RPC_SESSION_METHODS_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/random_source.h"
#include "services/media_relay/io/relay_fleet.h"
#include "services/media_relay/io/relay_loop.h"

namespace sallyport::media_relay {

// Reads the request, asks whether its caller may, and has it done by the loop
// that owns the session, which answers: at once if it is the one that calls,
// and a new session is preferably made there. Not within a command of a loop.
// Thread-safe.
class SessionMethods {
 public:
  // Whether the caller may do this to sessions of `tenant`. Called within the
  // method, after what names the tenant was read and before anything else is.
  using Authorize = absl::FunctionRef<absl::Status(std::string_view tenant)>;
  // Once: within the method, or later on a loop's thread.
  using Done = std::function<void(absl::StatusOr<v1::Session> answer)>;

  // Both outlive this object; `random` must be thread-safe.
  SessionMethods(RelayFleet& fleet, RandomSource& random,
                 absl::Duration default_lease);

  void Create(const v1::CreateSessionRequest& request, Authorize authorize,
              Done done);
  void Update(const v1::UpdateSessionRequest& request, Authorize authorize,
              Done done);
  void Delete(const v1::DeleteSessionRequest& request, Authorize authorize,
              Done done);

  absl::Duration default_lease() const { return default_lease_; }

 private:
  void OnLoop(
      size_t loop, Done done,
      std::function<absl::StatusOr<v1::Session>(RelayLoopContext&)> command);
  std::string NewSessionId(const v1::CreateSessionRequest& request,
                           std::string_view tenant);

  RelayFleet& fleet_;
  RandomSource& random_;
  const absl::Duration default_lease_;
  // So that a repeated request_id finds the session it made.
  const Secret id_key_;
};

// What a full mailbox is answered with.
absl::Status LoopOverloaded();

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_RPC_SESSION_METHODS_H_
