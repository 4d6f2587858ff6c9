// What is too long for UDP and goes by TCP instead (RFC 3261 section 18.1.1):
// when it is, by which connection, and who takes none.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LONG_REQUESTS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LONG_REQUESTS_H_

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "services/common/net/socket_address.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// Addresses are those to which a request would have gone by UDP.
// Thread-compatible.
class LongRequests {
 public:
  struct Options {
    // Of the path to everybody, in octets; 0: unknown.
    uint32_t path_mtu = 0;
    // Who took no connection gets what is long by UDP for so long.
    absl::Duration udp_for = absl::Minutes(10);
    // Addresses that are remembered for that.
    size_t max_remembered = 4096;
  };

  explicit LongRequests(const Options& options) : options_(options) {}

  // Octets that a request by UDP may have.
  size_t limit() const;
  // Whether a request that is complete is longer.
  bool IsLong(const SipMessage& request) const;
  // Whether it should go by TCP: for that, or because the next hop's URI says
  // so (RFC 3263 section 4.1).
  bool WantsStream(const SipMessage& request) const;

  // The connection that stands for an address; 0: none.
  ConnectionId ConnectionTo(const SocketAddress& address) const;
  void NoteConnection(const SocketAddress& address, ConnectionId id);
  void ForgetConnection(const SocketAddress& address, ConnectionId id);

  // It takes no TCP: tried again after `udp_for`.
  void NoteRefused(const SocketAddress& address, MonoTime now);
  bool IsRefused(const SocketAddress& address, MonoTime now) const;

 private:
  const Options options_;
  absl::flat_hash_map<SocketAddress, ConnectionId> connections_;
  absl::flat_hash_map<SocketAddress, MonoTime> refused_until_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LONG_REQUESTS_H_
