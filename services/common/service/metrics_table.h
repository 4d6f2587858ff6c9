// Metrics of every service's own running.

#ifndef SALLYPORT_SERVICES_COMMON_SERVICE_METRICS_TABLE_H_
#define SALLYPORT_SERVICES_COMMON_SERVICE_METRICS_TABLE_H_

#include <array>
#include <string_view>

#include "services/common/metrics/metrics.h"

namespace sallyport {

inline constexpr std::string_view kConfigReloadsTotal =
    "sallyport_service_config_reloads_total";
inline constexpr std::string_view kLogLinesDroppedTotal =
    "sallyport_service_log_lines_dropped_total";
inline constexpr std::string_view kCertificateExpiry =
    "sallyport_service_certificate_expiry_timestamp_seconds";
inline constexpr std::string_view kCertificateNextAttempt =
    "sallyport_service_certificate_next_attempt_timestamp_seconds";
inline constexpr std::string_view kCertificateRenewalsTotal =
    "sallyport_service_certificate_renewals_total";

// In the order of ReloadOutcome.
inline constexpr std::array<std::string_view, 3> kReloadOutcomes = {
    "in_force", "needs_restart", "refused"};
inline constexpr std::array<MetricLabel, 1> kReloadLabels = {
    MetricLabel{"outcome", kReloadOutcomes}};

// By what a certificate is used for; "named" are those by server name.
inline constexpr std::array<std::string_view, 3> kCertificateUses = {
    "grpc", "sip", "named"};
inline constexpr std::array<MetricLabel, 1> kCertificateUseLabels = {
    MetricLabel{"use", kCertificateUses}};
inline constexpr std::array<std::string_view, 2> kRenewalOutcomes = {"failed",
                                                                     "renewed"};
inline constexpr std::array<MetricLabel, 2> kRenewalLabels = {
    MetricLabel{"use", kCertificateUses},
    MetricLabel{"outcome", kRenewalOutcomes}};

// In the order of LineDrop.
inline constexpr std::array<std::string_view, 2> kLogDropReasons = {"blocked",
                                                                    "refused"};
inline constexpr std::array<MetricLabel, 1> kLogDropLabels = {
    MetricLabel{"reason", kLogDropReasons}};

inline constexpr std::array<MetricSpec, 5> kServiceMetrics = {
    MetricSpec{kConfigReloadsTotal, MetricType::kCounter,
               "Changes of the configuration file that were noticed, by what "
               "became of them.",
               kReloadLabels},
    MetricSpec{kLogLinesDroppedTotal, MetricType::kCounter,
               "Lines of the log that found its queue full, as nobody read "
               "standard error (blocked), or it could not be written "
               "(refused).",
               kLogDropLabels},
    MetricSpec{kCertificateExpiry, MetricType::kGauge,
               "When the service's certificate ends, if capf renews it.",
               kCertificateUseLabels},
    MetricSpec{kCertificateNextAttempt, MetricType::kGauge,
               "When the renewal of the service's certificate is tried next.",
               kCertificateUseLabels},
    MetricSpec{kCertificateRenewalsTotal, MetricType::kCounter,
               "Attempts to renew the service's certificate.", kRenewalLabels},
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SERVICE_METRICS_TABLE_H_
