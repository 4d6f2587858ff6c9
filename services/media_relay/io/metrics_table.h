// Every metric of media_relay, once.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_METRICS_TABLE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_METRICS_TABLE_H_

#include <array>
#include <cstddef>
#include <string_view>

#include "services/common/metrics/metrics.h"
#include "services/media_relay/core/drop_reason.h"

namespace sallyport::media_relay {

inline constexpr std::array<std::string_view, kDropReasonCount>
    kDropReasonNames = [] {
      std::array<std::string_view, kDropReasonCount> names = {};
      for (size_t i = 0; i < kDropReasonCount; ++i) {
        names[i] = DropReasonName(static_cast<DropReason>(i));
      }
      return names;
    }();

// In the order of kErrorCodes.
inline constexpr std::array<int, 17> kErrorCodes = {
    300, 400, 401, 403, 420, 431, 437, 438, 440,
    441, 442, 443, 446, 447, 486, 500, 508};
inline constexpr std::array<std::string_view, 17> kErrorCodeNames = {
    "300", "400", "401", "403", "420", "431", "437", "438", "440",
    "441", "442", "443", "446", "447", "486", "500", "508"};

// In the order of SessionNotice::Kind.
inline constexpr std::array<std::string_view, 9> kSessionEventNames = {
    "created",       "updated",      "media_started",
    "media_missing", "media_lost",   "media_resumed",
    "ice_changed",   "dtls_changed", "ended"};

inline constexpr std::string_view kPacketsReceivedTotal =
    "sallyport_media_relay_packets_received_total";
inline constexpr std::string_view kPacketsSentTotal =
    "sallyport_media_relay_packets_sent_total";
inline constexpr std::string_view kSentBytesTotal =
    "sallyport_media_relay_sent_bytes_total";
inline constexpr std::string_view kSendRefusedTotal =
    "sallyport_media_relay_send_refused_total";
inline constexpr std::string_view kReceiveOverrunTotal =
    "sallyport_media_relay_receive_overrun_total";
inline constexpr std::string_view kDropsTotal =
    "sallyport_media_relay_drops_total";
inline constexpr std::string_view kTurnErrorsTotal =
    "sallyport_media_relay_turn_errors_total";
inline constexpr std::string_view kAllocationsMadeTotal =
    "sallyport_media_relay_allocations_made_total";
inline constexpr std::string_view kPeerErrorsTotal =
    "sallyport_media_relay_peer_errors_total";
inline constexpr std::string_view kAllocations =
    "sallyport_media_relay_allocations";
inline constexpr std::string_view kSessions = "sallyport_media_relay_sessions";
inline constexpr std::string_view kPlaybacks =
    "sallyport_media_relay_playing_sessions";
inline constexpr std::string_view kSessionEventsTotal =
    "sallyport_media_relay_session_events_total";
inline constexpr std::string_view kPortsUsed =
    "sallyport_media_relay_used_ports";
inline constexpr std::string_view kPortsResting =
    "sallyport_media_relay_resting_ports";
inline constexpr std::string_view kPorts = "sallyport_media_relay_ports";
inline constexpr std::string_view kLoopBusySeconds =
    "sallyport_media_relay_loop_busy_seconds_total";
inline constexpr std::string_view kKeysVersion =
    "sallyport_media_relay_keys_version";
inline constexpr std::string_view kKeysConnected =
    "sallyport_media_relay_keys_stream_state";

inline constexpr std::string_view kMemoryBytes =
    "sallyport_media_relay_memory_bytes";
inline constexpr std::string_view kMemoryLimitBytes =
    "sallyport_media_relay_memory_limit_bytes";
inline constexpr std::string_view kMemoryRefusalsTotal =
    "sallyport_media_relay_memory_refusals_total";
inline constexpr std::string_view kConnections =
    "sallyport_media_relay_connections";
inline constexpr std::string_view kConnectionsEndedTotal =
    "sallyport_media_relay_connections_ended_total";

inline constexpr std::array<MetricLabel, 1> kReasonLabel = {
    MetricLabel{"reason", kDropReasonNames}};
inline constexpr std::array<MetricLabel, 1> kCodeLabel = {
    MetricLabel{"code", kErrorCodeNames}};

// In the order of StreamEnd.
inline constexpr std::array<std::string_view, 7> kStreamEndNames = {
    "client", "idle", "refused", "malformed", "tls", "slow_reader", "failed"};
inline constexpr std::array<MetricLabel, 1> kStreamEndLabel = {
    MetricLabel{"reason", kStreamEndNames}};

inline constexpr std::array<MetricLabel, 1> kEventLabel = {
    MetricLabel{"event", kSessionEventNames}};

inline constexpr std::array<MetricSpec, 24> kMediaRelayMetrics = {
    MetricSpec{kPacketsReceivedTotal, MetricType::kCounter,
               "Datagrams received on all sockets."},
    MetricSpec{kPacketsSentTotal, MetricType::kCounter,
               "Datagrams handed to the kernel."},
    MetricSpec{kSentBytesTotal, MetricType::kCounter,
               "Bytes of these datagrams."},
    MetricSpec{kSendRefusedTotal, MetricType::kCounter,
               "Datagrams that the kernel refused to send."},
    MetricSpec{kReceiveOverrunTotal, MetricType::kCounter,
               "Datagrams that found no room in a ring or were damaged."},
    MetricSpec{kDropsTotal, MetricType::kCounter,
               "Datagrams neither forwarded nor answered, by reason.",
               kReasonLabel},
    MetricSpec{kTurnErrorsTotal, MetricType::kCounter,
               "STUN and TURN error answers, by code.", kCodeLabel},
    MetricSpec{kAllocationsMadeTotal, MetricType::kCounter,
               "TURN allocations made."},
    MetricSpec{kPeerErrorsTotal, MetricType::kCounter,
               "ICMP errors of peers that clients were told of."},
    MetricSpec{kAllocations, MetricType::kGauge, "TURN allocations now."},
    MetricSpec{kSessions, MetricType::kGauge, "Media sessions now."},
    MetricSpec{kPlaybacks, MetricType::kGauge,
               "Legs of sessions on which a prompt plays now."},
    MetricSpec{kSessionEventsTotal, MetricType::kCounter,
               "What happened to media sessions, by event.", kEventLabel},
    MetricSpec{kPortsUsed, MetricType::kGauge, "Relay ports in use."},
    MetricSpec{kPortsResting, MetricType::kGauge,
               "Relay ports that were given back and are not free yet."},
    MetricSpec{kPorts, MetricType::kGauge, "Relay ports in the range."},
    MetricSpec{kLoopBusySeconds, MetricType::kCounter,
               "Processor time of all loops."},
    MetricSpec{kKeysVersion, MetricType::kGauge,
               "Version of the verification keys in force."},
    MetricSpec{kKeysConnected, MetricType::kGauge,
               "1 while the stream of verification keys is up."},
    MetricSpec{kMemoryBytes, MetricType::kGauge,
               "Memory that the process holds and new work cannot have."},
    MetricSpec{kMemoryLimitBytes, MetricType::kGauge, "Its bound; 0: none."},
    MetricSpec{kMemoryRefusalsTotal, MetricType::kCounter,
               "Allocations, sessions, permissions and connections that were "
               "refused for want of memory."},
    MetricSpec{kConnections, MetricType::kGauge,
               "Connections of TURN clients now."},
    MetricSpec{kConnectionsEndedTotal, MetricType::kCounter,
               "Connections of TURN clients that ended, by reason.",
               kStreamEndLabel},
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_METRICS_TABLE_H_
