// A batch of datagrams as it is lent to the core, wherever they were received.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_RECEIVE_BATCH_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_RECEIVE_BATCH_H_

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/memory/block_pool.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {

inline constexpr size_t kBatchSize = kMaxBatch;

// The bytes of an address as the kernel takes them; returns their length.
socklen_t ToSockaddr(const Endpoint& endpoint, sockaddr_storage& out);
Endpoint FromSockaddr(const sockaddr_storage& address);

// Up to kBatchSize datagrams; whoever fills it says how many, and until when
// they are lent. Loop thread only.
class ReceiveBatch {
 public:
  ReceiveBatch(const ReceiveBatch&) = delete;
  ReceiveBatch& operator=(const ReceiveBatch&) = delete;

  Packet& packet(size_t i) { return items_[i].packet; }
  Endpoint from(size_t i) const { return FromSockaddr(items_[i].address); }
  const sockaddr_storage& address(size_t i) const { return items_[i].address; }
  // When the kernel took it in, where that is known; else the past.
  absl::Time arrival(size_t i) const { return items_[i].arrival; }
  absl::Span<uint8_t> reply(size_t i) {
    return absl::MakeSpan(items_[i].reply);
  }
  // The port that it was sent to, where that is known; else 0.
  uint16_t local_port(size_t i) const { return items_[i].local_port; }
  // Writable bytes before `bytes` in the buffer of datagram `i`; 0 when they
  // lie elsewhere.
  size_t RoomBefore(size_t i, absl::Span<const uint8_t> bytes) const;

 protected:
  struct Item {
    Packet packet;
    absl::Span<uint8_t> buffer;  // that the packet lies in
    sockaddr_storage address;
    absl::Time arrival;
    uint16_t local_port;
    std::array<uint8_t, kReplySize> reply;
  };

  ReceiveBatch();
  ~ReceiveBatch() = default;
  Item& item(size_t i) { return items_[i]; }

 private:
  // Visited item by item, with pages between what is used of them.
  struct Memory final : Pooled<Memory> {
    std::array<Item, kBatchSize> items;
  };

  std::unique_ptr<Memory> memory_;
  absl::Span<Item> items_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_RECEIVE_BATCH_H_
