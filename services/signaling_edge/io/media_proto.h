// Media sessions of the core to the relay's API and back.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_MEDIA_PROTO_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_MEDIA_PROTO_H_

#include "absl/status/statusor.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "services/signaling_edge/core/media_session.h"

namespace sallyport::signaling_edge {

// Fills `leg` with what the edge decides: protocol, suite, remote address and
// key, direction. Pure.
void ToProto(const RelayLeg& from, media_relay::v1::Leg& leg);

// What the relay answered. INTERNAL, reason MEDIA_RELAY_ANSWER_INVALID, when a
// leg lacks its address, a port, or the key that its suite needs.
absl::StatusOr<RelaySession> FromProto(const media_relay::v1::Session& session,
                                       const RelayLegs& asked);

LegStatistics FromProto(const media_relay::v1::LegStatistics& statistics);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_MEDIA_PROTO_H_
