// Every metric of dialplan.

#ifndef SALLYPORT_SERVICES_DIALPLAN_IO_METRICS_TABLE_H_
#define SALLYPORT_SERVICES_DIALPLAN_IO_METRICS_TABLE_H_

#include <array>
#include <string_view>

#include "services/common/metrics/metrics.h"

namespace sallyport::dialplan {

inline constexpr std::string_view kCommitsTotal =
    "sallyport_dialplan_commits_total";
inline constexpr std::string_view kCommitSeconds =
    "sallyport_dialplan_commit_seconds";
inline constexpr std::string_view kWritesTotal =
    "sallyport_dialplan_writes_total";
inline constexpr std::string_view kPlanVersion =
    "sallyport_dialplan_plan_version";
inline constexpr std::string_view kAdoptedChangesTotal =
    "sallyport_dialplan_adopted_changes_total";
inline constexpr std::string_view kWatchers = "sallyport_dialplan_watchers";
inline constexpr std::string_view kWatchMessagesTotal =
    "sallyport_dialplan_watch_messages_total";
inline constexpr std::string_view kRouteSessions =
    "sallyport_dialplan_route_sessions";
inline constexpr std::string_view kStreamedQuestionsTotal =
    "sallyport_dialplan_streamed_questions_total";

enum class CommitResult { kStored, kFailed };
enum class WriteResult { kApplied, kRefused, kQueueFull };
enum class WatchMessage { kFullPart, kDelta, kHeartbeat };
enum class StreamedQuestion { kAnswered, kRefused };

inline constexpr std::array<std::string_view, 2> kCommitResults = {"stored",
                                                                   "failed"};
inline constexpr std::array<std::string_view, 3> kWriteResults = {
    "applied", "refused", "queue_full"};
inline constexpr std::array<std::string_view, 3> kWatchMessages = {
    "full_part", "delta", "heartbeat"};
inline constexpr std::array<std::string_view, 2> kStreamedQuestions = {
    "answered", "refused"};
inline constexpr std::array<MetricLabel, 1> kCommitLabels = {
    MetricLabel{"result", kCommitResults}};
inline constexpr std::array<MetricLabel, 1> kWriteLabels = {
    MetricLabel{"result", kWriteResults}};
inline constexpr std::array<MetricLabel, 1> kWatchLabels = {
    MetricLabel{"kind", kWatchMessages}};
inline constexpr std::array<MetricLabel, 1> kStreamedLabels = {
    MetricLabel{"result", kStreamedQuestions}};

inline constexpr std::array<MetricSpec, 9> kDialplanMetrics = {
    MetricSpec{kCommitsTotal, MetricType::kCounter,
               "Transactions of the store; one may hold many writes.",
               kCommitLabels},
    MetricSpec{kCommitSeconds, MetricType::kHistogram,
               "Time until a transaction was durable."},
    MetricSpec{kWritesTotal, MetricType::kCounter,
               "Creates, updates and deletes, by what became of them.",
               kWriteLabels},
    MetricSpec{kPlanVersion, MetricType::kGauge,
               "Version of the last committed change."},
    MetricSpec{kAdoptedChangesTotal, MetricType::kCounter,
               "Changes taken over from other replicas."},
    MetricSpec{kWatchers, MetricType::kGauge, "Open snapshot streams."},
    MetricSpec{kWatchMessagesTotal, MetricType::kCounter,
               "Messages handed to snapshot streams.", kWatchLabels},
    MetricSpec{kRouteSessions, MetricType::kGauge,
               "Open streams of ResolveRoutes."},
    MetricSpec{kStreamedQuestionsTotal, MetricType::kCounter,
               "Questions on them, by what became of them.", kStreamedLabels},
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_IO_METRICS_TABLE_H_
