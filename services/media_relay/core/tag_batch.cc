#include "services/media_relay/core/tag_batch.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/types/span.h"
#include "services/media_relay/core/hmac_sha1_batch.h"

namespace sallyport::media_relay {

TagBatch::~TagBatch() {
  for (size_t i = 0; i < count_; ++i) jobs_[i].key.Cleanse();
}

void TagBatch::Add(const HmacSha1Key& key, const uint8_t* data, size_t size,
                   uint32_t suffix, uint8_t* tag, size_t tag_size) {
  if (count_ == jobs_.size()) FinishAll();
  HmacSha1Job& job = jobs_[count_];
  job.key = key;
  job.data = data;
  job.size = size;
  job.suffix = suffix;
  places_[count_] = {tag, std::min(tag_size, kHmacSha1Size)};
  ++count_;
}

void TagBatch::FinishAll() {
  ComputeHmacSha1(absl::MakeSpan(jobs_.data(), count_));
  for (size_t i = 0; i < count_; ++i) {
    std::memcpy(places_[i].tag, jobs_[i].digest.data(), places_[i].size);
    jobs_[i].key.Cleanse();
  }
  count_ = 0;
}

}  // namespace sallyport::media_relay
