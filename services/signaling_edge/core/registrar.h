// Which contacts each user has (RFC 3261 section 10.3), and by which flow each
// is reached: a contact registered over a connection is reached by that
// connection and by no other, and ends with it (RFC 5626).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REGISTRAR_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REGISTRAR_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/net/socket_address.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/binding.h"
#include "services/signaling_edge/core/binding_rules.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/keyed_places.h"
#include "services/signaling_edge/core/shared_total.h"
#include "services/signaling_edge/core/tenant_counts.h"

namespace sallyport::signaling_edge {

// In-memory bindings of one loop, and copies of others'. Memory is bounded by
// the options; every operation costs O(contacts of that user + log of all).
// Thread-compatible.
class Registrar {
 public:
  struct Options {
    RegisterLimits limits;
    size_t max_bindings = 100'000;
    // A flow over UDP that gives no sign of life for so long has failed (RFC
    // 5626 section 5.4).
    absl::Duration max_silence = absl::InfiniteDuration();
    uint64_t last_id = 0;  // ids follow on this
    // Contacts of all loops, for `max_bindings`. Null: there are no others.
    std::atomic<size_t>* all = nullptr;
    // Contacts by tenant, likewise. Null: tenants have no bounds.
    TenantCounts* tenants = nullptr;
  };

  struct Change {
    enum class Kind { kAdded, kRefreshed, kRemoved, kExpired, kFlowLost };
    Kind kind;
    Binding binding;
  };
  using Changes = std::vector<Change>;

  explicit Registrar(Options options)
      : options_(options), next_id_(options.last_id + 1), total_(options.all) {}

  // All of it is done, or on an error none: as ApplyRegister() and TakePlaces()
  // say.
  absl::StatusOr<Changes> OnRegister(const RegisterRequest& request,
                                     MonoTime now);

  // Makes the bindings of a user those of `next`; those with id 0 are new.
  Changes Replace(std::string_view user, std::vector<Binding> next,
                  MonoTime now);

  // The connection is gone, and with it every contact that it carried.
  Changes OnConnectionClosed(ConnectionId connection);

  // A keep-alive came by UDP.
  void OnKeepAlive(ListenerId listener, const SocketAddress& remote,
                   MonoTime now);
  // Nothing that is sent by the flow of this contact arrives.
  Changes OnFlowFailed(uint64_t id);

  // An operator, or a user that was removed or disabled.
  Changes Remove(uint64_t id);
  Changes RemoveUser(std::string_view user);

  Changes OnDeadline(MonoTime now);
  MonoTime deadline() const { return deadlines_.next(); }

  // Contacts of a user, the latest refreshed first. Pointers live until the
  // next change.
  std::vector<const Binding*> Of(std::string_view user) const;
  // Without those of other edges.
  std::vector<const Binding*> All() const;
  std::vector<Binding> CopyOf(std::string_view user) const;
  // The same by contact: the flows of one device (RFC 5626) are one, to be
  // tried one after the other.
  std::vector<std::vector<const Binding*>> ContactsOf(
      std::string_view user) const;
  const Binding* Find(uint64_t id) const;
  size_t size() const { return bindings_.size(); }
  // Without those of other edges and loops.
  size_t held() const { return held_; }
  // Whether any contact is reached by it.
  bool Carries(ConnectionId connection) const {
    return by_connection_.contains(connection);
  }
  // Whether one of these keeps it alive by RFC 5626.
  bool CarriesOutbound(ConnectionId connection) const;
  const RegisterLimits& limits() const { return options_.limits; }
  // Room for so many more contacts of the request's user: REGISTRATION_LIMIT
  // when there is none at all, TENANT_REGISTRATION_LIMIT when its tenant has as
  // many as it may. What it returns keeps their places in the tenant's number
  // until they are there, or will not come; of loops that want the last one at
  // once one gets it.
  absl::StatusOr<KeyedPlaces> TakePlaces(const RegisterRequest& request,
                                         size_t more);
  absl::Duration min_expires() const { return options_.limits.min_expires; }

 private:
  // One UDP address as one of our sockets sees it.
  using Source = std::pair<ListenerId, SocketAddress>;

  // A contact is held here from now on, or no longer.
  void CountHeld(const Binding& binding, bool held);
  void Link(const Binding& binding);
  void Unlink(const Binding& binding);
  void Erase(uint64_t id, Change::Kind kind, Changes& changes);

  const Options options_;
  uint64_t next_id_;
  size_t held_ = 0;
  SharedTotal total_;
  absl::flat_hash_map<uint64_t, Binding> bindings_;
  absl::flat_hash_map<std::string, std::vector<uint64_t>> by_user_;
  absl::flat_hash_map<ConnectionId, absl::flat_hash_set<uint64_t>>
      by_connection_;
  absl::flat_hash_map<Source, absl::flat_hash_set<uint64_t>> by_source_;
  DeadlineQueue<uint64_t> deadlines_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REGISTRAR_H_
