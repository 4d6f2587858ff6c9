#include "services/common/dns/dns_cache.h"

#include <algorithm>

namespace sallyport {

std::shared_ptr<const DnsAnswer> DnsCache::Find(const DnsQuestion& question,
                                                MonoTime now) {
  const auto it = entries_.find(question);
  if (it == entries_.end()) return nullptr;
  if (it->second->expiry <= now) {
    order_.erase(it->second);
    entries_.erase(it);
    return nullptr;
  }
  order_.splice(order_.begin(), order_, it->second);
  return it->second->answer;
}

void DnsCache::Store(const DnsQuestion& question, DnsAnswer answer,
                     MonoTime now) {
  if (answer.outcome == DnsOutcome::kFailure || options_.max_entries == 0) {
    return;
  }
  absl::Duration life = answer.time_to_live;
  if (answer.outcome == DnsOutcome::kNone && life <= absl::ZeroDuration()) {
    life = options_.negative_time_to_live;
  }
  life = std::clamp(life, options_.min_time_to_live, options_.max_time_to_live);
  Entry entry = {.question = question,
                 .answer = std::make_shared<const DnsAnswer>(std::move(answer)),
                 .expiry = now + life};
  if (const auto it = entries_.find(question); it != entries_.end()) {
    *it->second = std::move(entry);
    order_.splice(order_.begin(), order_, it->second);
    return;
  }
  if (entries_.size() >= options_.max_entries) {
    entries_.erase(order_.back().question);
    order_.pop_back();
  }
  order_.push_front(std::move(entry));
  entries_.emplace(question, order_.begin());
}

}  // namespace sallyport
