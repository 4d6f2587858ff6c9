// AF_XDP: frames of one queue of a device in memory shared with the kernel,
// without system calls to receive and with one to send many
// (Documentation/networking/af_xdp.rst).

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_XSK_SOCKET_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_XSK_SOCKET_H_

#include <linux/if_xdp.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/common/net/unique_fd.h"

namespace sallyport::media_relay {

// Memory in chunks of one size, each for one frame; it has to stay locked.
// Loop thread only.
class FrameMemory {
 public:
  static constexpr size_t kChunk = 2048;

  static absl::StatusOr<std::unique_ptr<FrameMemory>> Create(size_t chunks);
  ~FrameMemory();
  FrameMemory(const FrameMemory&) = delete;
  FrameMemory& operator=(const FrameMemory&) = delete;

  uint8_t* at(uint64_t offset) const { return data_ + offset; }
  absl::Span<uint8_t> all() const { return absl::MakeSpan(data_, size_); }
  bool Holds(const uint8_t* byte) const {
    // Below it wraps.
    return reinterpret_cast<uintptr_t>(byte) -
               reinterpret_cast<uintptr_t>(data_) <
           size_;
  }
  size_t ChunkOf(const uint8_t* byte) const {
    return static_cast<size_t>(byte - data_) / kChunk;
  }

  // Chunks that nobody holds.
  std::vector<uint32_t>& free() { return free_; }

 private:
  FrameMemory() = default;

  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  std::vector<uint32_t> free_;
};

// One socket, in copy mode: the kernel copies frames from and into the driver's
// own memory, which every driver with XDP can do. Loop thread only.
class XskSocket {
 public:
  // Frames that wait in each direction at most.
  static constexpr uint32_t kRing = 2048;

  struct Options {
    int interface = 0;
    uint32_t queue = 0;
    bool receives = false;
  };
  // `first` is the socket that the memory was given to; null: this is it.
  // `memory` must outlive it. PERMISSION_DENIED or UNAVAILABLE with a reason.
  static absl::StatusOr<std::unique_ptr<XskSocket>> Create(
      FrameMemory& memory, const XskSocket* first, const Options& options);
  ~XskSocket();
  XskSocket(const XskSocket&) = delete;
  XskSocket& operator=(const XskSocket&) = delete;

  int fd() const { return fd_.get(); }

  // Gives free chunks to the kernel to receive into.
  void Refill();
  // What came, whose chunks are the caller's from then on.
  size_t Receive(absl::Span<xdp_desc> frames);

  // Takes the chunk of the frame, which is sent by Flush(). False when there is
  // no room; it is then the caller's still.
  bool Send(absl::Span<const uint8_t> frame);
  // False when the device is gone.
  bool Flush();
  // Something waits for another Flush(), as the device took no more.
  bool waiting() const {
    return send_.consumer->load(std::memory_order_acquire) != send_.own;
  }
  // Gives back the chunks of what has left.
  void Reclaim();

  // Frames that found no chunk or no room in the ring.
  uint64_t overrun() const;

 private:
  // One producer, one consumer; counters run on without end.
  struct Ring {
    std::atomic<uint32_t>* producer = nullptr;
    std::atomic<uint32_t>* consumer = nullptr;
    uint8_t* entries = nullptr;
    uint32_t own = 0;  // our counter, of the two
    void* mapping = nullptr;
    size_t mapping_size = 0;

    template <typename Entry>
    Entry& At(uint32_t number) const {
      return reinterpret_cast<Entry*>(entries)[number % kRing];
    }
  };

  explicit XskSocket(FrameMemory& memory) : memory_(memory) {}
  absl::Status Start(const XskSocket* first, const Options& options);
  absl::Status Map(Ring& ring, const xdp_ring_offset& offset,
                   uint64_t page_offset, size_t entry_size);

  FrameMemory& memory_;
  UniqueFd fd_;
  Ring receive_;   // ours to consume
  Ring fill_;      // ours to produce
  Ring send_;      // ours to produce
  Ring complete_;  // ours to consume
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_XSK_SOCKET_H_
