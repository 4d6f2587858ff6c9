// Registrations that several edges share: the rules of RFC 3261 section 10.3
// over a store that can only compare and set. Each edge keeps what it has seen
// of a user in its Registrar, and goes on by that while the store is away.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SHARED_REGISTRY_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SHARED_REGISTRY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/binding.h"
#include "services/signaling_edge/core/binding_rules.h"
#include "services/signaling_edge/core/edge_action.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/keyed_places.h"
#include "services/signaling_edge/core/registrar.h"
#include "services/signaling_edge/core/remote_flow.h"

namespace sallyport::signaling_edge {

// What a SharedRegistry asks of the edge.
class SharedRegistryPort {
 public:
  virtual ~SharedRegistryPort() = default;
  virtual void Perform(EdgeAction action) = 0;
  virtual bool IsAlive(const Flow& flow) const = 0;
  virtual RemoteFlow ExportFlow(const Flow& flow) const = 0;
  // A flow of this edge that a former life of it had: only UDP outlives that.
  virtual std::optional<Flow> FormerFlow(const RemoteFlow& flow) const = 0;
  // A REGISTER was done, or why not: as ApplyRegister() and
  // Registrar::OnRegister() say, or REGISTRY_UNAVAILABLE.
  virtual void OnRegistered(uint64_t ticket, const absl::Status& status,
                            MonoTime now) = 0;
  virtual void OnLookedUp(uint64_t attempt, MonoTime now) = 0;
  // What the store says has changed contacts here.
  virtual void OnSharedChanges(const Registrar::Changes& changes,
                               MonoTime now) = 0;
  // A contact that `node` held is no longer there, or another's.
  virtual void TellHolder(const NodeId& node, const std::string& user) = 0;
};

// Nothing is acknowledged before the store has it. What is owed to the store
// while it is away is done when it is back; and if it comes back with less than
// it had, each edge puts back what it holds itself. Thread-compatible.
class SharedRegistry {
 public:
  // All outlive this object.
  SharedRegistry(Registrar& registrar, SharedRegistryPort& port, NodeId node,
                 RandomSource& random)
      : registrar_(registrar), port_(port), node_(node), random_(random) {}

  // An authenticated REGISTER; OnRegistered follows.
  void Register(uint64_t ticket, RegisterRequest request, MonoTime now);
  // The contacts of a user are wanted for a call; OnLookedUp follows, and then
  // the registrar has what there is.
  void LookUp(uint64_t attempt, const std::string& user, MonoTime now);
  // Contacts of this edge have ended, or a flow of another was refused to us.
  void OnRemoved(const Registrar::Changes& changes, MonoTime now);

  // The store has changed what it holds of a user.
  void Refresh(const std::string& user);

  void OnReply(uint64_t request, absl::StatusOr<RegistryReply> reply,
               MonoTime now);
  void OnState(bool up, MonoTime now);

  bool up() const { return up_; }
  size_t waiting() const { return work_.size(); }

 private:
  enum class Kind : uint8_t { kRegister, kLookUp, kRemove, kRestore };
  struct Work {
    Kind kind = Kind::kRegister;
    std::string user;
    uint64_t ticket = 0;
    RegisterRequest request;     // kRegister
    std::vector<Binding> gone;   // kRemove
    std::vector<Binding> next;   // what is being stored
    std::vector<NodeId> losers;  // whose contacts are not in it any more
    uint64_t epoch = 0;          // likewise
    uint64_t generation = 0;     // likewise
    KeyedPlaces places;          // of what is being stored, in its tenant's
    int tries = 0;
  };
  // What the store was seen to hold of a user.
  struct Seen {
    std::string version;
    uint64_t epoch = 0;
    uint64_t generation = 0;
  };

  uint64_t Begin(Work work);
  void Fetch(uint64_t id);
  // `base` is what is there, as far as is known.
  void Store(uint64_t id, const Seen& seen, const std::vector<Binding>& base,
             std::vector<Binding> next);
  // `base` is what the request changes; without `certain`, it may be old.
  void TryRegister(uint64_t id, const Seen& seen, std::vector<Binding> base,
                   bool certain, MonoTime now);
  void OnThere(uint64_t id, RegistryReply reply, MonoTime now);
  // The store's bindings as ours: those of this edge with their flows, and
  // without those of its former lives.
  std::vector<Binding> Localize(const std::string& user,
                                std::vector<Binding> theirs) const;
  void Adopt(const std::string& user, Seen seen, std::vector<Binding> bindings,
             MonoTime now);
  void Finish(uint64_t id, const absl::Status& status, MonoTime now);
  void Restore();

  Registrar& registrar_;
  SharedRegistryPort& port_;
  const NodeId node_;
  RandomSource& random_;
  bool up_ = false;
  uint64_t last_work_ = 0;
  absl::flat_hash_map<uint64_t, Work> work_;
  absl::flat_hash_map<std::string, Seen> seen_;
  absl::flat_hash_set<std::string> owed_;    // to be compared with the store
  absl::flat_hash_set<std::string> unsure_;  // and not yet done
  size_t restoring_ = 0;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SHARED_REGISTRY_H_
