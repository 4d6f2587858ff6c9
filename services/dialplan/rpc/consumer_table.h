// Who takes snapshots, and which one is in force there.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_CONSUMER_TABLE_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_CONSUMER_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace sallyport::dialplan {

struct ConsumerState {
  std::string consumer;      // instance id
  std::string identity;      // verified: "service signaling_edge"
  int streams = 0;           // open ones
  int64_t sent_version = 0;  // 0: none
  int64_t active_version = 0;
  bool from_cache = false;
  absl::Time active_time = absl::UnixEpoch();
  absl::Time report_time = absl::UnixEpoch();  // of the last report
  std::string error;
};

// Consumers by identity and instance id, so that one service cannot speak for
// another. At most kMaxConsumers: the one that has been silent longest makes
// room. Thread-safe.
class ConsumerTable {
 public:
  static constexpr size_t kMaxConsumers = 1000;

  void StreamOpened(const std::string& identity, const std::string& consumer);
  void StreamClosed(const std::string& identity, const std::string& consumer);
  void Sent(const std::string& identity, const std::string& consumer,
            int64_t version);
  // `report` has the consumer, the identity and what it says.
  void Reported(const ConsumerState& report);

  // All, by identity and instance id.
  std::vector<ConsumerState> All() const;

 private:
  using Key = std::pair<std::string, std::string>;

  ConsumerState& At(const std::string& identity, const std::string& consumer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::map<Key, ConsumerState> consumers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_CONSUMER_TABLE_H_
