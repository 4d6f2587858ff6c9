// The registrar that several edges share, in Redis: one value for each user,
// changed only by who knows what it was before, gone when its last contact has
// expired.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_REGISTRY_CLIENT_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_REGISTRY_CLIENT_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "services/common/net/event_loop.h"
#include "services/signaling_edge/core/edge_action.h"
#include "services/signaling_edge/io/redis_client.h"

namespace sallyport::signaling_edge {

// Loop thread only.
class RegistryClient {
 public:
  using Done = std::function<void(absl::StatusOr<RegistryReply>)>;

  // `loop` outlives it.
  RegistryClient(EventLoop& loop, RedisClient::Options options)
      : loop_(loop), redis_(loop, std::move(options)) {}

  // `done` is called once, never from within these calls: UNAVAILABLE
  // (REGISTRY_UNAVAILABLE) without Redis.
  void Fetch(const FetchBindings& action, Done done);
  void Store(const StoreBindings& action, Done done);

  bool up() const { return redis_.up(); }

 private:
  RegistryReply Read(const std::string& user, std::string version) const;

  EventLoop& loop_;
  RedisClient redis_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_REGISTRY_CLIENT_H_
