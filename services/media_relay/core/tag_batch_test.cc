#include "services/media_relay/core/tag_batch.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/hmac_sha1_batch.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {
namespace {

TEST(TagBatchTest, TagsAreWrittenWhenFinished) {
  TagBatch batch;
  const HmacSha1Key key = HmacSha1Key::Of(AsBytes("a key"));
  // More than it holds: the first are finished on the way.
  constexpr size_t kPackets = kMaxBatch + 10;
  std::vector<std::string> packets;
  std::vector<std::string> tags(kPackets, std::string(12, '.'));
  for (size_t i = 0; i < kPackets; ++i) {
    packets.push_back(std::string(100 + i, static_cast<char>(i)));
  }
  for (size_t i = 0; i < kPackets; ++i) {
    const size_t size = i % 2 == 0 ? 10 : 4;
    batch.Add(key, AsBytes(packets[i]).data(), packets[i].size(),
              static_cast<uint32_t>(i),
              reinterpret_cast<uint8_t*>(tags[i].data()), size);
  }
  EXPECT_EQ(tags.back(), std::string(12, '.'));
  batch.Finish();
  for (size_t i = 0; i < kPackets; ++i) {
    const size_t size = i % 2 == 0 ? 10 : 4;
    HmacSha1Job job = {key,
                       AsBytes(packets[i]).data(),
                       packets[i].size(),
                       static_cast<uint32_t>(i),
                       {}};
    ComputeHmacSha1(job);
    EXPECT_EQ(tags[i], ToString(job.digest).substr(0, size) +
                           std::string(12 - size, '.'))
        << i;
  }
  tags[0].assign(12, '.');
  batch.Finish();  // nothing is left of them
  EXPECT_EQ(tags[0], std::string(12, '.'));
}

}  // namespace
}  // namespace sallyport::media_relay
