#include "services/capf/io/trust_publisher.h"

#include <algorithm>
#include <utility>

#include "services/capf/core/certificate_builder.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

// Consumers that are remembered; names come from verified services only.
constexpr size_t kMaxConsumers = 1000;

}  // namespace

absl::StatusOr<TrustBundle> ReadBundle(EnrollmentStore& store, absl::Time now) {
  TrustBundle bundle;
  bundle.create_time = now;
  SP_ASSIGN_OR_RETURN(bundle.version, store.TrustVersion());
  SP_ASSIGN_OR_RETURN(std::vector<TrustedCertificate> trusted,
                      store.ListTrusted());
  for (TrustedCertificate& one : trusted) {
    bundle.stores[one.store].push_back(std::move(one.der));
  }
  SP_ASSIGN_OR_RETURN(const std::vector<CertificateRecord> revoked,
                      store.ListRevoked(now));
  for (const CertificateRecord& record : revoked) {
    const std::string even = record.serial.size() % 2 == 0 ? "" : "0";
    SP_ASSIGN_OR_RETURN(std::string serial, HexDecode(even + record.serial));
    // Of the certificate itself: the authority may be another by now.
    SP_ASSIGN_OR_RETURN(std::string issuer_der,
                        IssuerNameOf(AsBytes(record.der)));
    bundle.revoked.emplace(record.serial,
                           RevokedSerial{.issuer_der = std::move(issuer_der),
                                         .serial = std::move(serial),
                                         .revoke_time = record.revoke_time});
  }
  return bundle;
}

std::shared_ptr<const TrustBundle> TrustPublisher::current() const {
  absl::MutexLock lock(&mutex_);
  return current_;
}

void TrustPublisher::Publish(TrustBundle bundle) {
  {
    absl::MutexLock lock(&mutex_);
    current_ = std::make_shared<const TrustBundle>(std::move(bundle));
  }
  NotifyAll();
}

void TrustPublisher::Beat() { NotifyAll(); }

void TrustPublisher::End() {
  {
    absl::MutexLock lock(&mutex_);
    ended_ = true;
  }
  NotifyAll();
}

void TrustPublisher::NotifyAll() {
  std::vector<std::shared_ptr<TrustWatcher>> watchers;
  std::shared_ptr<const TrustBundle> bundle;
  {
    absl::MutexLock lock(&mutex_);
    if (!ended_) bundle = current_;
    watchers.reserve(watchers_.size());
    for (const auto& [id, entry] : watchers_) {
      watchers.push_back(entry.watcher);
    }
  }
  for (const std::shared_ptr<TrustWatcher>& watcher : watchers) {
    watcher->Notify(bundle);
  }
}

TrustConsumer& TrustPublisher::Consumer(const std::string& consumer,
                                        const std::string& identity) {
  if (consumers_.size() >= kMaxConsumers && !consumers_.contains(consumer)) {
    for (auto it = consumers_.begin(); it != consumers_.end();) {
      if (it->second.streams == 0) {
        consumers_.erase(it++);
      } else {
        ++it;
      }
    }
  }
  TrustConsumer& entry = consumers_[consumer];
  entry.consumer = consumer;
  entry.identity = identity;
  return entry;
}

TrustPublisher::WatchId TrustPublisher::Watch(
    const std::string& consumer, const std::string& identity,
    std::shared_ptr<TrustWatcher> watcher) {
  std::shared_ptr<const TrustBundle> bundle;
  WatchId id;
  TrustConsumer known;
  {
    absl::MutexLock lock(&mutex_);
    TrustConsumer& entry = Consumer(consumer, identity);
    ++entry.streams;
    known = entry;
    id = next_++;
    watchers_[id] = {consumer, watcher};
    if (!ended_) bundle = current_;
  }
  if (on_consumer_) on_consumer_(known);
  watcher->Notify(bundle);
  return id;
}

void TrustPublisher::Unwatch(WatchId id) {
  absl::MutexLock lock(&mutex_);
  const auto it = watchers_.find(id);
  if (it == watchers_.end()) return;
  const auto consumer = consumers_.find(it->second.consumer);
  if (consumer != consumers_.end() && consumer->second.streams > 0) {
    --consumer->second.streams;
  }
  watchers_.erase(it);
}

void TrustPublisher::Report(const std::string& consumer,
                            const std::string& identity, int64_t version,
                            absl::Time active_time, absl::Time now) {
  TrustConsumer known;
  {
    absl::MutexLock lock(&mutex_);
    TrustConsumer& entry = Consumer(consumer, identity);
    entry.active_version = version;
    entry.active_time = active_time;
    entry.report_time = now;
    known = entry;
  }
  if (on_consumer_) on_consumer_(known);
}

std::vector<TrustConsumer> TrustPublisher::consumers() const {
  std::vector<TrustConsumer> all;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [name, consumer] : consumers_) all.push_back(consumer);
  }
  std::sort(all.begin(), all.end(),
            [](const TrustConsumer& a, const TrustConsumer& b) {
              return a.consumer < b.consumer;
            });
  return all;
}

}  // namespace sallyport::capf
