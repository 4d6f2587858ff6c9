#include "services/signaling_edge/core/connection_table.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"

namespace sallyport::signaling_edge {
namespace {

SocketAddress SourceOf(const SocketAddress& remote) {
  const SocketAddress canonical = remote.Canonical();
  if (canonical.is_v4()) return canonical.WithPort(0);
  std::array<uint8_t, 16> network = {};
  const ByteSpan ip = canonical.ip_bytes();
  std::copy(ip.begin(), ip.begin() + 8, network.begin());
  return *SocketAddress::FromBytes(network, 0);
}

}  // namespace

Connection& ConnectionTable::Add(SocketAddress remote, bool incoming,
                                 const ParsePolicy& policy) {
  auto connection = std::make_unique<Connection>(policy);
  connection->id = ++last_id_;
  connection->remote = remote;
  connection->incoming = incoming;
  if (incoming) ++by_source_[SourceOf(remote)];
  Connection& added = *connection;
  connections_.emplace(added.id, std::move(connection));
  return added;
}

RemoteFlow ConnectionTable::KeyOf(const RemoteFlow& flow) {
  if (flow.connection == 0) return flow;
  return {.node = flow.node, .connection = flow.connection};
}

Connection& ConnectionTable::AddMirror(const RemoteFlow& of,
                                       const ParsePolicy& policy) {
  Connection& mirror = Add(of.remote, false, policy);
  mirror.transport = of.transport;
  mirror.held_by = of;
  mirrors_[KeyOf(of)] = mirror.id;
  return mirror;
}

Connection* ConnectionTable::MirrorOf(const RemoteFlow& of) {
  const auto it = mirrors_.find(KeyOf(of));
  return it == mirrors_.end() ? nullptr : Find(it->second);
}

void ConnectionTable::Remove(ConnectionId id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  const Connection& connection = *it->second;
  if (connection.held_by.has_value()) {
    mirrors_.erase(KeyOf(*connection.held_by));
  } else if (connection.incoming) {
    const auto source = by_source_.find(SourceOf(connection.remote));
    if (source != by_source_.end() && --source->second == 0) {
      by_source_.erase(source);
    }
  }
  Forget(dialled_, connection.dialled, id);
  Forget(aliases_, connection.alias_of, id);
  connections_.erase(it);
}

void ConnectionTable::Forget(
    absl::flat_hash_map<std::string, std::vector<ConnectionId>>& by_peer,
    const std::string& peer, ConnectionId id) {
  const auto it = by_peer.find(peer);
  if (it == by_peer.end()) return;
  std::erase(it->second, id);
  if (it->second.empty()) by_peer.erase(it);
}

Connection* ConnectionTable::Find(ConnectionId id) {
  const auto it = connections_.find(id);
  return it == connections_.end() ? nullptr : it->second.get();
}

const Connection* ConnectionTable::Find(ConnectionId id) const {
  const auto it = connections_.find(id);
  return it == connections_.end() ? nullptr : it->second.get();
}

Connection* ConnectionTable::DialledTo(
    std::string_view peer, const std::vector<SocketAddress>& addresses) {
  const auto it = dialled_.find(AbslView(peer));
  if (it == dialled_.end()) return nullptr;
  for (size_t i = it->second.size(); i-- > 0;) {
    Connection* const connection = Find(it->second[i]);
    if (std::find(addresses.begin(), addresses.end(), connection->remote) !=
        addresses.end()) {
      return connection;
    }
  }
  return nullptr;
}

void ConnectionTable::NoteDialled(Connection& connection,
                                  std::string_view peer) {
  connection.dialled = peer;
  connection.kept = true;
  dialled_[connection.dialled].push_back(connection.id);
}

Connection* ConnectionTable::AliasOf(
    std::string_view peer, const std::vector<SocketAddress>& addresses) {
  const auto it = aliases_.find(AbslView(peer));
  if (it == aliases_.end()) return nullptr;
  for (size_t i = it->second.size(); i-- > 0;) {
    Connection* const connection = Find(it->second[i]);
    if (connection->identity.has_value() &&
        connection->identity->resource == peer &&
        std::find(addresses.begin(), addresses.end(), *connection->alias) !=
            addresses.end()) {
      return connection;
    }
  }
  return nullptr;
}

void ConnectionTable::NoteAlias(Connection& connection, std::string_view peer,
                                const SocketAddress& address) {
  if (connection.alias == address && connection.alias_of == peer) return;
  Forget(aliases_, connection.alias_of, connection.id);
  connection.alias = address;
  connection.alias_of = peer;
  aliases_[connection.alias_of].push_back(connection.id);
}

size_t ConnectionTable::CountFrom(const SocketAddress& remote) const {
  const auto it = by_source_.find(SourceOf(remote));
  return it == by_source_.end() ? 0 : it->second;
}

std::vector<const Connection*> ConnectionTable::All() const {
  std::vector<const Connection*> all;
  all.reserve(size());
  for (const auto& [id, connection] : connections_) {
    if (!connection->held_by.has_value()) all.push_back(connection.get());
  }
  std::sort(
      all.begin(), all.end(),
      [](const Connection* a, const Connection* b) { return a->id < b->id; });
  return all;
}

std::vector<const Connection*> ConnectionTable::Mirrors() const {
  std::vector<const Connection*> out;
  for (const auto& [key, id] : mirrors_) out.push_back(Find(id));
  return out;
}

}  // namespace sallyport::signaling_edge
