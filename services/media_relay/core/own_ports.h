// Relay ports of our own, as clients write them and as they are here.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_OWN_PORTS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_OWN_PORTS_H_

#include <cstdint>
#include <optional>

#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/relay_interface.h"

namespace sallyport::media_relay {

// Two clients of one relay know each other by its advertised address. Behind
// NAT what one sends there would have to come back from outside (hairpinning,
// RFC 4787 section 6), which many NATs do not do. So it goes from port to port
// on the local address, and arrives as if it had come back: what is allowed is
// decided by the advertised address, and nothing but relay ports is reached so.
// Immutable.
class OwnPorts {
 public:
  OwnPorts() = default;
  OwnPorts(const RelayInterfaces& interfaces, uint16_t first, uint16_t last)
      : v4_(Translated(interfaces.external_v4)),
        v6_(Translated(interfaces.external_v6)),
        first_(first),
        last_(last) {}

  // Where `peer` is reached.
  Endpoint Local(const Endpoint& peer) const {
    const RelayInterface* const own = InterfaceFor(peer);
    if (own == nullptr || peer.ip != own->advertised) return peer;
    return {own->local, peer.port};
  }
  // Who sends from there.
  Endpoint Advertised(const Endpoint& from) const {
    const RelayInterface* const own = InterfaceFor(from);
    if (own == nullptr || from.ip != own->local) return from;
    return {own->advertised, from.port};
  }

 private:
  static std::optional<RelayInterface> Translated(
      const std::optional<RelayInterface>& interface) {
    return interface.has_value() && interface->local != interface->advertised ? interface : std::nullopt;
  }
  const RelayInterface* InterfaceFor(const Endpoint& endpoint) const {
    const std::optional<RelayInterface>& own = endpoint.ip.is_v6() ? v6_ : v4_;
    if (!own.has_value() || endpoint.port < first_ || endpoint.port > last_) {
      return nullptr;
    }
    return &*own;
  }

  // Where there is NAT, and nowhere else.
  std::optional<RelayInterface> v4_;
  std::optional<RelayInterface> v6_;
  uint16_t first_ = 0;
  uint16_t last_ = 0;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_OWN_PORTS_H_
