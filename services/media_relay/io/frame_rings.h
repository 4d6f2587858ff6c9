// The frames of a loop that come through AF_XDP instead of a socket: those for
// its open relay ports, on the queues that are its own.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_FRAME_RINGS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_FRAME_RINGS_H_

#include <linux/if_xdp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/media_relay/core/delay_histogram.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/io/kernel_flows.h"
#include "services/media_relay/io/receive_batch.h"
#include "services/media_relay/io/xsk_socket.h"

namespace sallyport::media_relay {

// A frame that was received is rewritten where it lies and sent from there. A
// queue belongs to one loop; what arrives on another's takes the sockets' way,
// and so does what the program does not steer: fragments, IP options, frames
// longer than an Ethernet device's 1500. Checksums are verified here, but for
// UDP's of senders on this host that leave them to the device (veth). Loop
// thread only once the loop runs.
class FrameRings final : public ReceiveBatch {
 public:
  // Of loop `loop` of `loops`: each queue of the devices of `kernel` goes to
  // one of them. `kernel` must outlive it. Null: none is left for this loop.
  static absl::StatusOr<std::unique_ptr<FrameRings>> Create(KernelFlows& kernel,
                                                            uint32_t loop,
                                                            uint32_t loops);

  // From the next datagram on.
  void Open(const Endpoint& local) { kernel_.OpenRingPort(local, loop_); }
  void Close(uint16_t port) { kernel_.CloseRingPort(port); }

  // Readable when frames wait.
  const std::vector<int>& fds() const { return fds_; }
  bool Has(int fd) const;
  // Lends what waits, some of it, until the next call.
  size_t Receive(int fd);

  // Takes a frame that lies in what was lent, to be sent by Flush(). False when
  // it must go another way.
  bool Send(int interface, absl::Span<const uint8_t> frame,
            DelayHistogram* delay, absl::Time arrival);
  void Flush();

  // What found no room or was damaged.
  uint64_t overrun() const;

 private:
  struct Device {
    int interface = 0;
    XskSocket* socket = nullptr;  // null: sends otherwise
    bool waiting = false;         // for Flush()
  };
  struct Delay {
    DelayHistogram* histogram;
    absl::Time arrival;
  };

  FrameRings(KernelFlows& kernel, uint32_t loop)
      : kernel_(kernel), loop_(loop) {}
  absl::Status Start(uint32_t loops);
  Device& DeviceOf(int interface);
  // False when it is damaged.
  bool Fill(Item& item, const xdp_desc& frame, absl::Time wall,
            uint64_t mono_ns);

  KernelFlows& kernel_;
  const uint32_t loop_;
  std::unique_ptr<FrameMemory> memory_;
  std::vector<std::unique_ptr<XskSocket>> sockets_;
  std::vector<int> fds_;  // of the first sockets, those that receive
  std::vector<Device> devices_;
  // Chunks of the last Receive(); of each chunk whether it is lent still.
  std::array<uint32_t, kBatchSize> lent_;
  size_t lent_count_ = 0;
  std::vector<uint8_t> is_lent_;
  std::array<Delay, kBatchSize> delays_;
  size_t delay_count_ = 0;
  uint64_t damaged_ = 0;
  // Of arrivals, see Receive().
  bool stamps_ = true;
  size_t batches_ = 0;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_FRAME_RINGS_H_
