// The addresses on which a relay opens sockets.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_RELAY_INTERFACE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_RELAY_INTERFACE_H_

#include <optional>

#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {

// A local address and what peers and clients are told instead, behind NAT
// (AVE-36).
struct RelayInterface {
  IpAddress local;
  IpAddress advertised;
};

// At most one of each family towards the Internet and towards the intranet.
struct RelayInterfaces {
  std::optional<RelayInterface> external_v4;
  std::optional<RelayInterface> external_v6;
  // Without one the external interface of the family serves both.
  std::optional<RelayInterface> internal_v4;
  std::optional<RelayInterface> internal_v6;

  const RelayInterface* Find(bool internal, bool ipv6) const {
    const std::optional<RelayInterface>& inside =
        ipv6 ? internal_v6 : internal_v4;
    if (internal && inside.has_value()) return &*inside;
    const std::optional<RelayInterface>& outside =
        ipv6 ? external_v6 : external_v4;
    return outside.has_value() ? &*outside : nullptr;
  }
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_RELAY_INTERFACE_H_
