// One socket for all relay ports of a loop and address: an sk_lookup program
// in the kernel gives it what comes for the ports that are open. An allocation
// then costs no socket.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_PORT_STEERING_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_PORT_STEERING_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/common/net/unique_fd.h"
#include "services/common/random/random_source.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/io/arrival_stamps.h"
#include "services/media_relay/io/client_steering.h"

struct bpf_object;

namespace sallyport::media_relay {

// The program of one process, attached to the network namespace that Create()
// is called in, until this object goes. Needs CAP_BPF and CAP_NET_ADMIN.
// What adds sockets is main's; Open() and Close() are Thread-safe for different
// ports.
class PortSteering {
 public:
  // For relay ports first..last of `addresses`. With several `loops` that serve
  // the listeners together, each on a core of its own, also for clients: see
  // ClientSteering. ALREADY_EXISTS when another
  // relay of this network namespace steers one of the addresses,
  // PERMISSION_DENIED or UNAVAILABLE when the kernel does not let us.
  static absl::StatusOr<std::unique_ptr<PortSteering>> Create(
      uint16_t first, uint16_t last, absl::Span<const IpAddress> addresses,
      uint32_t loops, RandomSource& random);
  ~PortSteering();
  PortSteering(const PortSteering&) = delete;
  PortSteering& operator=(const PortSteering&) = delete;

  // Makes a bound socket one that ports can be opened for, as datagrams to
  // `address`; returns its slot.
  absl::StatusOr<uint32_t> AddSocket(int fd, const IpAddress& address);

  // Null when there is but one loop.
  ClientSteering* clients() const { return clients_.get(); }
  // A loop's socket of a listener, where clients() is not null.
  absl::StatusOr<uint32_t> AddListener(int fd, const Endpoint& local,
                                       uint32_t loop);

  // From the next datagram on. Both cost a store, no system call.
  void Open(uint16_t port, uint32_t slot);
  void Close(uint16_t port);

  // Of the sockets of all loops that ports can be opened for.
  ArrivalStamps& stamps() { return stamps_; }

  uint16_t first() const { return first_; }
  uint16_t last() const { return last_; }

 private:
  PortSteering(uint16_t first, uint16_t last) : first_(first), last_(last) {}
  absl::Status Hold(const IpAddress& address);
  absl::Status Load(uint32_t loops, uint64_t seed);
  // The word that the program reads for `port`.
  std::atomic<uint16_t>& Word(uint16_t port) const;

  const uint16_t first_;
  const uint16_t last_;
  // Names in this network namespace that keep other relays off an address.
  std::vector<UniqueFd> holds_;
  bpf_object* object_ = nullptr;
  UniqueFd link_;
  void* words_ = nullptr;
  size_t words_size_ = 0;
  uint32_t slots_ = 0;
  std::unique_ptr<ClientSteering> clients_;
  ArrivalStamps stamps_;
};

// Whether datagrams to `local`, where the socket `fd` is bound, do not reach
// it, as another relay steers the port. Sends one byte to find out.
bool PortIsSteeredAway(int fd, const Endpoint& local);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_PORT_STEERING_H_
