// Authentication tags of SRTP packets that leave together, computed together.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TAG_BATCH_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TAG_BATCH_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "services/media_relay/core/hmac_sha1_batch.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {

// Whoever lends packets may lend this with them: protected packets are then
// whole but for their tags until Finish(). Thread-compatible.
class TagBatch {
 public:
  TagBatch() = default;
  ~TagBatch();
  TagBatch(const TagBatch&) = delete;
  TagBatch& operator=(const TagBatch&) = delete;

  // The first `tag_size` octets of the HMAC over `size` octets at `data` and
  // `suffix` go to `tag`, by Finish() at the latest; until then both are
  // borrowed.
  void Add(const HmacSha1Key& key, const uint8_t* data, size_t size,
           uint32_t suffix, uint8_t* tag, size_t tag_size);
  // Before any of the packets is read.
  void Finish() {
    if (count_ != 0) FinishAll();
  }

 private:
  struct Place {
    uint8_t* tag;
    size_t size;
  };

  void FinishAll();

  size_t count_ = 0;
  std::array<HmacSha1Job, kMaxBatch> jobs_;
  std::array<Place, kMaxBatch> places_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TAG_BATCH_H_
