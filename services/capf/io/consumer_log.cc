#include "services/capf/io/consumer_log.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {

absl::Status ConsumerLog::Load() {
  if (loaded_) return absl::OkStatus();
  SP_ASSIGN_OR_RETURN(std::vector<KnownConsumer> all,
                      ledger_.store().ListConsumers());
  for (KnownConsumer& one : all) known_[one.consumer] = std::move(one);
  loaded_ = true;
  return absl::OkStatus();
}

absl::Status ConsumerLog::Note(const TrustConsumer& consumer) {
  SP_RETURN_IF_ERROR(Load());
  const absl::Time now = ledger_.clock().Now();
  const auto it = known_.find(consumer.consumer);
  KnownConsumer next{.consumer = consumer.consumer,
                     .identity = consumer.identity,
                     .active_version = consumer.active_version,
                     .seen_time = now};
  if (it != known_.end()) {
    // It came with what it took from another replica, or before our restart.
    if (next.active_version == 0) {
      next.active_version = it->second.active_version;
    }
    if (next.active_version == it->second.active_version &&
        now < it->second.seen_time + kRefresh) {
      return absl::OkStatus();
    }
  }
  StoreChange change;
  change.put_consumers = {next};
  change.audit = {{"TRUST_IN_FORCE", next.identity, next.consumer,
                   absl::StrCat("version=", next.active_version)}};
  SP_RETURN_IF_ERROR(ledger_.Apply(change));
  known_[next.consumer] = std::move(next);
  return absl::OkStatus();
}

absl::Status ConsumerLog::Tick(const std::vector<TrustConsumer>& consumers) {
  absl::Status result;
  for (const TrustConsumer& one : consumers) {
    if (one.streams > 0) result.Update(Note(one));
  }
  return result;
}

}  // namespace sallyport::capf
