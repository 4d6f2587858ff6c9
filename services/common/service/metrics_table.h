// Metrics of every service's own running.

#ifndef SALLYPORT_SERVICES_COMMON_SERVICE_METRICS_TABLE_H_
#define SALLYPORT_SERVICES_COMMON_SERVICE_METRICS_TABLE_H_

#include <array>
#include <string_view>

#include "services/common/metrics/metrics.h"

namespace sallyport {

inline constexpr std::string_view kConfigReloadsTotal =
    "sallyport_service_config_reloads_total";

// In the order of ReloadOutcome.
inline constexpr std::array<std::string_view, 3> kReloadOutcomes = {
    "in_force", "needs_restart", "refused"};
inline constexpr std::array<MetricLabel, 1> kReloadLabels = {
    MetricLabel{"outcome", kReloadOutcomes}};

inline constexpr std::array<MetricSpec, 1> kServiceMetrics = {
    MetricSpec{kConfigReloadsTotal, MetricType::kCounter,
               "Changes of the configuration file that were noticed, by what "
               "became of them.",
               kReloadLabels},
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SERVICE_METRICS_TABLE_H_
