// Every metric of capf, once.

#ifndef SALLYPORT_SERVICES_CAPF_IO_METRICS_TABLE_H_
#define SALLYPORT_SERVICES_CAPF_IO_METRICS_TABLE_H_

#include <array>
#include <string_view>

#include "services/common/metrics/metrics.h"

namespace sallyport::capf {

inline constexpr std::string_view kCapfConnectionsTotal =
    "sallyport_capf_phone_connections_total";
inline constexpr std::string_view kCapfOpenConnections =
    "sallyport_capf_open_phone_connections";
inline constexpr std::string_view kCapfSessionsTotal =
    "sallyport_capf_sessions_total";
inline constexpr std::string_view kCapfAdmissionsTotal =
    "sallyport_capf_admissions_total";
inline constexpr std::string_view kCapfIssuedTotal =
    "sallyport_capf_certificates_issued_total";
inline constexpr std::string_view kCapfTvsAnswersTotal =
    "sallyport_capf_tvs_answers_total";
inline constexpr std::string_view kCapfTftpRequestsTotal =
    "sallyport_capf_tftp_requests_total";
inline constexpr std::string_view kCapfTftpTransfersTotal =
    "sallyport_capf_tftp_transfers_total";
inline constexpr std::string_view kCapfPhoneHttpRequestsTotal =
    "sallyport_capf_phone_http_requests_total";
inline constexpr std::string_view kCapfCrlHttpRequestsTotal =
    "sallyport_capf_crl_http_requests_total";
inline constexpr std::string_view kCapfTrustVersion =
    "sallyport_capf_trust_bundle_version";

enum class ConnectionResult { kAccepted, kLimited, kTlsFailed };
inline constexpr std::array<std::string_view, 3> kConnectionResults = {
    "accepted", "limited", "tls_failed"};
inline constexpr std::array<MetricLabel, 1> kConnectionLabels = {
    MetricLabel{"result", kConnectionResults}};

enum class SessionEnd { kOk, kNoAction, kDeclined, kSilent };
inline constexpr std::array<std::string_view, 4> kSessionEnds = {
    "ok", "no_action", "declined", "silent"};
inline constexpr std::array<MetricLabel, 1> kSessionLabels = {
    MetricLabel{"end", kSessionEnds}};

// In the order of Verdict.
inline constexpr std::array<std::string_view, 7> kVerdicts = {
    "refused", "unknown_device", "nothing_pending", "install",
    "delete",  "troubleshoot",   "awaits_approval"};
inline constexpr std::array<MetricLabel, 1> kAdmissionLabels = {
    MetricLabel{"verdict", kVerdicts}};

// In the order of ProfileId.
inline constexpr std::array<std::string_view, 9> kProfiles = {
    "authority",    "lsc",        "sip_server", "service",    "client",
    "phone_server", "ctl_signer", "root",       "capf_server"};
inline constexpr std::array<MetricLabel, 1> kIssuedLabels = {
    MetricLabel{"profile", kProfiles}};

enum class TvsAnswerKind { kValid, kInvalid, kMalformed, kLimited };
inline constexpr std::array<std::string_view, 4> kTvsAnswers = {
    "valid", "invalid", "malformed", "limited"};
inline constexpr std::array<MetricLabel, 1> kTvsAnswerLabels = {
    MetricLabel{"answer", kTvsAnswers}};

enum class TftpRequest { kStarted, kNotFound, kRefused, kLimited, kNoRequest };
inline constexpr std::array<std::string_view, 5> kTftpRequests = {
    "started", "not_found", "refused", "limited", "no_request"};
inline constexpr std::array<MetricLabel, 1> kTftpRequestLabels = {
    MetricLabel{"result", kTftpRequests}};

// In the order of TftpOutcome, whose first is never counted.
inline constexpr std::array<std::string_view, 4> kTftpOutcomes = {
    "running", "sent", "timed_out", "aborted"};
inline constexpr std::array<MetricLabel, 1> kTftpTransferLabels = {
    MetricLabel{"outcome", kTftpOutcomes}};

enum class PhoneHttpRequest { kSent, kNotFound, kLimited, kBusy };
inline constexpr std::array<std::string_view, 4> kPhoneHttpRequests = {
    "sent", "not_found", "limited", "busy"};
inline constexpr std::array<MetricLabel, 1> kPhoneHttpLabels = {
    MetricLabel{"result", kPhoneHttpRequests}};

enum class CrlHttpRequest { kSent, kUnchanged, kNotFound, kLimited, kFailed };
inline constexpr std::array<std::string_view, 5> kCrlHttpRequests = {
    "sent", "unchanged", "not_found", "limited", "unavailable"};
inline constexpr std::array<MetricLabel, 1> kCrlHttpLabels = {
    MetricLabel{"result", kCrlHttpRequests}};

inline constexpr std::array<MetricSpec, 11> kCapfMetrics = {
    MetricSpec{
        kCapfConnectionsTotal, MetricType::kCounter,
        "Connections of phones to the CAPF port, by what became of them.",
        kConnectionLabels},
    MetricSpec{kCapfOpenConnections, MetricType::kGauge,
               "Connections of phones that are open now."},
    MetricSpec{kCapfSessionsTotal, MetricType::kCounter,
               "CAPF sessions that ended, by what the phone was told.",
               kSessionLabels},
    MetricSpec{kCapfAdmissionsTotal, MetricType::kCounter,
               "Claims of devices, by verdict.", kAdmissionLabels},
    MetricSpec{kCapfIssuedTotal, MetricType::kCounter,
               "Certificates issued, by profile.", kIssuedLabels},
    MetricSpec{kCapfTvsAnswersTotal, MetricType::kCounter,
               "Questions of phones to the trust verification service.",
               kTvsAnswerLabels},
    MetricSpec{kCapfTftpRequestsTotal, MetricType::kCounter,
               "Packets to the TFTP port, by what became of them.",
               kTftpRequestLabels},
    MetricSpec{kCapfTftpTransfersTotal, MetricType::kCounter,
               "Files that phones fetched by TFTP, by how it ended.",
               kTftpTransferLabels},
    MetricSpec{kCapfPhoneHttpRequestsTotal, MetricType::kCounter,
               "Requests of phones for files by HTTP, by what became of them.",
               kPhoneHttpLabels},
    MetricSpec{kCapfCrlHttpRequestsTotal, MetricType::kCounter,
               "Requests for revocation lists by HTTP, by what became of them.",
               kCrlHttpLabels},
    MetricSpec{kCapfTrustVersion, MetricType::kGauge,
               "Version of the trust bundle in force."},
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_METRICS_TABLE_H_
