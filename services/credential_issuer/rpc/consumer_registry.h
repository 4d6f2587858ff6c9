// The relays that take keys: who they are, which version they hold, and whether
// clients are told of them.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_CONSUMER_REGISTRY_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_CONSUMER_REGISTRY_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "sallyport/credential_issuer/v1/issuer_status.pb.h"
#include "sallyport/credential_issuer/v1/verification_keys.pb.h"
#include "services/common/random/random_source.h"
#include "services/credential_issuer/core/relay_directory.h"
#include "services/credential_issuer/io/issuer_store.h"

namespace sallyport::credential_issuer {

// Reports come from the relays themselves and, through the store, from those
// that report to other replicas. Thread-safe.
class ConsumerRegistry {
 public:
  // Relays known at once; one that was not heard of longest gives way, but
  // never one that is connected.
  static constexpr size_t kMaxConsumers = 10'000;
  // Relays that reported so long before a start are expected to come back.
  static constexpr absl::Duration kExpected = absl::Hours(1);

  explicit ConsumerRegistry(RelayDirectory directory)
      : directory_(std::move(directory)) {}

  void OnConnected(const std::string& consumer, const std::string& identity,
                   absl::Time now);
  void OnDisconnected(const std::string& consumer);
  // Addresses that are no TURN URI are left out.
  void OnReport(const v1::ReportKeysVersionRequest& report,
                const std::string& identity, absl::Time now);

  // Takes over what the store had at the start, and expects these relays.
  absl::Status Restore(IssuerStore& store, absl::Time now);
  // Gives the store what was reported here since the last call and, when it is
  // shared, takes over what other replicas gave it.
  absl::Status Sync(IssuerStore& store, bool shared, absl::Time now);

  // Relays that do not have `version` are not `serving`.
  std::vector<v1::KeyConsumer> List(int64_t version, absl::Time now) const;
  // As RelayDirectory::Select; while no relay at all knows the key, as just
  // after a revocation, those that are about to hear of it.
  std::vector<RelayAddress> SelectRelays(const RelayQuery& query,
                                         absl::Time now,
                                         RandomSource& random) const;
  // True if every relay has acknowledged `version`: those that report, and for
  // a while after the start those that did before.
  bool AllHave(int64_t version, absl::Time now) const;

 private:
  struct Consumer {
    std::string identity;
    int streams = 0;
    absl::Time heard;
    v1::ReportKeysVersionRequest report;  // with its addresses
    absl::Time report_time = absl::InfinitePast();
  };

  Consumer& Touch(const std::string& consumer, const std::string& identity,
                  absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Take(const v1::ReportKeysVersionRequest& report,
            const std::string& identity, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Import(IssuerStore& store, absl::Time since);

  mutable absl::Mutex mutex_;
  std::map<std::string, Consumer> consumers_ ABSL_GUARDED_BY(mutex_);
  RelayDirectory directory_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> unsaved_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> expected_ ABSL_GUARDED_BY(mutex_);
  absl::Time expected_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_CONSUMER_REGISTRY_H_
