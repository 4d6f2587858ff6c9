// What it takes to answer a request later, once its outcome is known.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_ANSWER_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_ANSWER_H_

#include <array>
#include <cstdint>

#include "absl/types/span.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/ms_turn_message.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/stun_integrity.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_authenticator.h"

namespace sallyport::media_relay {

// Thread-compatible.
struct TurnAnswer {
  ClientPath path;
  uint16_t method = 0;
  StunTransactionId transaction_id = {};
  StunIntegrity integrity = StunIntegrity::kSha1;
  LongTermKey key;
  bool fingerprint = false;
  // MS-TURN: the four octets of the transaction id where STUN has its cookie.
  TurnDialect dialect = TurnDialect::kTurn;
  std::array<uint8_t, 4> ms_id = {};
  uint32_t ms_version = 0;
  MsTurnIntegrity ms_integrity = MsTurnIntegrity::kSha1;
  uint32_t ms_bandwidth = 0;  // as granted, kbit/s; 0: not told
};

// How an RFC 8489 request is answered that came by `path`.
TurnAnswer AnswerTo(const AuthenticatedRequest& request,
                    const ClientPath& path);

// The writer that an answer begins with.
StunWriter BeginAnswer(const TurnAnswer& answer, StunClass message_class,
                       absl::Span<uint8_t> reply);
// Protects and sends it, as the question was protected; dropped if it did not
// fit.
PacketAction FinishAnswer(StunWriter& writer, const TurnAnswer& answer);
// Without protection, to whom `path` says; dropped if it did not fit.
PacketAction SendAnswer(const StunWriter& writer, const ClientPath& path);
// An error answer; `unknown` goes into UNKNOWN-ATTRIBUTES.
PacketAction RefuseAnswer(const TurnAnswer& answer, StunError error,
                          absl::Span<uint8_t> reply,
                          absl::Span<const uint16_t> unknown = {});

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_ANSWER_H_
