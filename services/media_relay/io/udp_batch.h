// Many datagrams in one system call, in buffers with room for the heads and
// trailers that relaying adds in place.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_UDP_BATCH_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_UDP_BATCH_H_

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/memory/block_pool.h"
#include "services/media_relay/core/delay_histogram.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/tag_batch.h"
#include "services/media_relay/io/receive_batch.h"

namespace sallyport::media_relay {

// Receives up to kBatchSize datagrams at a time. Its buffers are lent to the
// core until the next Receive(). Loop thread only.
class UdpReceiveBatch final : public ReceiveBatch {
 public:
  UdpReceiveBatch();

  // What one system call gives; 0 when nothing waits. Datagrams longer than
  // kMaxPacketSize are left out and counted in oversized().
  size_t Receive(int fd);

  uint64_t oversized() const { return oversized_; }

 private:
  struct Slot {
    alignas(16) std::array<uint8_t, kPacketHeadroom + kMaxPacketSize +
                                        kPacketTailroom> buffer;
    // Three stamps and an address.
    alignas(cmsghdr) std::array<char, 128> control;
    iovec io;
  };

  // Visited slot by slot, with pages between what is used of them.
  struct Memory final : Pooled<Memory> {
    std::array<Slot, kBatchSize> slots;
  };

  // Makes header `i` ready for the kernel to fill.
  void Rearm(size_t i);

  std::unique_ptr<Memory> memory_;
  absl::Span<Slot> slots_;
  std::array<mmsghdr, kBatchSize> headers_;
  size_t used_ = 0;  // of the last call
  uint64_t oversized_ = 0;
};

// Collects what is to be sent, and sends neighbours of one socket together.
// The bytes are borrowed until Flush(). Loop thread only.
class UdpSendBatch {
 public:
  // `delay` may be null; `arrival` is when the datagram came in.
  void Add(int fd, const Endpoint& to, absl::Span<const uint8_t> bytes,
           DelayHistogram* delay, absl::Time arrival);
  // The same to an address in the kernel's form, borrowed until Flush() too;
  // none on a socket that needs none.
  void AddRaw(int fd, const void* name, socklen_t name_size,
              absl::Span<const uint8_t> bytes, DelayHistogram* delay,
              absl::Time arrival);
  // Tags of what is collected are left there, and finished before it is sent;
  // null: there are none. `tags` must outlive this.
  void FinishFirst(TagBatch* tags) { tags_ = tags; }
  // Sends all. What the kernel refuses (full buffer, no route, port
  // unreachable) is lost, as UDP is, and counted in refused().
  void Flush();

  bool full() const { return count_ == kBatchSize; }
  uint64_t refused() const { return refused_; }

 private:
  struct Slot {
    int fd;
    sockaddr_storage address;
    iovec io;
    DelayHistogram* delay;
    absl::Time arrival;
  };

  std::array<Slot, kBatchSize> slots_;
  std::array<mmsghdr, kBatchSize> headers_;
  TagBatch* tags_ = nullptr;
  size_t count_ = 0;
  uint64_t refused_ = 0;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_UDP_BATCH_H_
