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

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sallyport::media_relay {
namespace {

constexpr size_t kBlock = 64;

void Store32(uint8_t* out, uint32_t value) {
  out[0] = static_cast<uint8_t>(value >> 24);
  out[1] = static_cast<uint8_t>(value >> 16);
  out[2] = static_cast<uint8_t>(value >> 8);
  out[3] = static_cast<uint8_t>(value);
}

// The state of SHA-1 after one block, and SHA-1 going on from there.
std::array<uint32_t, 5> AfterBlock(const std::array<uint8_t, kBlock>& block) {
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
  hash.Nl = kBlock * 8;  // bits so far
  return hash;
}

#if defined(__x86_64__)

constexpr size_t kLanes = 16;
#define SALLYPORT_AVX512 __attribute__((target("avx512f,avx512bw")))

// What follows the whole blocks of a packet: its rest, the suffix and SHA-1's
// padding, which counts the block of the pad too.
struct Tail {
  alignas(64) std::array<uint8_t, 2 * kBlock> bytes;
  size_t blocks;  // of the packet and the tail together

  void Fill(const HmacSha1Job& job) {
    const size_t whole = job.size / kBlock * kBlock;
    const size_t rest = job.size - whole;
    const size_t used = rest + sizeof(job.suffix);
    const size_t size = used + 9 > kBlock ? 2 * kBlock : kBlock;
    std::memset(bytes.data(), 0, bytes.size());
    std::memcpy(bytes.data(), job.data + whole, rest);
    Store32(bytes.data() + rest, job.suffix);
    bytes[used] = 0x80;
    Store32(
        bytes.data() + size - 4,
        static_cast<uint32_t>((kBlock + job.size + sizeof(job.suffix)) * 8));
    blocks = (whole + size) / kBlock;
  }
};

// 16 words of 16 lanes: rows become columns.
SALLYPORT_AVX512 inline void Transpose(__m512i w[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 4) {
    const __m512i a = _mm512_unpacklo_epi32(w[i], w[i + 1]);
    const __m512i b = _mm512_unpackhi_epi32(w[i], w[i + 1]);
    const __m512i c = _mm512_unpacklo_epi32(w[i + 2], w[i + 3]);
    const __m512i d = _mm512_unpackhi_epi32(w[i + 2], w[i + 3]);
    t[i] = _mm512_unpacklo_epi64(a, c);
    t[i + 1] = _mm512_unpackhi_epi64(a, c);
    t[i + 2] = _mm512_unpacklo_epi64(b, d);
    t[i + 3] = _mm512_unpackhi_epi64(b, d);
  }
  for (int i = 0; i < 4; ++i) {
    const __m512i a = _mm512_shuffle_i32x4(t[i], t[i + 4], 0x88);
    const __m512i b = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0x88);
    const __m512i c = _mm512_shuffle_i32x4(t[i], t[i + 4], 0xDD);
    const __m512i d = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0xDD);
    w[i] = _mm512_shuffle_i32x4(a, b, 0x88);
    w[i + 4] = _mm512_shuffle_i32x4(c, d, 0x88);
    w[i + 8] = _mm512_shuffle_i32x4(a, b, 0xDD);
    w[i + 12] = _mm512_shuffle_i32x4(c, d, 0xDD);
  }
}

// One block of each lane (FIPS 180-4 section 6.1.2); only lanes in `mask` go
// on. `w` is used up.
SALLYPORT_AVX512 inline void Compress(__m512i state[5], __m512i w[16],
                                      __mmask16 mask) {
  __m512i a = state[0];
  __m512i b = state[1];
  __m512i c = state[2];
  __m512i d = state[3];
  __m512i e = state[4];
#pragma GCC unroll 80
  for (int t = 0; t < 80; ++t) {
    __m512i& word = w[t & 15];
    if (t >= 16) {
      word = _mm512_rol_epi32(
          _mm512_xor_si512(
              _mm512_ternarylogic_epi32(w[(t + 13) & 15], w[(t + 8) & 15],
                                        w[(t + 2) & 15], 0x96),
              word),
          1);
    }
    __m512i f;
    uint32_t k;
    if (t < 20) {
      f = _mm512_ternarylogic_epi32(b, c, d, 0xCA);  // b ? c : d
      k = 0x5A827999;
    } else if (t < 40 || t >= 60) {
      f = _mm512_ternarylogic_epi32(b, c, d, 0x96);  // parity
      k = t < 40 ? 0x6ED9EBA1 : 0xCA62C1D6;
    } else {
      f = _mm512_ternarylogic_epi32(b, c, d, 0xE8);  // majority
      k = 0x8F1BBCDC;
    }
    const __m512i sum = _mm512_add_epi32(
        _mm512_add_epi32(_mm512_rol_epi32(a, 5), f),
        _mm512_add_epi32(_mm512_add_epi32(e, word),
                         _mm512_set1_epi32(static_cast<int>(k))));
    e = d;
    d = c;
    c = _mm512_rol_epi32(b, 30);
    b = a;
    a = sum;
  }
  state[0] = _mm512_mask_add_epi32(state[0], mask, state[0], a);
  state[1] = _mm512_mask_add_epi32(state[1], mask, state[1], b);
  state[2] = _mm512_mask_add_epi32(state[2], mask, state[2], c);
  state[3] = _mm512_mask_add_epi32(state[3], mask, state[3], d);
  state[4] = _mm512_mask_add_epi32(state[4], mask, state[4], e);
}

