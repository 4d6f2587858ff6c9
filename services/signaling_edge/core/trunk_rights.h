// What a trunk may ask for beyond calls (CUC-23, protocols.md section 8).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TRUNK_RIGHTS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TRUNK_RIGHTS_H_

#include <cstdint>

#include "services/common/digit_analysis/plan_index.h"
#include "services/signaling_edge/core/party.h"

namespace sallyport::signaling_edge {

enum class TrunkRight : uint8_t {
  kOutOfDialogRefer,
  kUnsolicitedNotification,
  kReplaces,
};

// Whether the party is a peer whose trunk security profile accepts that, and
// whose digest user may as well, where the profile has application level
// authorization. Without a profile a peer may do none of it but notify, which
// a setting of its own guards.
bool TrunkMay(TrunkRight right, const Party& party, const PlanIndex& plan);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TRUNK_RIGHTS_H_
