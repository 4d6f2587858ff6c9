// Clients over TCP, over TLS and over both at once on the same ports: accepts
// them, finds out what they speak and feeds the core unit by unit.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_TURN_STREAM_FRONT_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_TURN_STREAM_FRONT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/tcp_listener.h"
#include "services/common/net/unique_fd.h"
#include "services/common/random/random_source.h"
#include "services/common/tls/tls_session.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/relay_core.h"
#include "services/media_relay/core/turn_tcp.h"
#include "services/media_relay/io/metrics_table.h"
#include "services/media_relay/io/octet_sink.h"
#include "services/media_relay/io/turn_tls_files.h"

namespace sallyport::media_relay {

// Where clients connect to.
struct StreamListener {
  Endpoint local;
  // What clients are told of it; every port takes both.
  bool tls = false;
};

// Why a connection ended: the metric label, in kStreamEndNames.
enum class StreamEnd : uint8_t {
  kClient,      // by the client, or with it
  kCore,        // its time without an allocation was up
  kRefused,     // too many, of all or of its source
  kMalformed,   // neither TURN nor TLS, or not any longer
  kTls,         // the handshake or a record failed
  kSlowReader,  // an answer found no room
  kFailed,      // reset, or out of memory
  kCount,
};
inline constexpr size_t kStreamEndCount =
    static_cast<size_t>(StreamEnd::kCount);
static_assert(kStreamEndNames.size() == kStreamEndCount);

// Octets that may wait for a client to read: media beyond the first are
// dropped, a connection whose answer finds no room within the second is ended.
inline constexpr size_t kStreamMediaBuffer = 64 * 1024;
inline constexpr size_t kStreamWriteBuffer = 80 * 1024;

// A client's connection on its way to another loop. Thread-compatible.
struct MovedStream {
  UniqueFd fd;
  SocketAddress peer;
  ClientTransport transport = ClientTransport::kTcp;
  std::unique_ptr<TlsSession> tls;
  BindTicket ticket;
};

// The connections of one loop. Each belongs to the loop that accepted it, and
// with it its allocation; one that carries data of a connection to a peer
// (RFC 6062) moves to the loop of that one. Loop thread only.
class TurnStreamFront final : public OctetSink {
 public:
  // The loop, as connections need it.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual Now ReadNow() const = 0;
    // `action` for a relayed socket or a listener; borrowed until FlushPorts(),
    // with `room` writable octets before its own.
    virtual void SendFromPort(const PacketAction& action, size_t room = 0) = 0;
    virtual void FlushPorts() = 0;
    // Performs what the core has asked for, and arms its timer anew.
    virtual void AfterInput() = 0;
  };

  // All references must outlive the front. `tls` null: TLS is refused.
  TurnStreamFront(EventLoop& loop, RelayCore& core, SocketActions& actions,
                  RandomSource& random, const TurnTlsFiles* tls, Owner& owner);
  ~TurnStreamFront() override;
  TurnStreamFront(const TurnStreamFront&) = delete;
  TurnStreamFront& operator=(const TurnStreamFront&) = delete;

  // Adds a listener, with SO_REUSEPORT; returns its port.
  absl::StatusOr<uint16_t> Listen(const Endpoint& local);

  // Before the first connection. `peers` must outlive all of them.
  void SetPeers(OctetSink& peers) { peers_ = &peers; }

  // To a client; dropped when it reads too slowly. `media`: it may be lost.
  void Send(const PacketAction& action, bool media);
  // As the core asked.
  void Close(SocketId stream);
  // What the client says goes to `peer` from now on, octet by octet.
  void Join(SocketId stream, SocketId peer);
  // Takes a connection away from here; null if it is gone.
  std::unique_ptr<MovedStream> Detach(SocketId stream);
  // Takes over one that another loop gave away.
  void Adopt(std::unique_ptr<MovedStream> moved);

  bool WriteOctets(SocketId socket, ByteSpan octets) override;
  size_t Waiting(SocketId socket) const override;
  void FinishOctets(SocketId socket) override;
  void ResumeReading(SocketId socket) override;

  size_t size() const { return connections_.size(); }
  const std::array<uint64_t, kStreamEndCount>& ended() const { return ended_; }

 private:
  class Connection;

  void OnAccept(UniqueFd fd, const SocketAddress& peer);
  // False when it is one too many.
  bool Add(std::unique_ptr<Connection> connection);
  // By the client or an error: the core is told.
  void End(SocketId stream, StreamEnd why);
  // Takes it out of service; it is destroyed at the end of the turn.
  bool Bury(SocketId stream, StreamEnd why);

  EventLoop& loop_;
  RelayCore& core_;
  SocketActions& actions_;
  RandomSource& random_;
  const TurnTlsFiles* const tls_;
  Owner& owner_;
  OctetSink* peers_ = nullptr;
  std::vector<std::unique_ptr<TcpListener>> listeners_;
  SocketId next_ = kFirstStreamSocket;
  absl::flat_hash_map<SocketId, std::unique_ptr<Connection>> connections_;
  // Closed in this turn, perhaps from within themselves.
  std::shared_ptr<std::vector<std::unique_ptr<Connection>>> buried_;
  std::array<uint64_t, kStreamEndCount> ended_ = {};
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_TURN_STREAM_FRONT_H_
