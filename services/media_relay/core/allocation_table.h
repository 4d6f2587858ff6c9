// The allocations of one loop: found by five-tuple and by relayed socket,
// ended on time.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ALLOCATION_TABLE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ALLOCATION_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/client_homes.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {

// Thread-compatible.
class AllocationTable {
 public:
  // Told of clients over UDP; must outlive the table. Before the first one.
  void SetHomes(ClientHomes& homes) { homes_ = &homes; }

  // Takes ownership. The path and the relayed socket must be new; expires at
  // `allocation->expiry`.
  Allocation& Insert(std::unique_ptr<Allocation> allocation);
  // The half of the other family, on the path of `twin`.
  Allocation& InsertTwin(std::unique_ptr<Allocation> allocation,
                         Allocation& twin);

  // Null when there is none, or it has expired and awaits its end. Of a dual
  // allocation either half.
  Allocation* Find(const ClientPath& path, MonoTime now);
  // The half of this family; where there is none, what Find() gives.
  Allocation* FindFor(const ClientPath& path, IpFamily family, MonoTime now);
  Allocation* FindByRelay(SocketId relay_socket, MonoTime now);

  void SetExpiry(Allocation& allocation, MonoTime expiry);
  // Removes it and gives it back; null if it is not here.
  std::unique_ptr<Allocation> Remove(SocketId relay_socket);
  // One whose client's connection this is.
  std::unique_ptr<Allocation> RemoveStream(SocketId stream);

  // An expired allocation, removed; null when none has expired.
  std::unique_ptr<Allocation> TakeExpired(MonoTime now);
  MonoTime next_expiry() const { return deadlines_.next(); }

  size_t size() const { return by_relay_.size(); }

  // All, in no order; valid until the next change.
  std::vector<Allocation*> All() const;

 private:
  OnlyHome only_home_;
  ClientHomes* homes_ = &only_home_;
  absl::flat_hash_map<SocketId, std::unique_ptr<Allocation>> by_relay_;
  absl::flat_hash_map<ClientPath, Allocation*> by_path_;
  absl::flat_hash_map<SocketId, SocketId> by_stream_;  // to the relayed one
  DeadlineQueue<SocketId> deadlines_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ALLOCATION_TABLE_H_
