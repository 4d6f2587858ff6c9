// The configuration of dialplan.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CONFIG_H_
#define SALLYPORT_SERVICES_DIALPLAN_CONFIG_H_

#include <string>
#include <vector>

#include "sallyport/dialplan/config/v1/dialplan_config.pb.h"
#include "services/common/config/config_faults.h"
#include "services/dialplan/core/plan_editor.h"
#include "services/dialplan/io/neighbours.h"

namespace sallyport::dialplan {

// Adds every fault but those of `server`. Pure.
void ValidateConfig(const config::v1::DialplanConfig& config,
                    ConfigFaults* faults);

// With the defaults that the schema names.
PlanEditor::Options EditorOptions(const config::v1::DialplanConfig& config);
std::vector<std::string> Watchers(const config::v1::DialplanConfig& config);
size_t SnapshotHistory(const config::v1::DialplanConfig& config);

Neighbours::Options NeighbourOptions(const config::v1::DialplanConfig& config);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CONFIG_H_
