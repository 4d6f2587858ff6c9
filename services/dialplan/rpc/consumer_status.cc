#include "services/dialplan/rpc/consumer_status.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "services/common/config/proto_time.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

std::pair<int64_t, int32_t> ReportOf(const pb::ConsumerStatus& status) {
  return {status.report_time().seconds(), status.report_time().nanos()};
}

// The stream counts before the report: it says where the consumer is.
bool IsBetterPlace(const pb::ConsumerStatus& a, const pb::ConsumerStatus& b) {
  if (a.connected() != b.connected()) return a.connected();
  return ReportOf(a) > ReportOf(b);
}

}  // namespace

void AddConsumers(const std::vector<ConsumerState>& states,
                  const std::string& replica, pb::DialplanStatus& out) {
  for (const ConsumerState& state : states) {
    pb::ConsumerStatus& shown = *out.add_consumers();
    shown.set_consumer(state.consumer);
    shown.set_identity(state.identity);
    shown.set_connected(state.streams > 0);
    shown.set_sent_version(state.sent_version);
    shown.set_active_version(state.active_version);
    shown.set_from_cache(state.from_cache);
    shown.set_error(state.error);
    if (state.active_time != absl::UnixEpoch()) {
      *shown.mutable_active_time() = ToProto(state.active_time);
    }
    if (state.report_time != absl::UnixEpoch()) {
      *shown.mutable_report_time() = ToProto(state.report_time);
    }
    shown.set_replica(replica);
  }
}

void MergeConsumers(const std::vector<pb::DialplanStatus>& seen,
                    pb::DialplanStatus& out) {
  std::map<std::pair<std::string, std::string>, pb::ConsumerStatus> merged;
  for (const pb::DialplanStatus& replica : seen) {
    for (const pb::ConsumerStatus& one : replica.consumers()) {
      const auto [it, is_new] =
          merged.try_emplace({one.identity(), one.consumer()}, one);
      if (is_new) continue;
      pb::ConsumerStatus& known = it->second;
      const pb::ConsumerStatus newest =
          ReportOf(one) > ReportOf(known) ? one : known;
      if (IsBetterPlace(one, known)) known = one;
      known.set_active_version(newest.active_version());
      known.set_from_cache(newest.from_cache());
      known.set_error(newest.error());
      if (newest.has_active_time()) {
        *known.mutable_active_time() = newest.active_time();
      }
      if (newest.has_report_time()) {
        *known.mutable_report_time() = newest.report_time();
      }
    }
  }
  for (auto& [key, status] : merged) {
    *out.add_consumers() = std::move(status);
  }
}

}  // namespace sallyport::dialplan
