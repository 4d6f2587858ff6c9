#include "services/signaling_edge/core/connection_table.h"

#include <algorithm>
#include <utility>

#include "services/common/bytes/string_view.h"

namespace sallyport::signaling_edge {

Connection& ConnectionTable::Add(SocketAddress remote, bool incoming,
                                 const ParsePolicy& policy) {
  auto connection = std::make_unique<Connection>(policy);
  connection->id = ++last_id_;
  connection->remote = remote;
  connection->incoming = incoming;
  if (incoming) ++by_source_[remote.WithPort(0)];
  Connection& added = *connection;
  connections_.emplace(added.id, std::move(connection));
  return added;
}

void ConnectionTable::Remove(ConnectionId id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  const Connection& connection = *it->second;
  const auto source = by_source_.find(connection.remote.WithPort(0));
  if (connection.incoming && source != by_source_.end() &&
      --source->second == 0) {
    by_source_.erase(source);
  }
  if (const auto peer = dialled_.find(connection.dialled);
      peer != dialled_.end() && peer->second == id) {
    dialled_.erase(peer);
  }
  connections_.erase(it);
}

Connection* ConnectionTable::Find(ConnectionId id) {
  const auto it = connections_.find(id);
  return it == connections_.end() ? nullptr : it->second.get();
}

const Connection* ConnectionTable::Find(ConnectionId id) const {
  const auto it = connections_.find(id);
  return it == connections_.end() ? nullptr : it->second.get();
}

Connection* ConnectionTable::DialledTo(std::string_view peer) {
  const auto it = dialled_.find(AbslView(peer));
  return it == dialled_.end() ? nullptr : Find(it->second);
}

void ConnectionTable::NoteDialled(Connection& connection,
                                  std::string_view peer) {
  connection.dialled = peer;
  dialled_[connection.dialled] = connection.id;
}

size_t ConnectionTable::CountFrom(const SocketAddress& remote) const {
  const auto it = by_source_.find(remote.WithPort(0));
  return it == by_source_.end() ? 0 : it->second;
}

std::vector<const Connection*> ConnectionTable::All() const {
  std::vector<const Connection*> all;
  all.reserve(connections_.size());
  for (const auto& [id, connection] : connections_) {
    all.push_back(connection.get());
  }
  std::sort(
      all.begin(), all.end(),
      [](const Connection* a, const Connection* b) { return a->id < b->id; });
  return all;
}

}  // namespace sallyport::signaling_edge
