// Every metric of signaling_edge.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_METRICS_TABLE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_METRICS_TABLE_H_

#include <array>
#include <cstdint>
#include <string_view>

#include "services/common/metrics/metrics.h"

namespace sallyport::signaling_edge {

inline constexpr std::string_view kRequestsTotal =
    "sallyport_signaling_edge_requests_total";
inline constexpr std::string_view kResponsesTotal =
    "sallyport_signaling_edge_responses_total";
inline constexpr std::string_view kMalformedTotal =
    "sallyport_signaling_edge_malformed_total";
inline constexpr std::string_view kRateLimitedTotal =
    "sallyport_signaling_edge_rate_limited_total";
inline constexpr std::string_view kChallengesTotal =
    "sallyport_signaling_edge_challenges_total";
inline constexpr std::string_view kRefusalsTotal =
    "sallyport_signaling_edge_refusals_total";
inline constexpr std::string_view kLongRequestsTotal =
    "sallyport_signaling_edge_long_requests_total";
inline constexpr std::string_view kHandedOverTotal =
    "sallyport_signaling_edge_handed_over_total";
inline constexpr std::string_view kClusterDroppedTotal =
    "sallyport_signaling_edge_cluster_dropped_total";
inline constexpr std::string_view kTakenOverTotal =
    "sallyport_signaling_edge_taken_over_total";
inline constexpr std::string_view kCallsTotal =
    "sallyport_signaling_edge_calls_total";
inline constexpr std::string_view kConnectionsTotal =
    "sallyport_signaling_edge_connections_total";
inline constexpr std::string_view kRegistrationsTotal =
    "sallyport_signaling_edge_registrations_total";
inline constexpr std::string_view kDatagramsLostTotal =
    "sallyport_signaling_edge_datagrams_lost_total";
inline constexpr std::string_view kCallRecordsLostTotal =
    "sallyport_signaling_edge_call_records_lost_total";
inline constexpr std::string_view kRefusedCallsNotKeptTotal =
    "sallyport_signaling_edge_refused_calls_not_kept_total";
inline constexpr std::string_view kActiveCalls =
    "sallyport_signaling_edge_active_calls";
inline constexpr std::string_view kOpenConnections =
    "sallyport_signaling_edge_open_connections";
inline constexpr std::string_view kActiveRegistrations =
    "sallyport_signaling_edge_active_registrations";
inline constexpr std::string_view kSnapshotVersion =
    "sallyport_signaling_edge_snapshot_version";
inline constexpr std::string_view kTrustVersion =
    "sallyport_signaling_edge_trust_version";

// Reasons that have a label of their own; the last is for all others.
inline constexpr std::array<std::string_view, 49> kRefusalReasons = {
    "CALL_LIMIT",
    "CALL_OWNER_GONE",
    "CALL_OWNER_UNREACHABLE",
    "CLUSTER_QUEUE_FULL",
    "CONNECTION_LIMIT",
    "DIALLING_RESTRICTED",
    "DIAL_PLAN_NOT_SERVED",
    "DIGEST_FAILED",
    "HANDSHAKE_LIMIT",
    "HANDSHAKE_TIMEOUT",
    "IDENTITY_NOT_ALLOWED",
    "LOOP_DETECTED",
    "MAX_BREADTH_EXCEEDED",
    "MIRROR_LIMIT",
    "NO_CONFIGURATION",
    "OVERLOADED",
    "PASSWORD_GUESSING",
    "PATTERN_BLOCKED",
    "PEER_CERTIFICATE_EXPIRED",
    "PEER_CERTIFICATE_MISSING",
    "PEER_CERTIFICATE_NOT_YET_VALID",
    "PEER_CERTIFICATE_REVOKED",
    "PEER_CERTIFICATE_UNTRUSTED",
    "PEER_CERTIFICATE_USAGE",
    "PEER_CERTIFICATE_WRONG_USAGE",
    "PEER_DISABLED",
    "PEER_IDENTITY_AMBIGUOUS",
    "PEER_IDENTITY_MISMATCH",
    "PROXY_HEADER_INVALID",
    "PROXY_HEADER_MISSING",
    "PROXY_HEADER_NOT_ALLOWED",
    "PROXY_HEADER_TIMEOUT",
    "RATE_LIMITED",
    "ROUTE_NOT_FOUND",
    "SCANNER_USER_AGENT",
    "SCANNER_USER_WALK",
    "SECURITY_MODE_SRTP_NOT_ALLOWED",
    "SECURITY_MODE_SRTP_REQUIRED",
    "SECURITY_MODE_TLS_NOT_ALLOWED",
    "SECURITY_MODE_TLS_REQUIRED",
    "TENANT_CALL_LIMIT",
    "TENANT_RATE_LIMITED",
    "TENANT_REGISTRATION_LIMIT",
    "TLS_HANDSHAKE_FAILED",
    "TOLL_CALL_LIMIT",
    "TOLL_CALL_RATE",
    "TRANSACTION_LIMIT",
    "USER_RATE_LIMITED",
    "OTHER",
};

inline constexpr std::array<MetricLabel, 1> kRefusalLabels = {
    MetricLabel{"reason", kRefusalReasons}};

enum class LongRequestWay : uint8_t { kTcp, kUdp };
inline constexpr std::array<std::string_view, 2> kLongRequestWays = {"tcp",
                                                                     "udp"};
inline constexpr std::array<MetricLabel, 1> kLongRequestLabels = {
    MetricLabel{"by", kLongRequestWays}};

// Whose refused calls were too many for a record and a ladder.
enum class RefusedCallsOf : uint8_t { kCaller, kAll };
inline constexpr std::array<std::string_view, 2> kRefusedCallsOf = {"caller",
                                                                    "all"};
inline constexpr std::array<MetricLabel, 1> kRefusedCallLabels = {
    MetricLabel{"of", kRefusedCallsOf}};

inline constexpr std::array<MetricSpec, 21> kSignalingEdgeMetrics = {
    MetricSpec{kRequestsTotal, MetricType::kCounter, "SIP requests received."},
    MetricSpec{kResponsesTotal, MetricType::kCounter,
               "SIP responses received."},
    MetricSpec{kMalformedTotal, MetricType::kCounter,
               "SIP messages that could not be read."},
    MetricSpec{kRateLimitedTotal, MetricType::kCounter,
               "Connections and requests above the limit of their source."},
    MetricSpec{kChallengesTotal, MetricType::kCounter,
               "Digest challenges sent."},
    MetricSpec{kRefusalsTotal, MetricType::kCounter,
               "Connections, registrations, calls, media and requests refused, "
               "by reason.",
               kRefusalLabels},
    MetricSpec{kCallsTotal, MetricType::kCounter, "Calls begun."},
    MetricSpec{kConnectionsTotal, MetricType::kCounter,
               "TCP and TLS connections opened, both ways."},
    MetricSpec{kRegistrationsTotal, MetricType::kCounter,
               "Contacts registered; refreshes are not counted."},
    MetricSpec{kDatagramsLostTotal, MetricType::kCounter,
               "Datagrams too long to be read or refused by the kernel."},
    MetricSpec{kCallRecordsLostTotal, MetricType::kCounter,
               "Call records that the disk did not take in time."},
    MetricSpec{kRefusedCallsNotKeptTotal, MetricType::kCounter,
               "Calls refused or given up before anybody was called, of which "
               "no record and no ladder were kept, as there were too many of "
               "one caller or of all.",
               kRefusedCallLabels},
    MetricSpec{kLongRequestsTotal, MetricType::kCounter,
               "Requests too long for UDP, by the way that they went.",
               kLongRequestLabels},
    MetricSpec{kHandedOverTotal, MetricType::kCounter,
               "Messages that went to the edge or loop of their dialog."},
    MetricSpec{kClusterDroppedTotal, MetricType::kCounter,
               "Messages for other edges that were lost on the way."},
    MetricSpec{kTakenOverTotal, MetricType::kCounter,
               "Messages that another edge or loop had received."},
    MetricSpec{kActiveCalls, MetricType::kGauge, "Calls now."},
    MetricSpec{kOpenConnections, MetricType::kGauge,
               "TCP and TLS connections now."},
    MetricSpec{kActiveRegistrations, MetricType::kGauge,
               "Registered contacts now."},
    MetricSpec{kSnapshotVersion, MetricType::kGauge,
               "Version of the dial plan in force."},
    MetricSpec{kTrustVersion, MetricType::kGauge,
               "Version of the trust bundle in force."},
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_METRICS_TABLE_H_
