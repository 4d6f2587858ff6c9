// What a client speaks on a connection, by its first octets: the ports for TURN
// over TCP, over TLS and for the pseudo-TLS of A/V Edge clients are the same.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STREAM_OPENING_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STREAM_OPENING_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "services/common/bytes/byte_span.h"
#include "services/common/random/random_source.h"

namespace sallyport::media_relay {

enum class StreamOpening : uint8_t {
  kMore,       // cannot be told yet
  kTurn,       // a STUN request
  kMsTurn,     // an MS-TURN frame
  kTls,        // a TLS record
  kPseudoTls,  // kPseudoTlsClientHello octets, then MS-TURN frames in clear
  kUnknown,
};

// Both hellos of pseudo-TLS, which only pass middleboxes: nothing is agreed and
// nothing encrypted.
inline constexpr size_t kPseudoTlsClientHello = 50;
inline constexpr size_t kPseudoTlsServerHello = 83;

// Decides with at most kPseudoTlsClientHello octets. Within TLS only kTurn and
// kMsTurn make sense. Pure.
StreamOpening ReadStreamOpening(ByteSpan first);

// The server's answer: ServerHello and ServerHelloDone in one record, with a
// random and a session id of their own.
std::array<uint8_t, kPseudoTlsServerHello> WritePseudoTlsServerHello(
    RandomSource& random);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STREAM_OPENING_H_
