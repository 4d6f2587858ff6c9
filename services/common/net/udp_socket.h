// A bound UDP socket that reads and writes in batches.

#ifndef SALLYPORT_SERVICES_COMMON_NET_UDP_SOCKET_H_
#define SALLYPORT_SERVICES_COMMON_NET_UDP_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/unique_fd.h"

namespace sallyport {

// One datagram as it arrived. The payload lies in the UdpReceiveBuffer and may
// be changed in place until the next Receive.
struct ReceivedDatagram {
  absl::Span<uint8_t> payload;
  SocketAddress peer;
  // The address it was sent to; only with Options::packet_info.
  std::optional<SocketAddress> local;
  bool truncated = false;  // it was longer than the buffer: not to be parsed
};

// One datagram to send; the payload is borrowed until Send returns.
struct OutgoingDatagram {
  ByteSpan payload;
  SocketAddress peer;
  // The source IP address to use on a socket bound to all; its port is
  // ignored. Without it the kernel chooses.
  std::optional<SocketAddress> local;
};

// Memory for one batch; one per loop is enough. Thread-compatible.
class UdpReceiveBuffer {
 public:
  // `datagrams` in one system call, each at most `datagram_size` octets.
  explicit UdpReceiveBuffer(size_t datagrams = 32, size_t datagram_size = 2048);
  ~UdpReceiveBuffer();
  UdpReceiveBuffer(const UdpReceiveBuffer&) = delete;
  UdpReceiveBuffer& operator=(const UdpReceiveBuffer&) = delete;

 private:
  friend class UdpSocket;
  struct Slots;
  std::unique_ptr<Slots> slots_;
};

// Never blocks. IPv6 sockets are IPv6 only, so that every address is spelled
// one way. Nothing allocates after Bind. Thread-compatible.
class UdpSocket {
 public:
  struct Options {
    bool reuse_port = false;   // SO_REUSEPORT: one socket a loop, same port
    bool packet_info = false;  // report the local address of each datagram
    int receive_buffer = 0;    // SO_RCVBUF in octets; 0 leaves the default
    int send_buffer = 0;       // SO_SNDBUF, likewise
    // Neighbours of one Send that go to the same peer and are of one size (the
    // last may be shorter) go through the kernel's stack as one (UDP_SEGMENT);
    // on the wire nothing is different.
    bool segment = false;
  };

  // Port 0 takes a free one; see local_address().
  static absl::StatusOr<UdpSocket> Bind(const SocketAddress& address,
                                        const Options& options);
  static absl::StatusOr<UdpSocket> Bind(const SocketAddress& address) {
    return Bind(address, Options());
  }

  UdpSocket(UdpSocket&&) = default;
  UdpSocket& operator=(UdpSocket&&) = default;

  // For EventLoop::Add; Remove it there before this object goes.
  int fd() const { return fd_.get(); }
  const SocketAddress& local_address() const { return local_; }

  // Reads what is there, at most one batch; empty when nothing is. Valid until
  // the next Receive into `buffer`.
  absl::StatusOr<absl::Span<ReceivedDatagram>> Receive(
      UdpReceiveBuffer& buffer);

  // Sends in order, and returns how many were dealt with: fewer than given
  // only when the socket's buffer is full. A datagram that the kernel refuses
  // (no route, too long, port unreachable) is dealt with, and counted in
  // refused(): UDP promises no more.
  size_t Send(absl::Span<const OutgoingDatagram> datagrams);
  // One; UNAVAILABLE if the buffer is full, else the kernel's refusal.
  absl::Status SendOne(const OutgoingDatagram& datagram);

  uint64_t refused() const { return refused_; }

 private:
  UdpSocket(UniqueFd fd, const SocketAddress& local, bool segment)
      : fd_(std::move(fd)), local_(local), segment_(segment) {}

  // How many of the first can go as one.
  size_t RunOf(absl::Span<const OutgoingDatagram> datagrams) const;

  UniqueFd fd_;
  SocketAddress local_;
  bool segment_;
  uint64_t refused_ = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_NET_UDP_SOCKET_H_
