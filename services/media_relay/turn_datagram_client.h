// A TURN client over UDP for tests of the process.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_TURN_DATAGRAM_CLIENT_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_TURN_DATAGRAM_CLIENT_H_

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstdint>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/common/random/random_source.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_test_client.h"

namespace sallyport::media_relay {

// A client over UDP. Its address is not the relay's: where relays of this host
// steer ports, the kernel would give it one of those. Thread-compatible.
class DatagramClient {
 public:
  explicit DatagramClient(RandomSource& random,
                          const std::string& subject = "subject",
                          const std::string& tenant = "default",
                          const char* ip = "127.0.0.3",
                          absl::Duration lifetime = absl::Hours(1))
      : turn_(absl::Now(), random, lifetime, subject, tenant),
        udp_(UdpSocket::Bind(*SocketAddress::FromIp(ip, 0)).value()) {
    timeval patience = {0, 400'000};
    setsockopt(udp_.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    fcntl(udp_.fd(), F_SETFL, fcntl(udp_.fd(), F_GETFL) & ~O_NONBLOCK);
  }

  Endpoint endpoint() const {
    return {IpAddress::FromBytes(udp_.local_address().ip_bytes()),
            udp_.local_address().port()};
  }
  void Send(const std::string& bytes, const Endpoint& to) {
    OutgoingDatagram datagram;
    datagram.payload = AsBytes(bytes);
    datagram.peer = to.ToSocketAddress();
    (void)udp_.SendOne(datagram);
  }
  std::string Receive() {
    std::string bytes(2048, '\0');
    const ssize_t size = recv(udp_.fd(), bytes.data(), bytes.size(), 0);
    bytes.resize(size < 0 ? 0 : static_cast<size_t>(size));
    return bytes;
  }
  std::string Ask(const std::string& bytes, const Endpoint& to) {
    for (int i = 0; i < 8; ++i) {
      Send(bytes, to);
      const std::string answer = Receive();
      if (!answer.empty()) return answer;
    }
    return "";
  }
  int Allocate(const Endpoint& relay,
               const TurnTestClient::Fill& fill = nullptr) {
    const auto udp = [&fill](StunWriter& w) {
      w.AddUint32(stun_attribute::kRequestedTransport, 17u << 24);
      if (fill) fill(w);
    };
    turn_.TakeChallenge(Ask(turn_.Bare(StunMethod::kAllocate, udp), relay));
    const std::string answer =
        Ask(turn_.Signed(StunMethod::kAllocate, udp), relay);
    const auto message = ParseStunMessage(AsBytes(answer));
    if (message.ok()) {
      relayed = message->FindXorAddress(stun_attribute::kXorRelayedAddress)
                    .value_or(Endpoint());
    }
    return TurnTestClient::CodeOf(answer);
  }
  int Do(StunMethod method, const TurnTestClient::Fill& fill,
         const Endpoint& relay) {
    return TurnTestClient::CodeOf(Ask(turn_.Signed(method, fill), relay));
  }

  int Bind(uint16_t channel, const Endpoint& peer, const Endpoint& relay) {
    return Do(
        StunMethod::kChannelBind,
        [&](StunWriter& w) {
          w.AddUint32(stun_attribute::kChannelNumber,
                      static_cast<uint32_t>(channel) << 16);
          w.AddXorAddress(stun_attribute::kXorPeerAddress, peer);
        },
        relay);
  }

  uint16_t port() const { return udp_.local_address().port(); }

  TurnTestClient turn_;
  Endpoint relayed;

 private:
  UdpSocket udp_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_TURN_DATAGRAM_CLIENT_H_
