// Every metric of credential_issuer.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_METRICS_TABLE_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_METRICS_TABLE_H_

#include <array>
#include <string_view>

#include "services/common/metrics/metrics.h"

namespace sallyport::credential_issuer {

inline constexpr std::string_view kIssuesTotal =
    "sallyport_credential_issuer_issues_total";
inline constexpr std::string_view kRotationsTotal =
    "sallyport_credential_issuer_rotations_total";
inline constexpr std::string_view kRevocationsTotal =
    "sallyport_credential_issuer_revocations_total";
inline constexpr std::string_view kStateVersion =
    "sallyport_credential_issuer_state_version";
inline constexpr std::string_view kVerificationKeys =
    "sallyport_credential_issuer_verification_keys";
inline constexpr std::string_view kRevocationEntries =
    "sallyport_credential_issuer_revocation_entries";
inline constexpr std::string_view kKeyWatchers =
    "sallyport_credential_issuer_key_watchers";
inline constexpr std::string_view kStoreWriteSeconds =
    "sallyport_credential_issuer_store_write_seconds";
inline constexpr std::string_view kStoreFailuresTotal =
    "sallyport_credential_issuer_store_failures_total";
inline constexpr std::string_view kAuditFailuresTotal =
    "sallyport_credential_issuer_audit_failures_total";

inline constexpr std::string_view kAuditWriteSeconds =
    "sallyport_credential_issuer_audit_write_seconds";
inline constexpr std::string_view kClockJumpsTotal =
    "sallyport_credential_issuer_clock_jumps_total";
inline constexpr std::string_view kActivationsTotal =
    "sallyport_credential_issuer_activations_total";
inline constexpr std::string_view kStateConflictsTotal =
    "sallyport_credential_issuer_state_conflicts_total";

inline constexpr std::string_view kMrasRequestsTotal =
    "sallyport_credential_issuer_mras_requests_total";

enum class IssueOutcome {
  kIssued,
  kInvalid,
  kLimited,
  kDraining,
  kNotAudited,
  kFailed
};
inline constexpr std::array<std::string_view, 6> kIssueOutcomes = {
    "issued", "invalid", "limited", "draining", "not_audited", "failed"};

enum class RotationCause { kSchedule, kCommand, kRevocation };
inline constexpr std::array<std::string_view, 3> kRotationCauses = {
    "schedule", "command", "revocation"};

enum class Activation { kAcknowledged, kTimeout };
inline constexpr std::array<std::string_view, 2> kActivations = {"acknowledged",
                                                                 "timeout"};

// By the numbers of MrasReason.
inline constexpr std::array<std::string_view, 10> kMrasReasons = {
    "ok",          "malformed",       "too_large", "not_supported",
    "server_busy", "time_out",        "forbidden", "internal_server_error",
    "other",       "version_mismatch"};

// By the numbers of RevocationKind.
inline constexpr std::array<std::string_view, 3> kRevocationKinds = {
    "credential", "subject", "key"};

inline constexpr std::array<MetricLabel, 1> kIssueLabels = {
    MetricLabel{"outcome", kIssueOutcomes}};
inline constexpr std::array<MetricLabel, 1> kRotationLabels = {
    MetricLabel{"cause", kRotationCauses}};
inline constexpr std::array<MetricLabel, 1> kRevocationLabels = {
    MetricLabel{"kind", kRevocationKinds}};

inline constexpr std::array<MetricLabel, 1> kActivationLabels = {
    MetricLabel{"because", kActivations}};
inline constexpr std::array<MetricLabel, 1> kMrasLabels = {
    MetricLabel{"reason", kMrasReasons}};

inline constexpr std::array<MetricSpec, 15> kCredentialIssuerMetrics = {
    MetricSpec{kIssuesTotal, MetricType::kCounter,
               "Requests for a credential, by outcome.", kIssueLabels},
    MetricSpec{kRotationsTotal, MetricType::kCounter, "New keys, by cause.",
               kRotationLabels},
    MetricSpec{kRevocationsTotal, MetricType::kCounter,
               "Revocations made, by kind.", kRevocationLabels},
    MetricSpec{kStateVersion, MetricType::kGauge,
               "Version of keys and revocations."},
    MetricSpec{kVerificationKeys, MetricType::kGauge,
               "Keys that the relays know: all but revoked ones."},
    MetricSpec{kRevocationEntries, MetricType::kGauge, "Revocations in force."},
    MetricSpec{kKeyWatchers, MetricType::kGauge,
               "Streams of verification keys that are open."},
    MetricSpec{kStoreWriteSeconds, MetricType::kHistogram,
               "Time to make a change of state durable."},
    MetricSpec{kStoreFailuresTotal, MetricType::kCounter,
               "Changes of state that could not be made durable."},
    MetricSpec{kAuditFailuresTotal, MetricType::kCounter,
               "Audit records that could not be written."},
    MetricSpec{kAuditWriteSeconds, MetricType::kHistogram,
               "Time to make a batch of audit records durable."},
    MetricSpec{kClockJumpsTotal, MetricType::kCounter,
               "Times that the clock was set while the service ran."},
    MetricSpec{kActivationsTotal, MetricType::kCounter,
               "Keys that came into use: acknowledged by every relay, or not"
               " by all of them in time.",
               kActivationLabels},
    MetricSpec{kStateConflictsTotal, MetricType::kCounter,
               "Changes of state done again because another replica made one"
               " at the same time."},
    MetricSpec{kMrasRequestsTotal, MetricType::kCounter,
               "MRAS requests that were answered, by reasonPhrase.",
               kMrasLabels},
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_METRICS_TABLE_H_
