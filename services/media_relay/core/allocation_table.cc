#include "services/media_relay/core/allocation_table.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {

Allocation& AllocationTable::Insert(std::unique_ptr<Allocation> allocation) {
  Allocation& inserted = *allocation;
  by_path_[inserted.path()] = &inserted;
  if (inserted.path().has_connection()) {
    by_stream_[inserted.path().socket] = inserted.relay_socket();
  } else {
    homes_->Keep(inserted.path().socket, inserted.path().client);
  }
  deadlines_.Set(inserted.relay_socket(), inserted.expiry);
  by_relay_[inserted.relay_socket()] = std::move(allocation);
  return inserted;
}

Allocation& AllocationTable::InsertTwin(std::unique_ptr<Allocation> allocation,
                                        Allocation& twin) {
  Allocation& inserted = *allocation;
  inserted.twin = &twin;
  twin.twin = &inserted;
  deadlines_.Set(inserted.relay_socket(), inserted.expiry);
  by_relay_[inserted.relay_socket()] = std::move(allocation);
  return inserted;
}

Allocation* AllocationTable::Find(const ClientPath& path, MonoTime now) {
  const auto it = by_path_.find(path);
  if (it == by_path_.end()) return nullptr;
  Allocation* const first = it->second;
  if (first->expiry > now) return first;
  return first->twin != nullptr && first->twin->expiry > now ? first->twin
                                                             : nullptr;
}

Allocation* AllocationTable::FindFor(const ClientPath& path, IpFamily family,
                                     MonoTime now) {
  Allocation* const found = Find(path, now);
  if (found == nullptr || found->twin == nullptr ||
      found->relayed.ip.family() == family || found->twin->expiry <= now) {
    return found;
  }
  return found->twin->relayed.ip.family() == family ? found->twin : found;
}

Allocation* AllocationTable::FindByRelay(SocketId relay_socket, MonoTime now) {
  const auto it = by_relay_.find(relay_socket);
  if (it == by_relay_.end() || it->second->expiry <= now) return nullptr;
  return it->second.get();
}

void AllocationTable::SetExpiry(Allocation& allocation, MonoTime expiry) {
  allocation.expiry = expiry;
  deadlines_.Set(allocation.relay_socket(), expiry);
}

std::unique_ptr<Allocation> AllocationTable::Remove(SocketId relay_socket) {
  const auto it = by_relay_.find(relay_socket);
  if (it == by_relay_.end()) return nullptr;
  std::unique_ptr<Allocation> allocation = std::move(it->second);
  by_relay_.erase(it);
  Allocation* const twin = std::exchange(allocation->twin, nullptr);
  if (twin != nullptr) twin->twin = nullptr;
  const auto path = by_path_.find(allocation->path());
  // A new one may be on the path of one that has expired.
  if (path != by_path_.end() && path->second == allocation.get()) {
    if (twin != nullptr) {
      path->second = twin;
    } else {
      by_path_.erase(path);
      if (!allocation->path().has_connection()) {
        homes_->Release(allocation->path().socket, allocation->path().client);
      }
    }
  }
  const auto stream = by_stream_.find(allocation->path().socket);
  if (stream != by_stream_.end() && stream->second == relay_socket) {
    if (twin != nullptr) {
      stream->second = twin->relay_socket();
    } else {
      by_stream_.erase(stream);
    }
  }
  deadlines_.Erase(relay_socket);
  return allocation;
}

std::unique_ptr<Allocation> AllocationTable::RemoveStream(SocketId stream) {
  const auto it = by_stream_.find(stream);
  return it == by_stream_.end() ? nullptr : Remove(it->second);
}

std::unique_ptr<Allocation> AllocationTable::TakeExpired(MonoTime now) {
  const std::optional<SocketId> socket = deadlines_.PopExpired(now);
  if (!socket.has_value()) return nullptr;
  return Remove(*socket);
}

std::vector<Allocation*> AllocationTable::All() const {
  std::vector<Allocation*> all;
  all.reserve(by_relay_.size());
  for (const auto& [socket, allocation] : by_relay_) {
    all.push_back(allocation.get());
  }
  return all;
}

}  // namespace sallyport::media_relay
