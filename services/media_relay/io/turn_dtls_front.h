// Clients over DTLS, on the same UDP ports as those without, told apart by the
// first octet (RFC 7983, RFC 7350).

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_TURN_DTLS_FRONT_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_TURN_DTLS_FRONT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/event_loop.h"
#include "services/common/time/deadline_queue.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/relay_core.h"
#include "services/media_relay/core/rolling_keys.h"
#include "services/media_relay/io/dtls_server_session.h"
#include "services/media_relay/io/turn_stream_front.h"
#include "services/media_relay/io/turn_tls_files.h"

namespace sallyport::media_relay {

// The associations of one loop. A client that has no cookie yet is answered
// with one, within the limits of all answers to strangers, and nothing is kept
// for it. With one it has an association, which counts as a connection: among
// those of its source, with 15 s to come to an allocation. A new ClientHello
// with a cookie from the same address takes the place of what was there (RFC
// 6347 section 4.2.8); from another address it is another client. Loop thread
// only.
class TurnDtlsFront {
 public:
  // All references but `secret`, for cookies, must outlive the front; `files`
  // with DTLS credentials.
  TurnDtlsFront(EventLoop& loop, RelayCore& core, SocketActions& actions,
                const RollingKeys::Key& secret, const TurnTlsFiles& files,
                TurnStreamFront::Owner& owner);
  ~TurnDtlsFront();
  TurnDtlsFront(const TurnDtlsFront&) = delete;
  TurnDtlsFront& operator=(const TurnDtlsFront&) = delete;

  // Is this for OnDatagram(), rather than for the core?
  static bool IsDtls(ByteSpan datagram) {
    return !datagram.empty() && datagram[0] >= 20 && datagram[0] <= 63;
  }

  void OnDatagram(SocketId listener, const Endpoint& from, ByteSpan datagram);
  // To a client, as one record.
  void Send(const PacketAction& action);
  // As the core asked.
  void Close(SocketId association);
  // What was sent until now has left: its memory is free.
  void OnFlushed() { sent_.clear(); }

  size_t size() const { return associations_.size(); }
  const std::array<uint64_t, kStreamEndCount>& ended() const { return ended_; }

 private:
  struct Association;

  // The association that a hello with a cookie begins; null: it may not.
  Association* Begin(SocketId listener, const Endpoint& from,
                     ByteSpan datagram);
  void Challenge(SocketId listener, const Endpoint& from, ByteSpan datagram);
  // After each step of its session.
  void Serve(Association& association);
  void OnTimer();
  void Transmit(SocketId listener, const Endpoint& to, ByteSpan datagram);
  void Flush();
  void Drop(DropReason reason) { core_.OnDropped(reason); }
  // By the client or an error: the core is told.
  void End(SocketId association, StreamEnd why);
  bool Bury(SocketId association, StreamEnd why);

  EventLoop& loop_;
  RelayCore& core_;
  SocketActions& actions_;
  const TurnTlsFiles& files_;
  TurnStreamFront::Owner& owner_;
  DtlsCookies cookies_;
  SocketId next_ = kFirstDtlsSocket;
  absl::flat_hash_map<SocketId, std::unique_ptr<Association>> associations_;
  // By listener and address.
  absl::flat_hash_map<ClientPath, Association*> by_path_;
  DeadlineQueue<SocketId> repeats_;
  EventLoop::TimerId timer_;
  // Lent to the sockets until they are flushed.
  std::deque<std::string> sent_;
  // Closed in this turn, perhaps from within themselves.
  std::shared_ptr<std::vector<std::unique_ptr<Association>>> buried_;
  std::array<uint64_t, kStreamEndCount> ended_ = {};
  std::array<uint8_t, kPacketHeadroom + kMaxPacketSize + kPacketTailroom>
      record_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_TURN_DTLS_FRONT_H_
