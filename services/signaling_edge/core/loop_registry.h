// The registrar that the loops of one edge share: each user has one loop that
// keeps what is registered, and the others ask it.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LOOP_REGISTRY_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LOOP_REGISTRY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/binding.h"
#include "services/signaling_edge/core/edge_action.h"

namespace sallyport::signaling_edge {

// What Redis is to edges, this is to loops: a value for each user, changed by
// compare and set. SharedRegistry has the rules. That a user has nothing left
// is remembered until all that it ever had would have expired, so that it is
// not taken for lost. Thread-compatible.
class LoopRegistry {
 public:
  RegistryReply Fetch(const FetchBindings& action, MonoTime now);

  RegistryReply Store(const StoreBindings& action, MonoTime now);

  size_t size() const { return users_.size(); }

 private:
  struct User {
    uint64_t version = 0;
    uint64_t epoch = 0;
    uint64_t generation = 0;
    std::vector<Binding> bindings;
    MonoTime last;  // when nothing of it is of use any more
  };

  void ForgetExpired(MonoTime now);
  RegistryReply ReplyOf(const User& user, MonoTime now) const;

  uint64_t last_version_ = 0;
  absl::flat_hash_map<std::string, User> users_;
  DeadlineQueue<std::string> deadlines_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LOOP_REGISTRY_H_
