#include "services/credential_issuer/rpc/consumer_registry.h"

#include <utility>

#include "services/common/config/proto_time.h"
#include "services/common/status/status_macros.h"

namespace sallyport::credential_issuer {
namespace {

// How far the clocks of replicas may differ for their reports to be read.
constexpr absl::Duration kLookBack = absl::Seconds(30);

RelayReport ToReport(const v1::ReportKeysVersionRequest& report,
                     absl::Time now) {
  RelayReport out;
  out.relay = report.consumer();
  out.location = report.location();
  for (const v1::ReportedRelayAddress& reported : report.addresses()) {
    if (out.addresses.size() == RelayDirectory::kMaxAddresses) break;
    auto uri = ParseTurnUri(reported.uri());
    if (!uri.ok()) continue;
    out.addresses.push_back({report.consumer(),
                             reported.internal() ? ClientNetwork::kIntranet
                                                 : ClientNetwork::kInternet,
                             *std::move(uri)});
  }
  out.load = report.load();
  out.draining = report.draining();
  out.version = report.active_version();
  out.time = now;
  return out;
}

}  // namespace

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
      unsaved_.erase(oldest->first);
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

void ConsumerRegistry::Take(const v1::ReportKeysVersionRequest& report,
                            const std::string& identity, absl::Time now) {
  Consumer& consumer = Touch(report.consumer(), identity, now);
  if (consumer.report_time > now) return;
  consumer.report = report;
  consumer.report_time = now;
  directory_.OnReport(ToReport(report, now));
}

void ConsumerRegistry::OnReport(const v1::ReportKeysVersionRequest& report,
                                const std::string& identity, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  Take(report, identity, now);
  unsaved_.insert(report.consumer());
  expected_.erase(report.consumer());
}

absl::Status ConsumerRegistry::Import(IssuerStore& store, absl::Time since) {
  SP_ASSIGN_OR_RETURN(const std::vector<StoredReport> stored,
                      store.LoadReports(since));
  absl::MutexLock lock(&mutex_);
  for (const StoredReport& one : stored) {
    const size_t line = one.body.find('\n');
    v1::ReportKeysVersionRequest report;
    if (line == std::string::npos ||
        !report.ParseFromString(one.body.substr(line + 1)) ||
        report.consumer() != one.relay) {
      continue;
    }
    const auto known = consumers_.find(one.relay);
    if (known != consumers_.end() && known->second.report_time >= one.time) {
      continue;
    }
    Take(report, one.body.substr(0, line), one.time);
  }
  return absl::OkStatus();
}

absl::Status ConsumerRegistry::Restore(IssuerStore& store, absl::Time now) {
  SP_RETURN_IF_ERROR(Import(store, now - kExpected));
  absl::MutexLock lock(&mutex_);
  for (const auto& [name, consumer] : consumers_) expected_.insert(name);
  expected_until_ = now + RelayDirectory::kReportLifetime;
  return absl::OkStatus();
}

absl::Status ConsumerRegistry::Sync(IssuerStore& store, bool shared,
                                    absl::Time now) {
  std::vector<StoredReport> reports;
  {
    absl::MutexLock lock(&mutex_);
    for (const std::string& name : unsaved_) {
      const Consumer& consumer = consumers_[name];
      reports.push_back(
          {name, consumer.identity + "\n" + consumer.report.SerializeAsString(),
           consumer.report_time});
    }
    unsaved_.clear();
  }
  if (!reports.empty()) SP_RETURN_IF_ERROR(store.SaveReports(reports, now));
  if (!shared) return absl::OkStatus();
  return Import(store, now - kLookBack);
}

std::vector<v1::KeyConsumer> ConsumerRegistry::List(int64_t version,
                                                    absl::Time now) const {
  absl::MutexLock lock(&mutex_);
  std::vector<v1::KeyConsumer> out;
  for (const auto& [name, consumer] : consumers_) {
    v1::KeyConsumer& entry = out.emplace_back();
    entry.set_consumer(name);
    entry.set_identity(consumer.identity);
    entry.set_connected(consumer.streams > 0);
    if (consumer.report_time == absl::InfinitePast()) continue;
    const v1::ReportKeysVersionRequest& report = consumer.report;
    entry.set_active_version(report.active_version());
    *entry.mutable_active_time() = report.active_time();
    *entry.mutable_report_time() = ToProto(consumer.report_time);
    entry.set_load(report.load());
    entry.set_draining(report.draining());
    entry.set_location(report.location());
    entry.set_allocation_count(report.allocation_count());
    entry.set_allocation_capacity(report.allocation_capacity());
    entry.set_serving(directory_.IsLive(name, now) && !report.draining() &&
                      report.active_version() >= version);
  }
  return out;
}

std::vector<RelayAddress> ConsumerRegistry::SelectRelays(
    const RelayQuery& query, absl::Time now, RandomSource& random) const {
  absl::MutexLock lock(&mutex_);
  std::vector<RelayAddress> out = directory_.Select(query, now, random);
  if (!out.empty() || query.version == 0) return out;
  RelayQuery any = query;
  any.version = 0;
  return directory_.Select(any, now, random);
}

bool ConsumerRegistry::AllHave(int64_t version, absl::Time now) const {
  absl::MutexLock lock(&mutex_);
  if (now < expected_until_ && !expected_.empty()) return false;
  return directory_.AllHave(version, now);
}

}  // namespace sallyport::credential_issuer
