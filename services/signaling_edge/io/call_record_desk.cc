#include "services/signaling_edge/io/call_record_desk.h"

#include <utility>

namespace sallyport::signaling_edge {

std::optional<CallRecord> CallRecordDesk::OnEnded(
    std::shared_ptr<const CallRecord> record, MonoTime now) {
  if (record->media_session.empty()) return *record;
  const uint64_t id = record->id;
  if (waiting_.emplace(id, std::move(record)).second) {
    deadlines_.Set(id, now + patience_);
  }
  return std::nullopt;
}

std::optional<CallRecord> CallRecordDesk::OnStatistics(
    const CallRecord& record) {
  if (waiting_.erase(record.id) == 0) return std::nullopt;
  deadlines_.Erase(record.id);
  return record;
}

std::vector<CallRecord> CallRecordDesk::OnDeadline(MonoTime now) {
  std::vector<CallRecord> out;
  while (const auto id = deadlines_.PopExpired(now)) {
    const auto it = waiting_.find(*id);
    out.push_back(*it->second);
    waiting_.erase(it);
  }
  return out;
}

std::vector<CallRecord> CallRecordDesk::TakeAll() {
  return OnDeadline(MonoTime::InfiniteFuture());
}

}  // namespace sallyport::signaling_edge
