#include "services/media_relay/io/advertised_addresses.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/bytes/string_view.h"
#include "services/common/log/log.h"
#include "services/common/random/random_source.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/io/address_source.h"

namespace sallyport::media_relay {

absl::StatusOr<std::unique_ptr<AdvertisedAddresses>>
AdvertisedAddresses::Create(Options options, RandomSource& random) {
  std::unique_ptr<AdvertisedAddresses> addresses(
      new AdvertisedAddresses(std::move(options), random));
  SP_ASSIGN_OR_RETURN(addresses->first_, addresses->Learn());
  addresses->now_ = addresses->first_;
  return addresses;
}

AdvertisedAddresses::~AdvertisedAddresses() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<AdvertisedAddresses::Learnt> AdvertisedAddresses::Learn() {
  Learnt learnt;
  for (const IpAddress& local : options_.local) {
    std::string tried;
    bool found = false;
    for (const AddressSource& source : options_.sources) {
      const auto told = source.Ask(local, random_, options_.timeout);
      if (!told.ok()) {
        absl::StrAppend(&tried, tried.empty() ? "" : "; ",
                        told.status().message());
        continue;
      }
      for (const IpAddress& address : *told) {
        if (address.family() != local.family()) continue;
        if (!options_.accepts(address)) {
          absl::StrAppend(&tried, tried.empty() ? "" : "; ", source.text(),
                          ": says an address that is not public");
          continue;
        }
        learnt.push_back(address);
        found = true;
        break;
      }
      if (found) break;
    }
    if (!found) {
      return MakeError(absl::StatusCode::kUnavailable,
                       "ADVERTISED_ADDRESS_UNKNOWN",
                       absl::StrCat("no source says how an external ",
                                    local.is_v6() ? "IPv6" : "IPv4",
                                    " address is reached: ", tried));
    }
  }
  return learnt;
}

void AdvertisedAddresses::Watch(Changed changed) {
  thread_ = std::thread([this, changed = std::move(changed)] { Run(changed); });
}

void AdvertisedAddresses::Run(const Changed& changed) {
  bool known = true;
  for (;;) {
    {
      const absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_),
                                  options_.refresh)) {
        return;
      }
    }
    absl::StatusOr<Learnt> learnt = Learn();
    if (!learnt.ok()) {
      if (std::exchange(known, false)) {
        LogWarning(
            "the advertised addresses are not known any more; those of "
            "before stay",
            {{"error", learnt.status()}});
      }
      continue;
    }
    if (!std::exchange(known, true)) {
      LogInfo("the advertised addresses are known again", {});
    }
    if (*learnt == now_) continue;
    now_ = *std::move(learnt);
    changed(now_);
  }
}

}  // namespace sallyport::media_relay
