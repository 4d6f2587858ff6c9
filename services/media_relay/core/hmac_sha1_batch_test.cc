#include "services/media_relay/core/hmac_sha1_batch.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/hmac.h"

namespace sallyport::media_relay {
namespace {

std::string Bytes(size_t size, size_t seed) {
  std::string out;
  for (size_t i = 0; i < size; ++i) {
    out.push_back(static_cast<char>(i * 131 + seed * 29 + (i >> 8)));
  }
  return out;
}

HmacSha1Job Job(const std::string& key, const std::string& data,
                uint32_t suffix) {
  return {HmacSha1Key::Of(AsBytes(key)),
          AsBytes(data).data(),
          data.size(),
          suffix,
          {}};
}

std::string Suffix(uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
  return out;
}

std::string Expected(const std::string& key, const std::string& data,
                     uint32_t suffix) {
  return ToString(
      HmacSha1(AsBytes(key), {AsBytes(data), AsBytes(Suffix(suffix))}));
}

class EveryHmacSha1Way : public testing::TestWithParam<HmacSha1Way> {
 protected:
  void SetUp() override {
    if (!CanCompute(GetParam())) {
      GTEST_SKIP() << "this processor lacks the instructions";
    }
  }
};

TEST(HmacSha1BatchTest, TheFastestWayIsOneThatTheProcessorCan) {
  EXPECT_TRUE(CanCompute(FastestHmacSha1Way()));
  EXPECT_TRUE(CanCompute(HmacSha1Way::kOneByOne));
}

// A digest is of its own key, octets and suffix only.
TEST(HmacSha1BatchTest, ADigestKnowsWhatItIsOf) {
  const std::string data = Bytes(172, 3);
  const std::string other = data;
  const HmacSha1Job job = Job("a key", data, 7);
  const uint8_t* const at = AsBytes(data).data();
  EXPECT_TRUE(job.IsOf(HmacSha1Key::Of(AsBytes("a key")), at, 172, 7));
  EXPECT_FALSE(job.IsOf(HmacSha1Key::Of(AsBytes("b key")), at, 172, 7));
  EXPECT_FALSE(job.IsOf(job.key, AsBytes(other).data(), 172, 7));
  EXPECT_FALSE(job.IsOf(job.key, at, 171, 7));
  EXPECT_FALSE(job.IsOf(job.key, at, 172, 8));
}

// RFC 2202 section 3, test cases 1 and 2: their last four octets come as the
// suffix.
TEST_P(EveryHmacSha1Way, VectorsOfRfc2202) {
  const std::string hi = "Hi T";
  HmacSha1Job job = Job(std::string(20, '\x0b'), hi, 0x68657265);
  ComputeHmacSha1(job);
  EXPECT_EQ(absl::BytesToHexString(ToString(job.digest)),
            "b617318655057264e28bc0b6fb378c8ef146be00");
  const std::string text = "what do ya want for noth";
  std::vector<HmacSha1Job> jobs(20, Job("Jefe", text, 0x696e673f));
  ComputeHmacSha1(absl::MakeSpan(jobs), GetParam());
  for (const HmacSha1Job& one : jobs) {
    EXPECT_EQ(absl::BytesToHexString(ToString(one.digest)),
              "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  }
}

// Every length around the ends of blocks, each lane its own: lanes that are
// done early keep their digests.
TEST_P(EveryHmacSha1Way, LanesOfAllLengthsAreIndependent) {
  std::vector<std::string> data;
  std::vector<HmacSha1Job> jobs;
  for (size_t i = 0; i < 400; ++i) data.push_back(Bytes((i * 37) % 331, i));
  data.push_back(Bytes(2048, 7));
  for (size_t i = 0; i < data.size(); ++i) {
    jobs.push_back(
        Job(Bytes(20, i), data[i], static_cast<uint32_t>(i * 0x01020304)));
  }
  ComputeHmacSha1(absl::MakeSpan(jobs), GetParam());
  for (size_t i = 0; i < data.size(); ++i) {
    ASSERT_EQ(
        ToString(jobs[i].digest),
        Expected(Bytes(20, i), data[i], static_cast<uint32_t>(i * 0x01020304)))
        << i << ", " << data[i].size() << " octets";
  }
}

TEST_P(EveryHmacSha1Way, AnyNumberOfJobs) {
  const std::string data = Bytes(172, 3);
  for (size_t count = 0; count <= 65; ++count) {
    std::vector<HmacSha1Job> jobs;
    for (size_t i = 0; i < count; ++i) {
      jobs.push_back(Job(Bytes(20, i), data, static_cast<uint32_t>(i)));
    }
    ComputeHmacSha1(absl::MakeSpan(jobs), GetParam());
    for (size_t i = 0; i < count; ++i) {
      ASSERT_EQ(ToString(jobs[i].digest),
                Expected(Bytes(20, i), data, static_cast<uint32_t>(i)))
          << count << " jobs, " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, EveryHmacSha1Way,
                         testing::Values(HmacSha1Way::kOneByOne,
                                         HmacSha1Way::kLanes8,
                                         HmacSha1Way::kLanes16));

}  // namespace
}  // namespace sallyport::media_relay
