#include "services/media_relay/io/flow_table.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/channel_data.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/fast_path.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/io/kernel_flows.h"
#include "services/media_relay/io/receive_batch.h"
#include "services/media_relay/io/relay_ports.h"

namespace sallyport::media_relay {
namespace {

constexpr size_t kFirstIndex = 256;

void FetchLines(const void* at, size_t lines) {
  const char* const bytes = static_cast<const char*>(at);
  for (size_t i = 0; i < lines; ++i) __builtin_prefetch(bytes + 64 * i);
}

uint64_t Rest(bool v6, uint16_t port, uint16_t channel) {
  return (v6 ? uint64_t{1} << 32 : 0) | (uint64_t{port} << 16) | channel;
}

}  // namespace

FlowTable::FlowTable(RelayPorts& ports, uint64_t seed, KernelFlows* kernel,
                     uint32_t loop)
    : ports_(ports),
      seed_(seed),
      kernel_(kernel),
      loop_(loop),
      index_(kFirstIndex, 0),
      mask_(kFirstIndex - 1) {}

FlowTable::~FlowTable() {
  for (const auto& [number, settled] : in_kernel_) {
    kernel_->Remove(settled.slot);
  }
}

FlowTable::Key FlowTable::KeyOf(const Endpoint& from, uint16_t channel,
                                SocketId socket) {
  sockaddr_storage address = {};
  (void)ToSockaddr(from, address);
  return KeyOf(address, channel, socket);
}

FlowTable::Key FlowTable::KeyOf(const sockaddr_storage& from, uint16_t channel,
                                SocketId socket) {
  Key key;
  if (from.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &from, sizeof(v6));
    std::memcpy(key.words.data(), &v6.sin6_addr, 16);
    key.words[2] = Rest(true, v6.sin6_port, channel);
  } else {
    sockaddr_in v4;
    std::memcpy(&v4, &from, sizeof(v4));
    key.words[1] = v4.sin_addr.s_addr;
    key.words[2] = Rest(false, v4.sin_port, channel);
  }
  key.words[3] = socket;
  return key;
}

uint32_t FlowTable::HashOf(const Key& key) const {
  uint64_t hash = seed_;
  for (const uint64_t word : key.words) {
    const unsigned __int128 product =
        static_cast<unsigned __int128>(hash ^ word) * 0x9E3779B97F4A7C15u;
    hash =
        static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }
  return static_cast<uint32_t>(hash ^ (hash >> 32));
}

void FlowTable::Insert(uint32_t hash, uint32_t number) {
  uint32_t at = hash & mask_;
  while (index_[at] != 0) at = (at + 1) & mask_;
  index_[at] = (uint64_t{hash} << 32) | (number + 1);
}

void FlowTable::EraseIndex(const Key& key, uint32_t number) {
  uint32_t at = HashOf(key) & mask_;
  while ((index_[at] & 0xFFFFFFFF) != number + 1) {
    if (index_[at] == 0) return;
    at = (at + 1) & mask_;
  }
  // What probed past it moves up, so that no search ends too early.
  uint32_t hole = at;
  for (uint32_t next = (hole + 1) & mask_; index_[next] != 0;
       next = (next + 1) & mask_) {
    const uint32_t home = static_cast<uint32_t>(index_[next] >> 32) & mask_;
    if (((next - home) & mask_) >= ((next - hole) & mask_)) {
      index_[hole] = index_[next];
      hole = next;
    }
  }
  index_[hole] = 0;
}

void FlowTable::Grow() {
  std::vector<IndexSlot> old(index_.size() * 2, 0);
  old.swap(index_);
  mask_ = static_cast<uint32_t>(index_.size() - 1);
  for (const IndexSlot slot : old) {
    if (slot != 0) {
      Insert(static_cast<uint32_t>(slot >> 32),
             static_cast<uint32_t>(slot & 0xFFFFFFFF) - 1);
    }
  }
}

