// Relay ports of our own, as clients write them and as they are here.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_OWN_PORTS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_OWN_PORTS_H_

#include <cstdint>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/relay_interface.h"

namespace sallyport::media_relay {

// Two clients of one relay know each other by its advertised address. Behind
// NAT what one sends there would have to come back from outside (hairpinning,
// RFC 4787 section 6), which many NATs do not do. So it goes from port to port
// on the local address, and arrives as if it had come back: what is allowed is
// decided by the advertised address, and nothing but relay ports is reached so.
// Ports that are older than a change of the address keep the one that their
// clients know; other ports of a former address are somebody else's by now.
// Immutable.
class OwnPorts {
 public:
  OwnPorts() = default;
  // `former`: ports in use that clients know by another address than the
  // advertised one, as clients write them.
  OwnPorts(const RelayInterfaces& interfaces, uint16_t first, uint16_t last,
           absl::Span<const Endpoint> former = {})
      : first_(first), last_(last) {
    for (const Endpoint& port : former) former_[KeyOf(port)] = port.ip;
    v4_ = InUse(interfaces.external_v4);
    v6_ = InUse(interfaces.external_v6);
  }

  // Where `peer` is reached.
  Endpoint Local(const Endpoint& peer) const {
    const RelayInterface* const own = InterfaceFor(peer);
    if (own == nullptr || (peer.ip != own->advertised && !IsFormer(peer))) {
      return peer;
    }
    return {own->local, peer.port};
  }
  // Who sends from there.
  Endpoint Advertised(const Endpoint& from) const {
    const RelayInterface* const own = InterfaceFor(from);
    if (own == nullptr || from.ip != own->local) return from;
    if (!former_.empty()) {
      const auto it = former_.find(KeyOf(from));
      if (it != former_.end()) return {it->second, from.port};
    }
    return {own->advertised, from.port};
  }

 private:
  static uint32_t KeyOf(const Endpoint& endpoint) {
    return endpoint.port | (endpoint.ip.is_v6() ? 0x10000u : 0);
  }
  bool IsFormer(const Endpoint& peer) const {
    if (former_.empty()) return false;
    const auto it = former_.find(KeyOf(peer));
    return it != former_.end() && it->second == peer.ip;
  }
  std::optional<RelayInterface> InUse(
      const std::optional<RelayInterface>& interface) const {
    return interface.has_value() &&
                   (interface->local != interface->advertised ||
                    !former_.empty())
               ? interface
               : std::nullopt;
  }
  const RelayInterface* InterfaceFor(const Endpoint& endpoint) const {
    const std::optional<RelayInterface>& own = endpoint.ip.is_v6() ? v6_ : v4_;
    if (!own.has_value() || endpoint.port < first_ || endpoint.port > last_) {
      return nullptr;
    }
    return &*own;
  }

  // Where there is NAT or was, and nowhere else.
  std::optional<RelayInterface> v4_;
  std::optional<RelayInterface> v6_;
  uint16_t first_ = 0;
  uint16_t last_ = 0;
  absl::flat_hash_map<uint32_t, IpAddress> former_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_OWN_PORTS_H_
