// Which loop a client's datagrams arrive at: the kernel spreads those of
// clients that nobody knows yet, and has to be told whom a loop has taken in.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_CLIENT_HOMES_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_CLIENT_HOMES_H_

#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {

// Loop thread only.
class ClientHomes {
 public:
  virtual ~ClientHomes() = default;

  // From now on what `client` sends to this listener comes to this loop,
  // wherever it arrives; again changes nothing.
  virtual void Keep(SocketId listener, const Endpoint& client) = 0;
  virtual void Release(SocketId listener, const Endpoint& client) = 0;
};

// Of a relay with one loop. Immutable.
class OnlyHome final : public ClientHomes {
 public:
  void Keep(SocketId, const Endpoint&) override {}
  void Release(SocketId, const Endpoint&) override {}
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_CLIENT_HOMES_H_
