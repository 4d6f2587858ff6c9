// A leg that goes from a call of one node to a call of another, as attended
// transfers make them, and what the two say to each other about it.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_GIVEN_LEG_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_GIVEN_LEG_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/call.h"
#include "services/signaling_edge/core/remote_flow.h"

namespace sallyport::signaling_edge {

// With what the record of the call that it goes to is to say.
struct GivenLeg {
  Call::HandedLeg leg;  // without its flow and contact, which are the giver's
  RemoteFlow flow;
  std::string called;
  std::string calling;
  std::string matched_resource;
  std::string matched_pattern;
};

// The far side of a call that `replaces` names, and that `resource` is in, is
// wanted (ClusterMessage::Kind::kLegWanted).
struct LegWanted {
  std::string replaces;
  std::string resource;
};
std::string WriteLegWanted(const LegWanted& wanted);
// CLUSTER_FRAME_INVALID for what WriteLegWanted() does not make.
absl::StatusOr<LegWanted> ReadLegWanted(std::string_view text);

// The answer: the leg, or why not (kLegGiven). Times are told by how far away
// they are. What a party has said of its media is in it: as secret as the call.
std::string WriteLegGiven(const absl::StatusOr<GivenLeg>& given, MonoTime now);
// The other node's refusal, or CLUSTER_FRAME_INVALID.
absl::StatusOr<GivenLeg> ReadLegGiven(std::string_view text, MonoTime now);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_GIVEN_LEG_H_