void FlowTable::Put(FlowId id, const Flow& flow) {
  const Key key = KeyOf(flow.match.from, flow.match.channel, flow.match.socket);
  const auto present = by_id_.find(id);
  if (present != by_id_.end()) {
    Entry& entry = At(present->second);
    if (entry.key == key && entry.route.socket == flow.rewrite.socket &&
        entry.route.to == flow.rewrite.to &&
        entry.head_channel == flow.rewrite.channel) {
      entry.expiry = flow.expiry;
      const auto settled = in_kernel_.find(present->second);
      if (settled != in_kernel_.end()) {
        kernel_->SetExpiry(settled->second.slot, flow.expiry);
      }
      return;
    }
    Remove(id);
  }
  if (free_.empty()) {
    const uint32_t first = static_cast<uint32_t>(chunks_.size() * kChunk);
    chunks_.push_back(std::make_unique<Chunk>());
    for (size_t i = kChunk; i > 0; --i) {
      free_.push_back(first + static_cast<uint32_t>(i) - 1);
    }
  }
  if ((by_id_.size() + 1) * 2 > index_.size()) Grow();
  const uint32_t number = free_.back();
  free_.pop_back();
  Entry& entry = At(number);
  entry = Entry();
  entry.key = key;
  entry.expiry = flow.expiry;
  entry.head_channel = flow.rewrite.channel;
  entry.route.socket = flow.rewrite.socket;
  entry.route.to = flow.rewrite.to;
  if (kernel_ != nullptr) {
    matches_.resize(chunks_.size() * kChunk);
    matches_[number] = flow.match;
  }
  by_id_[id] = number;
  Insert(HashOf(key), number);
}

void FlowTable::Remove(FlowId id) {
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return;
  Unsettle(it->second);
  ports_.Flush();  // what is collected may borrow from the route
  EraseIndex(At(it->second).key, it->second);
  free_.push_back(it->second);
  by_id_.erase(it);
}

FlowCounters FlowTable::Take(FlowId id) {
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return FlowCounters();
  const auto settled = in_kernel_.find(it->second);
  if (settled != in_kernel_.end()) Collect(it->second, settled->second);
  return std::exchange(At(it->second).counters, FlowCounters());
}

void FlowTable::Settle(uint32_t number) {
  Entry& entry = At(number);
  // Tried once for each generation of the route.
  entry.kernel_generation = entry.route.generation;
  const FlowMatch& match = matches_[number];
  const std::optional<Endpoint> to = ports_.LocalOf(match.socket);
  const std::optional<Endpoint> next_from = ports_.LocalOf(entry.route.socket);
  if (!to || !next_from) return;
  KernelFlow flow;
  flow.from = match.from;
  flow.to = *to;
  flow.channel = match.channel;
  flow.header = entry.route.header;
  flow.next_from = *next_from;
  flow.next_to = entry.route.to;
  flow.head_channel = entry.head_channel;
  flow.interface = entry.route.interface;
  flow.mtu = entry.route.mtu;
  flow.expiry = entry.expiry;
  flow.loop = loop_;
  flow.generation = entry.route.generation;
  Unsettle(number);  // it went another way
  const std::optional<uint32_t> slot = kernel_->Put(flow);
  if (slot) in_kernel_[number] = {*slot, FlowCounters()};
}

void FlowTable::Unsettle(uint32_t number) {
  const auto it = in_kernel_.find(number);
  if (it == in_kernel_.end()) return;
  kernel_->Remove(it->second.slot);
  Collect(number, it->second);
  in_kernel_.erase(it);
}

void FlowTable::Collect(uint32_t number, InKernel& settled) {
  const FlowCounters now = kernel_->Read(settled.slot);
  const FlowCounters more = {now.packets - settled.seen.packets,
                             now.bytes - settled.seen.bytes};
  settled.seen = now;
  for (FlowCounters* counters : {&At(number).counters, &kernel_forwarded_}) {
    counters->packets += more.packets;
    counters->bytes += more.bytes;
  }
}

