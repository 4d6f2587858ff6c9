// Where a packet goes next, as the kernel's routes and neighbours say: for
// sending frames without asking the kernel each time.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_NEXT_HOP_TABLE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_NEXT_HOP_TABLE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/common/net/unique_fd.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/io/wire_header.h"

namespace sallyport::media_relay {

struct NextHop {
  // 0: the kernel has to send, as the destination is this host, is not reached
  // over an Ethernet device, or its neighbour is not resolved yet.
  int interface = 0;
  uint32_t mtu = 0;  // 0: not known
  LinkHeader link = {};
};

// Asks the kernel over netlink and is told of changes. Loop thread only.
class NextHopTable {
 public:
  static absl::StatusOr<std::unique_ptr<NextHopTable>> Create();

  // Readable when something has changed: then OnReadable().
  int watch_fd() const { return watch_.get(); }
  // Forgets what the change concerns.
  void OnReadable();
  // Moves whenever an answer of Find() may no longer be right.
  uint32_t generation() const { return generation_; }

  NextHop Find(const IpAddress& from, const IpAddress& to);

 private:
  struct Route {
    int interface = 0;
    IpAddress gateway;
    uint32_t mtu = 0;
  };
  struct Neighbour {
    int interface = 0;
    IpAddress address;
    friend bool operator==(const Neighbour& a, const Neighbour& b) {
      return a.interface == b.interface && a.address == b.address;
    }
    template <typename H>
    friend H AbslHashValue(H h, const Neighbour& n) {
      return H::combine(std::move(h), n.interface, n.address);
    }
  };

  NextHopTable(UniqueFd ask, UniqueFd watch)
      : ask_(std::move(ask)), watch_(std::move(watch)) {}
  // Sends one request and gives the bytes of the first answer, or none.
  absl::Span<const uint8_t> Ask(absl::Span<const uint8_t> request);
  std::optional<Route> AskRoute(const IpAddress& from, const IpAddress& to);
  std::optional<std::array<uint8_t, 6>> AskNeighbour(const Neighbour& whom);
  // The address of an Ethernet device; `mtu` for others too.
  bool AskDevice(int interface, std::array<uint8_t, 6>& address, uint32_t& mtu);

  UniqueFd ask_;
  UniqueFd watch_;
  uint32_t generation_ = 1;
  uint32_t sequence_ = 0;
  std::array<uint8_t, 8192> buffer_;
  // Those that answers were built on, with the hardware address they had.
  absl::flat_hash_map<Neighbour, std::array<uint8_t, 6>> used_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_NEXT_HOP_TABLE_H_
