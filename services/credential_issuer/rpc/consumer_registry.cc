#include "services/credential_issuer/rpc/consumer_registry.h"

#include <utility>

#include "services/common/config/proto_time.h"

namespace sallyport::credential_issuer {

ConsumerRegistry::Consumer& ConsumerRegistry::Touch(const std::string& consumer,
                                                    const std::string& identity,
                                                    absl::Time now) {
  if (!consumers_.contains(consumer) && consumers_.size() >= kMaxConsumers) {
    auto oldest = consumers_.end();
    for (auto it = consumers_.begin(); it != consumers_.end(); ++it) {
      if (it->second.streams > 0) continue;
      if (oldest == consumers_.end() ||
          it->second.heard < oldest->second.heard) {
        oldest = it;
      }
    }
    if (oldest != consumers_.end()) {
      directory_.OnGone(oldest->first);
      consumers_.erase(oldest);
    }
  }
  Consumer& out = consumers_[consumer];
  out.identity = identity;
  out.heard = now;
  return out;
}

void ConsumerRegistry::OnConnected(const std::string& consumer,
                                   const std::string& identity,
                                   absl::Time now) {
  absl::MutexLock lock(&mutex_);
  ++Touch(consumer, identity, now).streams;
}

void ConsumerRegistry::OnDisconnected(const std::string& consumer) {
  absl::MutexLock lock(&mutex_);
  const auto it = consumers_.find(consumer);
  if (it != consumers_.end() && it->second.streams > 0) --it->second.streams;
}

void ConsumerRegistry::OnReport(const v1::ReportKeysVersionRequest& report,
                                const std::string& identity, absl::Time now) {
  std::vector<RelayAddress> addresses;
  for (const v1::ReportedRelayAddress& reported : report.addresses()) {
    if (addresses.size() == RelayDirectory::kMaxAddresses) break;
    auto uri = ParseTurnUri(reported.uri());
    if (!uri.ok()) continue;
    addresses.push_back({report.consumer(),
                         reported.internal() ? ClientNetwork::kIntranet
                                             : ClientNetwork::kInternet,
                         *std::move(uri)});
  }
  absl::MutexLock lock(&mutex_);
  Consumer& consumer = Touch(report.consumer(), identity, now);
  consumer.report = report;
  consumer.report.clear_addresses();
  consumer.reported = true;
  consumer.report_time = now;
  directory_.OnReport(report.consumer(), std::move(addresses), report.load(),
                      now);
}

std::vector<v1::KeyConsumer> ConsumerRegistry::List() const {
  absl::MutexLock lock(&mutex_);
  std::vector<v1::KeyConsumer> out;
  for (const auto& [name, consumer] : consumers_) {
    v1::KeyConsumer& entry = out.emplace_back();
    entry.set_consumer(name);
    entry.set_identity(consumer.identity);
    entry.set_connected(consumer.streams > 0);
    if (!consumer.reported) continue;
    entry.set_active_version(consumer.report.active_version());
    *entry.mutable_active_time() = consumer.report.active_time();
    *entry.mutable_report_time() = ToProto(consumer.report_time);
    entry.set_load(consumer.report.load());
  }
  return out;
}

std::vector<RelayAddress> ConsumerRegistry::SelectRelays(
    ClientNetwork network, std::string_view location, absl::Time now) const {
  absl::MutexLock lock(&mutex_);
  return directory_.Select(network, location, now);
}

}  // namespace sallyport::credential_issuer
