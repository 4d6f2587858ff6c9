#include "services/media_relay/core/hmac_sha1_batch.h"

#include <openssl/mem.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/sha1_lanes.h"

namespace sallyport::media_relay {
namespace {

void Store32(uint8_t* out, uint32_t value) {
  out[0] = static_cast<uint8_t>(value >> 24);
  out[1] = static_cast<uint8_t>(value >> 16);
  out[2] = static_cast<uint8_t>(value >> 8);
  out[3] = static_cast<uint8_t>(value);
}

// The state of SHA-1 after one block, and SHA-1 going on from there.
std::array<uint32_t, 5> AfterBlock(
    const std::array<uint8_t, kSha1Block>& block) {
  SHA_CTX hash;
  SHA1_Init(&hash);
  SHA1_Update(&hash, block.data(), block.size());
  std::array<uint32_t, 5> state;
  std::copy(std::begin(hash.h), std::end(hash.h), state.begin());
  OPENSSL_cleanse(&hash, sizeof(hash));
  return state;
}
SHA_CTX GoOnFrom(const std::array<uint32_t, 5>& state) {
  SHA_CTX hash;
  SHA1_Init(&hash);
  std::copy(state.begin(), state.end(), std::begin(hash.h));
  hash.Nl = kSha1Block * 8;  // bits so far
  return hash;
}

// What follows the whole blocks of a packet: its rest, the suffix and SHA-1's
// padding, which counts the block of the pad too. Then the inner digest, as the
// outer hash reads it.
struct Tail {
  std::array<uint8_t, 2 * kSha1Block> bytes;
  size_t blocks;  // of the packet and the tail together

