#include "services/media_relay/core/turn_answer.h"

#include <cstdint>

#include "absl/types/span.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_authenticator.h"

namespace sallyport::media_relay {

TurnAnswer AnswerTo(const AuthenticatedRequest& request,
                    const ClientPath& path) {
  const StunMessage& message = request.message.message();
  TurnAnswer answer;
  answer.path = path;
  answer.method = message.method();
  answer.transaction_id = message.transaction_id();
  answer.integrity = request.message.integrity();
  answer.key = request.key;
  answer.fingerprint = message.has_fingerprint();
  return answer;
}

StunWriter BeginAnswer(const TurnAnswer& answer, StunClass message_class,
                       absl::Span<uint8_t> reply) {
  return StunWriter(reply, message_class, answer.method, answer.transaction_id);
}

PacketAction SendAnswer(const StunWriter& writer, const ClientPath& path) {
  if (writer.finished().empty()) {
    return PacketAction::Drop(DropReason::kTooLarge);
  }
  return PacketAction::Send(path.socket, path.client, writer.finished());
}

PacketAction FinishAnswer(StunWriter& writer, const TurnAnswer& answer) {
  AddIntegrity(answer.integrity, answer.key, writer);
  if (answer.fingerprint) writer.AddFingerprint();
  return SendAnswer(writer, answer.path);
}

PacketAction RefuseAnswer(const TurnAnswer& answer, StunError error,
                          absl::Span<uint8_t> reply,
                          absl::Span<const uint16_t> unknown) {
  StunWriter writer = BeginAnswer(answer, StunClass::kError, reply);
  writer.AddErrorCode(error);
  if (!unknown.empty()) writer.AddUnknownAttributes(unknown);
  return FinishAnswer(writer, answer);
}

}  // namespace sallyport::media_relay
