// The fast path on sockets: flows in one flat table that a whole batch of
// datagrams is looked up in at once. With a kernel tier before it, it is what
// that leaves over.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_FLOW_TABLE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_FLOW_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/fast_path.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/io/kernel_flows.h"
#include "services/media_relay/io/receive_batch.h"
#include "services/media_relay/io/relay_ports.h"

namespace sallyport::media_relay {

// A flow goes to the kernel tier with the first datagram that is forwarded here
// over a device and next hop that are known, and again when these change.
// Forwarding takes one lookup, whose memory is fetched ahead for all of the
// batch, and no allocation, lock or clock. Loop thread only.
class FlowTable final : public FastPath {
 public:
  // `ports` must outlive it. `seed` is secret, so that nobody chooses addresses
  // that collide.
  // `kernel`, if there is one, must outlive it too; `loop` is who this is
  // there.
  FlowTable(RelayPorts& ports, uint64_t seed, KernelFlows* kernel = nullptr,
            uint32_t loop = 0);
  ~FlowTable() override;

  void Put(FlowId id, const Flow& flow) override;
  void Remove(FlowId id) override;
  FlowCounters Take(FlowId id) override;

  // Forwards those of the first `count` datagrams of `batch` that belong to
  // flows, and returns them as bits; the others are untouched. `fd` and `id`
  // are what RelayPorts::Ready said.
  uint64_t Forward(ReceiveBatch& batch, size_t count, int fd, SocketId id,
                   MonoTime now, FlowCounters& forwarded);

  // What the kernel tier has forwarded since the last call.
  FlowCounters CollectKernel();

  size_t size() const { return by_id_.size(); }
  size_t in_kernel() const { return in_kernel_.size(); }

 private:
  struct Key {
    std::array<uint64_t, 4> words = {};
    friend bool operator==(const Key&, const Key&) = default;
  };
  // The first cache line is all that a lookup reads.
  struct alignas(64) Entry {
    Key key;
    MonoTime expiry;
    FlowCounters counters;
    uint16_t head_channel = 0;  // of the ChannelData head to be written
    bool prepared = false;
    uint32_t kernel_generation = 0;  // of the route that the kernel was told of
    SendRoute route;
  };
  struct InKernel {
    uint32_t slot = 0;
    FlowCounters seen;  // of what its slot counts
  };
  static constexpr size_t kChunk = 64;
  using Chunk = std::array<Entry, kChunk>;
  // Hash in the upper half, number of the entry + 1 in the lower; 0: free.
  using IndexSlot = uint64_t;

  static Key KeyOf(const Endpoint& from, uint16_t channel, SocketId socket);
  static Key KeyOf(const sockaddr_storage& from, uint16_t channel,
                   SocketId socket);
  uint32_t HashOf(const Key& key) const;
  Entry& At(uint32_t number) {
    return (*chunks_[number / kChunk])[number % kChunk];
  }
  void Insert(uint32_t hash, uint32_t number);
  void EraseIndex(const Key& key, uint32_t number);
  void Grow();
  // Gives entry `number`, whose route has just been used, to the kernel tier.
  void Settle(uint32_t number);
  void Unsettle(uint32_t number);
  void Collect(uint32_t number, InKernel& settled);

  RelayPorts& ports_;
  const uint64_t seed_;
  KernelFlows* const kernel_;
  const uint32_t loop_;
  // By number, kept for the kernel tier alone.
  std::vector<FlowMatch> matches_;
  absl::flat_hash_map<uint32_t, InKernel> in_kernel_;
  FlowCounters kernel_forwarded_;
  std::vector<IndexSlot> index_;
  uint32_t mask_ = 0;
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::vector<uint32_t> free_;
  absl::flat_hash_map<FlowId, uint32_t> by_id_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_FLOW_TABLE_H_
