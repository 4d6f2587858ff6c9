// The A/V Edge dialect: MS-TURN over datagrams and connections, on the same
// allocations and under the same policy as RFC 8656.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_MS_TURN_SERVER_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_MS_TURN_SERVER_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/credential_keys.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/ms_turn_message.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/stun_integrity.h"
#include "services/media_relay/core/turn_allocator.h"
#include "services/media_relay/core/turn_answer.h"
#include "services/media_relay/core/turn_authenticator.h"

namespace sallyport::media_relay {

// A client asks with Allocate, refreshes with Allocate, sends with Send, which
// opens the permission, and may choose one peer to whom and from whom data goes
// bare. The allocation is UDP over UDP and TCP over connections; a peer's
// connection is made by the first Send to it or accepted from an address that
// was sent to, and carries units as RFC 4571 frames them. Every request but the
// first Allocate proves user and password, and Send and Set Active Destination
// count up (AVE-12 to AVE-17).
//
// MS-Version 3 adds a MESSAGE-INTEGRITY of HMAC-SHA-256, of which no public
// text says how its key is made and whether the message is filled with zeros.
// So each way is taken that proves the password, answers are protected as their
// question was, and who has once used SHA-256 is held to it. Version 4 adds an
// IPv6 address beside the IPv4 one, where no family is named.
// Thread-compatible.
class MsTurnServer {
 public:
  // What is counted by the caller.
  struct Outcome {
    StunError error = StunError::kNone;
    bool challenged = false;
  };

  // Both must outlive this object.
  MsTurnServer(TurnAllocator& allocator, TurnAuthenticator& authenticator)
      : allocator_(allocator), authenticator_(authenticator) {}

  PacketAction OnMessage(const MsTurnMessage& message, const ClientPath& path,
                         absl::Span<uint8_t> reply, Now now,
                         SocketActions& sockets, Outcome& outcome);
  // Bare data of a client, towards its active destination.
  PacketAction OnData(Allocation& either, ByteSpan data, Now now);
  // From a peer: bare or as a Data Indication, in place.
  PacketAction OnPeerPacket(Allocation& allocation, const Endpoint& peer,
                            Packet& packet, Now now);

  // How a pending Allocate ended.
  PacketAction AllocateSuccess(Allocation& allocation, const TurnAnswer& answer,
                               absl::Span<uint8_t> reply);
  // With 420, `unknown` is told.
  PacketAction Refuse(const TurnAnswer& answer, StunError error,
                      absl::Span<uint8_t> reply,
                      std::optional<uint16_t> unknown = std::nullopt);

 private:
  struct Context {
    const MsTurnMessage& message;
    const ClientPath& path;
    absl::Span<uint8_t> reply;
    Now now;
    SocketActions& sockets;
    Outcome& outcome;
  };

  PacketAction OnAllocate(const Context& context);
  PacketAction OnSend(const Context& context);
  PacketAction OnSetActive(const Context& context);
  // How a message that proves the password of `credential` is protected.
  struct Protection {
    LongTermKey key;
    MsTurnIntegrity integrity = MsTurnIntegrity::kSha1;
  };
  std::optional<Protection> FindProtection(
      const MsTurnMessage& message, std::string_view raw_username,
      const VerifiedCredential& credential) const;
  // The same for a message of a client that has an allocation: as before, or by
  // SHA-256 from then on.
  bool Proves(const Context& context, const Allocation& allocation) const;
  // The client's allocation, if the request proves itself; otherwise why not.
  Allocation* Authenticate(const Context& context, DropReason& refused);
  PacketAction Challenge(const Context& context, StunError error);
  PacketAction WrongIntegrity(const Context& context);
  // The MS-Version that a client of this one is told.
  uint32_t Told(uint32_t version) const;
  // Of the allocation the half that has the family of `peer`, if there is one.
  Allocation& HalfFor(Allocation& allocation, const Endpoint& peer,
                      MonoTime now) const;
  // What `peer`, permitted now, has connected before.
  void ReadHeld(const Allocation& allocation, const IpAddress& peer,
                SocketActions& sockets);
  // To `peer` from the allocation, over whatever it relays.
  PacketAction SendToPeer(Allocation& allocation, const Endpoint& peer,
                          ByteSpan data, Now now, SocketActions& sockets);
  TurnAnswer AnswerTo(const Context& context) const;
  // kbit/s of what a client asks for, 0 for nothing; bounded by policy.
  uint32_t GrantBandwidth(uint32_t asked, std::string_view tenant) const;
  // A writer behind the frame that connections want, and its end.
  MsTurnWriter Begin(const TurnAnswer& answer, MsTurnType type,
                     absl::Span<uint8_t> reply) const;
  PacketAction Finish(const MsTurnWriter& writer, const ClientPath& path,
                      absl::Span<uint8_t> reply) const;

  TurnAllocator& allocator_;
  TurnAuthenticator& authenticator_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_MS_TURN_SERVER_H_
