// The relays that take keys: who they are and which version they hold.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_CONSUMER_REGISTRY_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_CONSUMER_REGISTRY_H_

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "sallyport/credential_issuer/v1/issuer_status.pb.h"
#include "sallyport/credential_issuer/v1/verification_keys.pb.h"
#include "services/credential_issuer/core/relay_directory.h"

namespace sallyport::credential_issuer {

// In memory: after a restart the relays connect and report again.
// Thread-safe.
class ConsumerRegistry {
 public:
  // Relays known at once; one that was not heard of longest gives way, but
  // never one that is connected.
  static constexpr size_t kMaxConsumers = 10'000;

  explicit ConsumerRegistry(RelayDirectory directory)
      : directory_(std::move(directory)) {}

  void OnConnected(const std::string& consumer, const std::string& identity,
                   absl::Time now);
  void OnDisconnected(const std::string& consumer);
  // Addresses that are no TURN URI are left out.
  void OnReport(const v1::ReportKeysVersionRequest& report,
                const std::string& identity, absl::Time now);

  std::vector<v1::KeyConsumer> List() const;
  std::vector<RelayAddress> SelectRelays(ClientNetwork network,
                                         std::string_view location,
                                         absl::Time now) const;

 private:
  struct Consumer {
    std::string identity;
    int streams = 0;
    absl::Time heard;
    v1::ReportKeysVersionRequest report;
    bool reported = false;
    absl::Time report_time;
  };

  Consumer& Touch(const std::string& consumer, const std::string& identity,
                  absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::map<std::string, Consumer> consumers_ ABSL_GUARDED_BY(mutex_);
  RelayDirectory directory_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_CONSUMER_REGISTRY_H_
