// What an edge tells: journals, call records, metrics, logs.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_EDGE_REPORTER_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_EDGE_REPORTER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/common/metrics/metrics.h"
#include "services/common/net/event_loop.h"
#include "services/signaling_edge/core/call_record.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/edge_event.h"
#include "services/signaling_edge/io/call_record_desk.h"
#include "services/signaling_edge/io/call_record_file.h"
#include "services/signaling_edge/io/edge_loop.h"
#include "services/signaling_edge/io/journal.h"
#include "services/signaling_edge/io/start_mode.h"
#include "services/signaling_edge/io/time_base.h"

namespace sallyport::signaling_edge {

// "tenants/{t}" where `event` tells it, or "tenants/-".
std::string TenantOf(const EdgeEvent& event);

// A call that is over, with both clocks as they were then.
struct EndedCall {
  CallRecord record;
  TimeBase time;
};

// Each loop has a desk here for what is its own; journals, file and metrics are
// of all. The journals are Thread-safe; what takes a loop is for its thread.
class EdgeReporter {
 public:
  struct Options {
    size_t history_entries = 10'000;
    absl::Duration history_retention = absl::Hours(1);
    // How long a record waits for the relay's last word.
    absl::Duration statistics_patience = absl::Seconds(3);
    CallRecordFile* file = nullptr;  // null: no file
    // One line of that file. Called with the record's number.
    std::function<std::string(int64_t sequence, const EndedCall&)> to_line;
    // Messages that links to other edges have lost. Null: there are none.
    std::function<uint64_t()> cluster_dropped;
    MetricsRegistry* metrics = nullptr;  // has kSignalingEdgeMetrics
  };

  explicit EdgeReporter(Options options);
  ~EdgeReporter();

  // Before the loops run, all in order. `loop` outlives this.
  void Attach(EdgeLoop& loop);

  void OnEvent(EdgeLoop& loop, EdgeEvent told);
  void OnMediaDeleted(EdgeLoop& loop, uint64_t call);
  void OnTrustActive(EdgeLoop& loop);
  // Of our own certificate, as of EVENT_TYPE_CERTIFICATE (UM-60, UM-111).
  void OnCertificate(EdgeLoop& loop, const std::string& reason,
                     const std::string& summary);
  // Of the first plan (UM-79, UM-107).
  void OnStarted(EdgeLoop& loop, const StartMode::Decision& decision,
                 bool has_certificate);

  Journal<EdgeEvent>& events() { return events_; }
  // The refusals among them, which a flood of others cannot push out.
  Journal<EdgeEvent>& refusals() { return refusals_; }
  Journal<EndedCall>& records() { return records_; }

 private:
  struct Families;
  struct Desk;

  // Whether all loops have told this, which each does.
  bool IsOfAll(const EdgeEvent& event);
  std::shared_ptr<const EdgeEvent> Add(EdgeEvent event, absl::Time now);
  void Publish(const EdgeLoop& loop, CallRecord record);
  void OnTimer(Desk& desk, MonoTime now);
  void ExportMetrics(Desk& desk);
  void ExportSums();
  void LogEvent(const EdgeEvent& event) const;

  const Options options_;
  Journal<EdgeEvent> events_;
  Journal<EdgeEvent> refusals_;
  Journal<EndedCall> records_;
  std::unique_ptr<Families> families_;
  std::vector<std::unique_ptr<Desk>> desks_;  // by loop
  std::atomic<uint64_t> plans_told_ = 0;
  std::atomic<uint64_t> drains_told_ = 0;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_EDGE_REPORTER_H_