  void Fill(const HmacSha1Job& job) {
    const size_t whole = job.size / kSha1Block * kSha1Block;
    const size_t rest = job.size - whole;
    const size_t used = rest + sizeof(job.suffix);
    const size_t size = used + 9 > kSha1Block ? 2 * kSha1Block : kSha1Block;
    std::memset(bytes.data(), 0, bytes.size());
    std::memcpy(bytes.data(), job.data + whole, rest);
    Store32(bytes.data() + rest, job.suffix);
    bytes[used] = 0x80;
    Store32(bytes.data() + size - 4,
            static_cast<uint32_t>((kSha1Block + job.size + sizeof(job.suffix)) *
                                  8));
    blocks = (whole + size) / kSha1Block;
  }
  void FillOuter(const std::array<uint32_t, 5>& inner) {
    std::memset(bytes.data(), 0, kSha1Block);
    for (size_t i = 0; i < 5; ++i) Store32(bytes.data() + 4 * i, inner[i]);
    bytes[kHmacSha1Size] = 0x80;
    Store32(bytes.data() + kSha1Block - 4,
            static_cast<uint32_t>((kSha1Block + kHmacSha1Size) * 8));
  }
};

// At most `kLanes` jobs.
template <size_t kLanes>
void ComputeLanes(absl::Span<HmacSha1Job> jobs) {
  static constexpr std::array<uint8_t, kSha1Block> kNothing = {};
  std::array<Tail, kLanes> tails;
  std::array<const uint8_t*, kLanes> blocks;
  blocks.fill(kNothing.data());
  Sha1LaneState<kLanes> state = {};
  const size_t count = jobs.size();
  size_t most = 0;
  for (size_t lane = 0; lane < count; ++lane) {
    tails[lane].Fill(jobs[lane]);
    most = std::max(most, tails[lane].blocks);
    for (size_t i = 0; i < 5; ++i) {
      state.words[i][lane] = jobs[lane].key.inner[i];
    }
  }
  for (size_t block = 0; block < most; ++block) {
    uint32_t active = 0;
    for (size_t lane = 0; lane < count; ++lane) {
      if (block >= tails[lane].blocks) continue;
      active |= 1u << lane;
      const size_t whole = jobs[lane].size / kSha1Block;
      blocks[lane] = block < whole ? jobs[lane].data + block * kSha1Block
                                   : tails[lane].bytes.data() +
                                         (block - whole) * kSha1Block;
    }
    CompressSha1Lanes(state, blocks, active);
  }
  // The outer hash is over the inner digest: one block.
  for (size_t lane = 0; lane < count; ++lane) {
    std::array<uint32_t, 5> inner;
    for (size_t i = 0; i < 5; ++i) {
      inner[i] = state.words[i][lane];
      state.words[i][lane] = jobs[lane].key.outer[i];
    }
    tails[lane].FillOuter(inner);
    blocks[lane] = tails[lane].bytes.data();
  }
  CompressSha1Lanes(state, blocks, ~uint32_t{0});
  for (size_t lane = 0; lane < count; ++lane) {
    for (size_t i = 0; i < 5; ++i) {
      Store32(jobs[lane].digest.data() + 4 * i, state.words[i][lane]);
    }
  }
}

// As many at a time, as long as that is faster than SHA instructions one by
// one.
template <size_t kLanes, size_t kWorthwhile>
absl::Span<HmacSha1Job> ComputeAllLanes(absl::Span<HmacSha1Job> jobs) {
  while (jobs.size() >= kWorthwhile) {
    const size_t count = std::min(jobs.size(), kLanes);
    ComputeLanes<kLanes>(jobs.first(count));
    jobs.remove_prefix(count);
  }
  return jobs;
}

}  // namespace

HmacSha1Key HmacSha1Key::Of(ByteSpan key) {
  std::array<uint8_t, kSha1Block> pad = {};
  std::copy_n(key.begin(), std::min(key.size(), pad.size()), pad.begin());
  HmacSha1Key out;
  for (uint8_t& octet : pad) octet ^= 0x36;
  out.inner = AfterBlock(pad);
  for (uint8_t& octet : pad) octet ^= 0x36 ^ 0x5C;
  out.outer = AfterBlock(pad);
  OPENSSL_cleanse(pad.data(), pad.size());
  return out;
}

void HmacSha1Key::Cleanse() {
  OPENSSL_cleanse(inner.data(), sizeof(inner));
  OPENSSL_cleanse(outer.data(), sizeof(outer));
}

bool HmacSha1Job::IsOf(const HmacSha1Key& other_key, const uint8_t* other_data,
                       size_t other_size, uint32_t other_suffix) const {
  return data == other_data && size == other_size && suffix == other_suffix &&
         CRYPTO_memcmp(&key, &other_key, sizeof(key)) == 0;
}

void ComputeHmacSha1(HmacSha1Job& job) {
  std::array<uint8_t, 4> suffix;
  Store32(suffix.data(), job.suffix);
  SHA_CTX hash = GoOnFrom(job.key.inner);
  SHA1_Update(&hash, job.data, job.size);
  SHA1_Update(&hash, suffix.data(), suffix.size());
  SHA1_Final(job.digest.data(), &hash);
  hash = GoOnFrom(job.key.outer);
  SHA1_Update(&hash, job.digest.data(), job.digest.size());
  SHA1_Final(job.digest.data(), &hash);
}

bool CanCompute(HmacSha1Way way) {
  switch (way) {
    case HmacSha1Way::kOneByOne:
      return true;
    case HmacSha1Way::kLanes8:
      return HasSha1Lanes8();
    case HmacSha1Way::kLanes16:
      return HasSha1Lanes16();
  }
  return false;
}

HmacSha1Way FastestHmacSha1Way() {
  static const HmacSha1Way fastest =
      CanCompute(HmacSha1Way::kLanes16)  ? HmacSha1Way::kLanes16
      : CanCompute(HmacSha1Way::kLanes8) ? HmacSha1Way::kLanes8
                                         : HmacSha1Way::kOneByOne;
  return fastest;
}

void ComputeHmacSha1(absl::Span<HmacSha1Job> jobs, HmacSha1Way way) {
  switch (way) {
    case HmacSha1Way::kOneByOne:
      break;
    case HmacSha1Way::kLanes8:
      jobs = ComputeAllLanes<8, 5>(jobs);
      break;
    case HmacSha1Way::kLanes16:
      jobs = ComputeAllLanes<16, 4>(jobs);
      break;
  }
  for (HmacSha1Job& job : jobs) ComputeHmacSha1(job);
}

}  // namespace sallyport::media_relay
