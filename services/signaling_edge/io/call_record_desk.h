// Holds the records of ended calls until the relay has told what they carried.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CALL_RECORD_DESK_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CALL_RECORD_DESK_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/call_record.h"

namespace sallyport::signaling_edge {

// Each call yields one record, once. Thread-compatible.
class CallRecordDesk {
 public:
  // A record goes out without statistics after `patience`.
  explicit CallRecordDesk(absl::Duration patience) : patience_(patience) {}

  // The record itself when nothing more can come. Not null.
  std::optional<CallRecord> OnEnded(std::shared_ptr<const CallRecord> record,
                                    MonoTime now);
  // `record` as it is with its statistics; nullopt if it is not waited for.
  std::optional<CallRecord> OnStatistics(const CallRecord& record);
  std::vector<CallRecord> OnDeadline(MonoTime now);
  MonoTime deadline() const { return deadlines_.next(); }
  // All that wait, as they are; for the end.
  std::vector<CallRecord> TakeAll();

 private:
  const absl::Duration patience_;
  absl::flat_hash_map<uint64_t, std::shared_ptr<const CallRecord>> waiting_;
  DeadlineQueue<uint64_t> deadlines_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CALL_RECORD_DESK_H_