SALLYPORT_AVX512 void ComputeLanes(absl::Span<HmacSha1Job> jobs) {
  const size_t count = jobs.size();  // at most kLanes
  std::array<Tail, kLanes> tails;
  alignas(64) uint32_t words[5][kLanes] = {};
  size_t most = 0;
  for (size_t lane = 0; lane < count; ++lane) {
    tails[lane].Fill(jobs[lane]);
    most = std::max(most, tails[lane].blocks);
    for (size_t i = 0; i < 5; ++i) words[i][lane] = jobs[lane].key.inner[i];
  }
  __m512i state[5];
  for (size_t i = 0; i < 5; ++i) state[i] = _mm512_load_si512(words[i]);
  const __m512i swap =
      _mm512_set4_epi32(0x0C0D0E0F, 0x08090A0B, 0x04050607, 0x00010203);
  __m512i w[16];
  for (size_t block = 0; block < most; ++block) {
    __mmask16 mask = 0;
    for (size_t lane = 0; lane < kLanes; ++lane) {
      w[lane] = _mm512_setzero_si512();
      if (lane >= count || block >= tails[lane].blocks) continue;
      mask = static_cast<__mmask16>(mask | (1u << lane));
      const size_t whole = jobs[lane].size / kBlock;
      const uint8_t* const from =
          block < whole ? jobs[lane].data + block * kBlock
                        : tails[lane].bytes.data() + (block - whole) * kBlock;
      w[lane] = _mm512_shuffle_epi8(_mm512_loadu_si512(from), swap);
    }
    Transpose(w);
    Compress(state, w, mask);
  }
  // The outer hash is over the inner digest: one block.
  for (size_t i = 0; i < 5; ++i) w[i] = state[i];
  w[5] = _mm512_set1_epi32(static_cast<int>(0x80000000));
  for (size_t i = 6; i < 15; ++i) w[i] = _mm512_setzero_si512();
  w[15] = _mm512_set1_epi32((kBlock + kHmacSha1Size) * 8);
  for (size_t lane = 0; lane < count; ++lane) {
    for (size_t i = 0; i < 5; ++i) words[i][lane] = jobs[lane].key.outer[i];
  }
  for (size_t i = 0; i < 5; ++i) state[i] = _mm512_load_si512(words[i]);
  Compress(state, w, 0xFFFF);
  for (size_t i = 0; i < 5; ++i) _mm512_store_si512(words[i], state[i]);
  for (size_t lane = 0; lane < count; ++lane) {
    for (size_t i = 0; i < 5; ++i) {
      Store32(jobs[lane].digest.data() + 4 * i, words[i][lane]);
    }
  }
}

bool HasLanes() {
  static const bool has = __builtin_cpu_supports("avx512f") != 0 &&
                          __builtin_cpu_supports("avx512bw") != 0;
  return has;
}

#endif  // __x86_64__

}  // namespace

HmacSha1Key HmacSha1Key::Of(ByteSpan key) {
  std::array<uint8_t, kBlock> pad = {};
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

void ComputeHmacSha1(absl::Span<HmacSha1Job> jobs) {
#if defined(__x86_64__)
  // A few lanes of sixteen are slower than SHA instructions one by one.
  constexpr size_t kWorthwhile = 4;
  while (jobs.size() >= kWorthwhile && HasLanes()) {
    const size_t count = std::min(jobs.size(), kLanes);
    ComputeLanes(jobs.first(count));
    jobs.remove_prefix(count);
  }
#endif
  for (HmacSha1Job& job : jobs) ComputeHmacSha1(job);
}

}  // namespace sallyport::media_relay
