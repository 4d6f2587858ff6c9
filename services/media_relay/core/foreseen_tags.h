// HMACs of SRTP packets that arrived together, computed together before any of
// them is judged.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_FORESEEN_TAGS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_FORESEEN_TAGS_H_

#include <array>
#include <cstddef>

#include "absl/types/span.h"
#include "services/media_relay/core/hmac_sha1_batch.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {

// What is lent as `Packet::foreseen`; nothing is trusted for having been
// foreseen: whoever judges a packet compares what was computed with what it
// needs. Thread-compatible.
class ForeseenTags {
 public:
  ForeseenTags() = default;
  ~ForeseenTags() { Clear(); }
  ForeseenTags(const ForeseenTags&) = delete;
  ForeseenTags& operator=(const ForeseenTags&) = delete;

  // Asks `foresee(job)` what `packet` needs, which it gets with Compute();
  // false when it needs nothing or there is no room.
  template <typename Foresee>
  bool Add(Packet& packet, Foresee foresee) {
    if (count_ == jobs_.size() || !foresee(jobs_[count_])) return false;
    packets_[count_++] = &packet;
    return true;
  }
  // Of all that were added since the last call.
  void Compute() {
    ComputeHmacSha1(
        absl::MakeSpan(jobs_.data() + computed_, count_ - computed_));
    for (; computed_ < count_; ++computed_) {
      packets_[computed_]->foreseen = &jobs_[computed_];
    }
  }
  // The packets are done with.
  void Clear() {
    for (size_t i = 0; i < count_; ++i) {
      jobs_[i].key.Cleanse();
      packets_[i]->foreseen = nullptr;
    }
    count_ = computed_ = 0;
  }

 private:
  size_t count_ = 0;
  size_t computed_ = 0;
  std::array<HmacSha1Job, kMaxBatch> jobs_;
  std::array<Packet*, kMaxBatch> packets_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_FORESEEN_TAGS_H_
