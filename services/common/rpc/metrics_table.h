// Metrics of every gRPC server of ours.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_METRICS_TABLE_H_
#define SALLYPORT_SERVICES_COMMON_RPC_METRICS_TABLE_H_

#include <array>
#include <string_view>

#include "services/common/metrics/metrics.h"

namespace sallyport {

inline constexpr std::string_view kRpcRequestsTotal =
    "sallyport_rpc_requests_total";
inline constexpr std::string_view kRpcRequestSeconds =
    "sallyport_rpc_request_seconds";

// By the numbers of gRPC's status codes.
inline constexpr std::array<std::string_view, 17> kRpcCodes = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED"};
inline constexpr std::array<MetricLabel, 2> kRpcRequestLabels = {
    MetricLabel{"method", {}}, MetricLabel{"code", kRpcCodes}};
inline constexpr std::array<MetricLabel, 1> kRpcMethodLabel = {
    MetricLabel{"method", {}}};

inline constexpr std::array<MetricSpec, 2> kRpcMetrics = {
    MetricSpec{kRpcRequestsTotal, MetricType::kCounter,
               "Calls answered by a handler, by method and code. Calls that "
               "AccessPolicy refused reach no handler and are not here.",
               kRpcRequestLabels},
    MetricSpec{kRpcRequestSeconds, MetricType::kHistogram,
               "Time from a call's start to its status; streams too.",
               kRpcMethodLabel},
};

inline constexpr std::string_view kGrpcLoopConnections =
    "sallyport_rpc_loop_connections";
inline constexpr std::string_view kGrpcLoopConnectionsEndedTotal =
    "sallyport_rpc_loop_connections_ended_total";

enum class ConnectionEnd {
  kClosed,
  kHandshake,
  kFlood,
  kMalformed,
  kSilent,
  kLost,
  kTooMany
};
inline constexpr std::array<std::string_view, 7> kConnectionEnds = {
    "closed", "handshake", "flood", "malformed", "silent", "lost", "too_many"};
inline constexpr std::array<MetricLabel, 1> kConnectionEndLabels = {
    MetricLabel{"reason", kConnectionEnds}};

// Of a GrpcLoopServer, whose calls are counted in kRpcMetrics.
inline constexpr std::array<MetricSpec, 2> kGrpcLoopMetrics = {
    MetricSpec{kGrpcLoopConnections, MetricType::kGauge,
               "Open connections of the loop that serves the hot methods."},
    MetricSpec{kGrpcLoopConnectionsEndedTotal, MetricType::kCounter,
               "Connections of that loop that have ended, by why.",
               kConnectionEndLabels},
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_METRICS_TABLE_H_
