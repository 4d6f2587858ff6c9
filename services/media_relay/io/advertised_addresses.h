// What a relay's external addresses are told as, learnt at start and kept up to
// date.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_ADVERTISED_ADDRESSES_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_ADVERTISED_ADDRESSES_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/random/random_source.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/io/address_source.h"

namespace sallyport::media_relay {

// Thread-safe.
class AdvertisedAddresses {
 public:
  struct Options {
    // In this order: the first that says an acceptable address of the family
    // decides for it.
    std::vector<AddressSource> sources;
    std::vector<IpAddress> local;
    // Whether clients can be told of it.
    std::function<bool(const IpAddress&)> accepts;
    absl::Duration refresh = absl::Minutes(1);
    absl::Duration timeout = absl::Seconds(3);  // of one source
  };
  // One for each of `local`.
  using Learnt = std::vector<IpAddress>;
  using Changed = std::function<void(const Learnt&)>;

  // Asks; UNAVAILABLE with reason ADVERTISED_ADDRESS_UNKNOWN when there is one
  // of which nobody says how it is reached. `random` must outlive the object.
  static absl::StatusOr<std::unique_ptr<AdvertisedAddresses>> Create(
      Options options, RandomSource& random);
  ~AdvertisedAddresses();
  AdvertisedAddresses(const AdvertisedAddresses&) = delete;
  AdvertisedAddresses& operator=(const AdvertisedAddresses&) = delete;

  // As learnt at first.
  const Learnt& first() const { return first_; }
  // `changed` is called on a thread of its own. While nobody answers, what was
  // learnt before stays. Once.
  void Watch(Changed changed);

 private:
  AdvertisedAddresses(Options options, RandomSource& random)
      : options_(std::move(options)), random_(random) {}
  absl::StatusOr<Learnt> Learn();
  void Run(const Changed& changed);

  const Options options_;
  RandomSource& random_;
  Learnt first_;
  Learnt now_;  // of the thread, once it runs
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_ADVERTISED_ADDRESSES_H_
