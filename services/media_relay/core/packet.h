// A datagram in a buffer that the loop lends, and what is to be done with it.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PACKET_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PACKET_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>

#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/delay_histogram.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {

// Room that every lent buffer has before and after the datagram: a Data
// indication's head is at most 48 bytes and the heads of Ethernet, IP and UDP
// before that 62, an SRTCP trailer at most 4 + 16, and libsrtp2 wants 144 to be
// there.
inline constexpr size_t kPacketHeadroom = 128;
inline constexpr size_t kPacketTailroom = 160;
// Longest datagram taken from a socket.
inline constexpr size_t kMaxPacketSize = 2048;
// Most datagrams that are handled together.
inline constexpr size_t kMaxBatch = 64;
// Room for one answer, lent with each client packet.
inline constexpr size_t kReplySize = 512;

class TagBatch;
struct HmacSha1Job;

// A datagram; `data` may move within its buffer as heads come and go.
// Thread-compatible.
struct Packet {
  uint8_t* data = nullptr;
  size_t size = 0;
  size_t headroom = 0;  // writable bytes before `data`
  size_t tailroom = 0;  // writable bytes behind `data + size`
  // Where a tag may be left to be computed later; null: at once.
  TagBatch* tags = nullptr;
  // What its tag was foreseen to need, computed; null: nothing was.
  const HmacSha1Job* foreseen = nullptr;

  absl::Span<const uint8_t> bytes() const {
    return absl::MakeConstSpan(data, size);
  }
  // Grows to the front; false when there is no room.
  bool Prepend(size_t count) {
    if (count > headroom) return false;
    data -= count;
    size += count;
    headroom -= count;
    return true;
  }
};

// Names a socket of one loop; never used again. Listeners are numbered by the
// loop from 1, sockets that the core asks for from kFirstCoreSocket, and
// connections that clients made, again by the loop, from kFirstStreamSocket,
// their DTLS associations from kFirstDtlsSocket.
using SocketId = uint64_t;
inline constexpr SocketId kNoSocket = 0;
inline constexpr SocketId kFirstCoreSocket = SocketId{1} << 32;
inline constexpr SocketId kFirstStreamSocket = SocketId{1} << 62;

inline constexpr SocketId kFirstDtlsSocket = SocketId{2} << 62;

constexpr bool IsStreamSocket(SocketId socket) { return (socket >> 62) == 1; }
constexpr bool IsDtlsSocket(SocketId socket) { return (socket >> 62) == 2; }

// Where the cores of one loop draw socket ids from. Thread-compatible.
class SocketIds {
 public:
  SocketId Next() { return next_++; }

 private:
  SocketId next_ = kFirstCoreSocket;
};

// Both times of one turn of the loop.
struct Now {
  MonoTime mono;    // timers
  absl::Time wall;  // credentials
};

// What becomes of one packet: sent on, or dropped for a reason. `bytes` is
// borrowed from the packet or the lent reply buffer.
struct PacketAction {
  DropReason drop = DropReason::kNone;
  SocketId socket = kNoSocket;
  Endpoint to;
  absl::Span<const uint8_t> bytes;
  // Where the loop records how long the packet took; may be null.
  DelayHistogram* delay = nullptr;
  // The way to `to` may be kept under this number until another socket or
  // destination comes with it; 0: it has none.
  uint32_t route = 0;
  // With DF set, or not at all (RFC 8656 section 15).
  bool dont_fragment = false;

  bool sends() const { return socket != kNoSocket; }

  static PacketAction Drop(DropReason reason) {
    PacketAction action;
    action.drop = reason;
    return action;
  }
  static PacketAction Send(SocketId socket, const Endpoint& to,
                           absl::Span<const uint8_t> bytes) {
    PacketAction action;
    action.socket = socket;
    action.to = to;
    action.bytes = bytes;
    return action;
  }
};

// Bind a UDP socket to `local`; then tell the core how it went.
struct OpenSocket {
  SocketId socket;
  Endpoint local;
  // The core is told what the network does not deliver: RelayCore::OnPeerError.
  bool peer_errors = false;
};
// The same for TCP: listen there, alone on the port, and let connections to
// peers come from it.
struct OpenTcp {
  SocketId socket;
  Endpoint local;
};
// Connect to `peer` from `local`, the address of an OpenTcp; then tell the core
// how it went. Nothing is read before a JoinStreams.
struct ConnectPeer {
  SocketId socket;
  Endpoint local;
  Endpoint peer;
  // Its data goes to the core, unit by unit as RFC 4571 frames them, and what
  // is sent before it is up waits.
  bool framed = false;
};
// From now on what `client` says goes to `peer` and back, octet by octet.
struct JoinStreams {
  SocketId client;
  SocketId peer;
};
// Hand this connection of a client over to another loop, together with the
// ticket that the core has put aside for it: TurnServer::TakeTicket().
struct MoveStream {
  SocketId stream;
  size_t loop;
};
// Close it; what still arrives for it is dropped.
struct CloseSocket {
  SocketId socket;
};
// Send a datagram that the core has made; on handshakes only, as it has memory
// of its own.
struct SendDatagram {
  SocketId socket;
  Endpoint to;
  std::string bytes;
};
// A framed connection that was held: what its peer says is read from now on.
struct ReadPeer {
  SocketId socket;
};
using SocketAction =
    std::variant<OpenSocket, CloseSocket, SendDatagram, OpenTcp, ConnectPeer,
                 JoinStreams, MoveStream, ReadPeer>;
using SocketActions = absl::InlinedVector<SocketAction, 4>;

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PACKET_H_