FlowCounters FlowTable::CollectKernel() {
  if (kernel_ != nullptr) kernel_->Beat(loop_);
  for (auto& [number, settled] : in_kernel_) Collect(number, settled);
  return std::exchange(kernel_forwarded_, FlowCounters());
}

uint64_t FlowTable::Forward(ReceiveBatch& batch, size_t count, int fd,
                            SocketId id, MonoTime now,
                            FlowCounters& forwarded) {
  if (by_id_.empty()) return 0;
  const bool clients = id != kNoSocket && id < kFirstCoreSocket;
  std::array<Key, kBatchSize> keys;
  std::array<uint32_t, kBatchSize> hashes;
  std::array<Entry*, kBatchSize> entries;
  std::array<uint32_t, kBatchSize> numbers;
  uint64_t candidates = 0;
  for (size_t i = 0; i < count; ++i) {
    const Packet& packet = batch.packet(i);
    uint16_t channel = 0;
    if (clients) {
      if (packet.size < kChannelDataHeaderSize ||
          (packet.data[0] & 0xC0) != 0x40) {
        continue;
      }
      channel = static_cast<uint16_t>((packet.data[0] << 8) | packet.data[1]);
    }
    keys[i] =
        KeyOf(batch.address(i), channel,
              id != kNoSocket ? id : ports_.IdOf(fd, batch.local_port(i)));
    hashes[i] = HashOf(keys[i]);
    __builtin_prefetch(&index_[hashes[i] & mask_]);
    candidates |= uint64_t{1} << i;
  }
  for (uint64_t rest = candidates; rest != 0; rest &= rest - 1) {
    const size_t i = static_cast<size_t>(__builtin_ctzll(rest));
    entries[i] = nullptr;
    for (uint32_t at = hashes[i] & mask_; index_[at] != 0;
         at = (at + 1) & mask_) {
      if (static_cast<uint32_t>(index_[at] >> 32) != hashes[i]) continue;
      numbers[i] = static_cast<uint32_t>(index_[at] & 0xFFFFFFFF) - 1;
      entries[i] = &At(numbers[i]);
      FetchLines(entries[i], (sizeof(Entry) + 63) / 64);
      break;
    }
  }
  uint64_t done = 0;
  for (uint64_t rest = candidates; rest != 0; rest &= rest - 1) {
    const size_t i = static_cast<size_t>(__builtin_ctzll(rest));
    Entry* const entry = entries[i];
    // Two flows of one hash: the core knows what to do with the second.
    if (entry == nullptr || entry->expiry <= now || !(entry->key == keys[i])) {
      continue;
    }
    const Packet& packet = batch.packet(i);
    uint8_t* payload = packet.data;
    size_t size = packet.size;
    if (clients) {
      const size_t length = static_cast<size_t>((payload[2] << 8) | payload[3]);
      if (length > size - kChannelDataHeaderSize) continue;
      payload += kChannelDataHeaderSize;
      size = length;
    }
    if (!entry->prepared) {
      if (!ports_.Prepare(entry->route)) continue;
      entry->prepared = true;
    }
    ++entry->counters.packets;
    entry->counters.bytes += size;
    if (entry->head_channel != 0) {
      payload -= kChannelDataHeaderSize;
      WriteChannelDataHeader(entry->head_channel, size, payload);
      size += kChannelDataHeaderSize;
    }
    SendContext context;
    context.now = now;
    context.room = kPacketHeadroom - kChannelDataHeaderSize;
    ports_.SendAlong(entry->route, absl::MakeSpan(payload, size), context);
    if (kernel_ != nullptr && entry->route.frames != nullptr &&
        entry->kernel_generation != entry->route.generation) {
      Settle(numbers[i]);
    }
    ++forwarded.packets;
    forwarded.bytes += size;
    done |= uint64_t{1} << i;
  }
  return done;
}

}  // namespace sallyport::media_relay
