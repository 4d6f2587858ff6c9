#include "services/dialplan/rpc/consumer_table.h"

#include <string>
#include <vector>

namespace sallyport::dialplan {

ConsumerState& ConsumerTable::At(const std::string& identity,
                                 const std::string& consumer) {
  const auto it = consumers_.find({identity, consumer});
  if (it != consumers_.end()) return it->second;
  if (consumers_.size() >= kMaxConsumers) {
    auto oldest = consumers_.end();
    for (auto c = consumers_.begin(); c != consumers_.end(); ++c) {
      if (c->second.streams == 0 &&
          (oldest == consumers_.end() ||
           c->second.report_time < oldest->second.report_time)) {
        oldest = c;
      }
    }
    if (oldest != consumers_.end()) consumers_.erase(oldest);
  }
  ConsumerState& state = consumers_[{identity, consumer}];
  state.identity = identity;
  state.consumer = consumer;
  return state;
}

void ConsumerTable::StreamOpened(const std::string& identity,
                                 const std::string& consumer) {
  absl::MutexLock lock(&mutex_);
  ++At(identity, consumer).streams;
}

void ConsumerTable::StreamClosed(const std::string& identity,
                                 const std::string& consumer) {
  absl::MutexLock lock(&mutex_);
  --At(identity, consumer).streams;
}

void ConsumerTable::Sent(const std::string& identity,
                         const std::string& consumer, int64_t version) {
  absl::MutexLock lock(&mutex_);
  At(identity, consumer).sent_version = version;
}

void ConsumerTable::Reported(const ConsumerState& report) {
  absl::MutexLock lock(&mutex_);
  ConsumerState& state = At(report.identity, report.consumer);
  state.active_version = report.active_version;
  state.from_cache = report.from_cache;
  state.active_time = report.active_time;
  state.report_time = report.report_time;
  state.error = report.error;
}

std::vector<ConsumerState> ConsumerTable::All() const {
  absl::MutexLock lock(&mutex_);
  std::vector<ConsumerState> out;
  for (const auto& [key, state] : consumers_) out.push_back(state);
  return out;
}

}  // namespace sallyport::dialplan
