// Media sessions of the core to the relay's API and back.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_MEDIA_PROTO_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_MEDIA_PROTO_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "google/protobuf/field_mask.pb.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/signaling_edge/core/media_session.h"
#include "services/signaling_edge/core/sdes.h"

namespace sallyport::signaling_edge {

// Fills `leg` with what the edge decides of a session to be made: protocol,
// suites, what is known of the far side, direction. Pure.
void ToProto(const RelayLeg& from, media_relay::v1::Leg& leg);

// The same of one that exists, with the paths of what an update can change;
// `leg` is "leg_a" or "leg_b".
void ToUpdate(const RelayLeg& from, const std::string& leg,
              media_relay::v1::Leg& out, google::protobuf::FieldMask& mask);

// Empty for none, or one that we do not know.
std::optional<SrtpSuite> FromProto(type::v1::SrtpSuite suite);

// What the relay answered. INTERNAL, reason MEDIA_RELAY_ANSWER_INVALID, when a
// leg lacks its address, a port, a key for each of its suites, or what DTLS and
// ICE need.
absl::StatusOr<RelaySession> FromProto(const media_relay::v1::Session& session,
                                       const RelayLegs& asked);

LegStatistics FromProto(const media_relay::v1::LegStatistics& statistics);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_MEDIA_PROTO_H_
