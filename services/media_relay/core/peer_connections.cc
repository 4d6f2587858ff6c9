#include "services/media_relay/core/peer_connections.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {

PeerConnection* PeerConnections::Add(SocketId socket, SocketId allocation,
                                     const Endpoint& peer,
                                     PeerConnection::State state,
                                     MonoTime deadline) {
  std::vector<PeerConnection*>& of_allocation = by_allocation_[allocation];
  if (of_allocation.size() >= kMaxPerAllocation) return nullptr;
  auto connection = std::make_unique<PeerConnection>();
  connection->socket = socket;
  connection->allocation = allocation;
  connection->peer = peer;
  connection->state = state;
  do {
    connection->id = static_cast<uint32_t>(loop_) << 24 |
                     static_cast<uint32_t>(random_.Uniform(1u << 24));
  } while (by_id_.contains(connection->id));
  PeerConnection* const added = connection.get();
  of_allocation.push_back(added);
  by_id_[added->id] = added;
  by_socket_[socket] = std::move(connection);
  deadlines_.Set(socket, deadline);
  return added;
}

PeerConnection* PeerConnections::Find(SocketId socket) {
  const auto it = by_socket_.find(socket);
  return it == by_socket_.end() ? nullptr : it->second.get();
}

PeerConnection* PeerConnections::FindById(uint32_t id) {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second;
}

PeerConnection* PeerConnections::FindTo(SocketId allocation,
                                        const Endpoint& peer) {
  const auto it = by_allocation_.find(allocation);
  if (it == by_allocation_.end()) return nullptr;
  for (PeerConnection* const connection : it->second) {
    if (connection->peer == peer) return connection;
  }
  return nullptr;
}

PeerConnection* PeerConnections::FindByClient(SocketId client) {
  const auto it = by_client_.find(client);
  return it == by_client_.end() ? nullptr : it->second;
}

void PeerConnections::Bind(PeerConnection& connection, SocketId client) {
  connection.state = PeerConnection::State::kBound;
  connection.client = client;
  by_client_[client] = &connection;
  deadlines_.Erase(connection.socket);
}

size_t PeerConnections::HeldOf(SocketId allocation) const {
  const auto it = by_allocation_.find(allocation);
  if (it == by_allocation_.end()) return 0;
  return static_cast<size_t>(std::count_if(
      it->second.begin(), it->second.end(), [](const PeerConnection* c) {
        return c->state == PeerConnection::State::kHeld;
      }));
}

std::vector<SocketId> PeerConnections::Release(SocketId allocation,
                                               const IpAddress& peer) {
  std::vector<SocketId> released;
  const auto it = by_allocation_.find(allocation);
  if (it == by_allocation_.end()) return released;
  for (PeerConnection* const connection : it->second) {
    if (connection->state != PeerConnection::State::kHeld ||
        connection->peer.ip != peer) {
      continue;
    }
    connection->state = PeerConnection::State::kFramed;
    deadlines_.Erase(connection->socket);
    released.push_back(connection->socket);
  }
  return released;
}

void PeerConnections::Remove(SocketId socket) {
  const auto it = by_socket_.find(socket);
  if (it == by_socket_.end()) return;
  const PeerConnection& connection = *it->second;
  by_id_.erase(connection.id);
  if (connection.client != kNoSocket) by_client_.erase(connection.client);
  std::vector<PeerConnection*>& of_allocation =
      by_allocation_[connection.allocation];
  std::erase(of_allocation, &connection);
  if (of_allocation.empty()) by_allocation_.erase(connection.allocation);
  deadlines_.Erase(socket);
  by_socket_.erase(it);
}

std::vector<SocketId> PeerConnections::OfAllocation(SocketId allocation) const {
  std::vector<SocketId> sockets;
  const auto it = by_allocation_.find(allocation);
  if (it == by_allocation_.end()) return sockets;
  for (const PeerConnection* const connection : it->second) {
    sockets.push_back(connection->socket);
  }
  return sockets;
}

}  // namespace sallyport::media_relay
