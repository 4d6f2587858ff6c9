// Answers of the domain name system, for as long as their servers allow.

#ifndef SALLYPORT_SERVICES_COMMON_DNS_DNS_CACHE_H_
#define SALLYPORT_SERVICES_COMMON_DNS_DNS_CACHE_H_

#include <cstddef>
#include <list>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "services/common/dns/dns_record.h"
#include "services/common/time/mono_time.h"

namespace sallyport {

// A bounded store; the least recently asked goes first when it is full.
// Failures are not kept, but "there is none" is (RFC 2308). Thread-compatible.
class DnsCache {
 public:
  struct Options {
    size_t max_entries = 10000;
    // Whatever a server says, at least and at most.
    absl::Duration min_time_to_live = absl::Seconds(1);
    absl::Duration max_time_to_live = absl::Hours(1);
    // Of "there is none" without an SOA record.
    absl::Duration negative_time_to_live = absl::Seconds(30);
  };

  explicit DnsCache(const Options& options) : options_(options) {}

  // Null if it is not known, or no longer.
  std::shared_ptr<const DnsAnswer> Find(const DnsQuestion& question,
                                        MonoTime now);
  void Store(const DnsQuestion& question, DnsAnswer answer, MonoTime now);

  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    DnsQuestion question;
    std::shared_ptr<const DnsAnswer> answer;
    MonoTime expiry;
  };
  using Order = std::list<Entry>;  // the most recently asked first

  const Options options_;
  Order order_;
  absl::flat_hash_map<DnsQuestion, Order::iterator> entries_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DNS_DNS_CACHE_H_
