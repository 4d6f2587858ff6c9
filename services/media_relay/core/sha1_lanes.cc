#include "services/media_relay/core/sha1_lanes.h"

#include <array>
#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sallyport::media_relay {

#if defined(__x86_64__)

namespace {

#define SALLYPORT_AVX2 __attribute__((target("avx2")))
#define SALLYPORT_AVX512 __attribute__((target("avx512f,avx512bw")))

// 8 words of 8 lanes: rows become columns.
SALLYPORT_AVX2 inline void Transpose(__m256i w[8]) {
  __m256i t[8];
  for (int i = 0; i < 8; i += 4) {
    const __m256i a = _mm256_unpacklo_epi32(w[i], w[i + 1]);
    const __m256i b = _mm256_unpackhi_epi32(w[i], w[i + 1]);
    const __m256i c = _mm256_unpacklo_epi32(w[i + 2], w[i + 3]);
    const __m256i d = _mm256_unpackhi_epi32(w[i + 2], w[i + 3]);
    t[i] = _mm256_unpacklo_epi64(a, c);
    t[i + 1] = _mm256_unpackhi_epi64(a, c);
    t[i + 2] = _mm256_unpacklo_epi64(b, d);
    t[i + 3] = _mm256_unpackhi_epi64(b, d);
  }
  for (int i = 0; i < 4; ++i) {
    w[i] = _mm256_permute2x128_si256(t[i], t[i + 4], 0x20);
    w[i + 4] = _mm256_permute2x128_si256(t[i], t[i + 4], 0x31);
  }
}

template <int kBits>
SALLYPORT_AVX2 inline __m256i Rotate(__m256i word) {
  return _mm256_or_si256(_mm256_slli_epi32(word, kBits),
                         _mm256_srli_epi32(word, 32 - kBits));
}

// `w` is used up.
SALLYPORT_AVX2 inline void Compress(__m256i state[5], __m256i w[16],
                                    __m256i mask) {
  __m256i a = state[0];
  __m256i b = state[1];
  __m256i c = state[2];
  __m256i d = state[3];
  __m256i e = state[4];
#pragma GCC unroll 80
  for (int t = 0; t < 80; ++t) {
    __m256i& word = w[t & 15];
    if (t >= 16) {
      word = Rotate<1>(
          _mm256_xor_si256(_mm256_xor_si256(w[(t + 13) & 15], w[(t + 8) & 15]),
                           _mm256_xor_si256(w[(t + 2) & 15], word)));
    }
    __m256i f;
    uint32_t k;
    if (t < 20) {
      // b ? c : d
      f = _mm256_xor_si256(d, _mm256_and_si256(b, _mm256_xor_si256(c, d)));
      k = 0x5A827999;
    } else if (t < 40 || t >= 60) {
      f = _mm256_xor_si256(b, _mm256_xor_si256(c, d));  // parity
      k = t < 40 ? 0x6ED9EBA1 : 0xCA62C1D6;
    } else {
      // majority: the sum cannot carry
      f = _mm256_add_epi32(_mm256_and_si256(b, c),
                           _mm256_and_si256(d, _mm256_xor_si256(b, c)));
      k = 0x8F1BBCDC;
    }
    const __m256i sum = _mm256_add_epi32(
        _mm256_add_epi32(Rotate<5>(a), f),
        _mm256_add_epi32(_mm256_add_epi32(e, word),
                         _mm256_set1_epi32(static_cast<int>(k))));
    e = d;
    d = c;
    c = Rotate<30>(b);
    b = a;
    a = sum;
  }
  state[0] = _mm256_add_epi32(state[0], _mm256_and_si256(a, mask));
  state[1] = _mm256_add_epi32(state[1], _mm256_and_si256(b, mask));
  state[2] = _mm256_add_epi32(state[2], _mm256_and_si256(c, mask));
  state[3] = _mm256_add_epi32(state[3], _mm256_and_si256(d, mask));
  state[4] = _mm256_add_epi32(state[4], _mm256_and_si256(e, mask));
}

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

// `w` is used up.
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

}  // namespace

bool HasSha1Lanes8() { return __builtin_cpu_supports("avx2") != 0; }

bool HasSha1Lanes16() {
  return __builtin_cpu_supports("avx512f") != 0 &&
         __builtin_cpu_supports("avx512bw") != 0;
}

SALLYPORT_AVX2 void CompressSha1Lanes(
    Sha1State8& state, const std::array<const uint8_t*, 8>& blocks,
    uint32_t active) {
  const __m256i swap =
      _mm256_set_epi32(0x0C0D0E0F, 0x08090A0B, 0x04050607, 0x00010203,
                       0x0C0D0E0F, 0x08090A0B, 0x04050607, 0x00010203);
  __m256i w[16];
  for (int half = 0; half < 2; ++half) {
    for (size_t lane = 0; lane < 8; ++lane) {
      w[8 * half + lane] = _mm256_shuffle_epi8(
          _mm256_loadu_si256(
              reinterpret_cast<const __m256i*>(blocks[lane] + 32 * half)),
          swap);
    }
    Transpose(w + 8 * half);
  }
  const __m256i bits = _mm256_set_epi32(128, 64, 32, 16, 8, 4, 2, 1);
  const __m256i mask = _mm256_cmpeq_epi32(
      _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(active)), bits),
      bits);
  __m256i words[5];
  for (size_t i = 0; i < 5; ++i) {
    words[i] = _mm256_load_si256(
        reinterpret_cast<const __m256i*>(state.words[i].data()));
  }
  Compress(words, w, mask);
  for (size_t i = 0; i < 5; ++i) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(state.words[i].data()),
                       words[i]);
  }
}

SALLYPORT_AVX512 void CompressSha1Lanes(
    Sha1State16& state, const std::array<const uint8_t*, 16>& blocks,
    uint32_t active) {
  const __m512i swap =
      _mm512_set4_epi32(0x0C0D0E0F, 0x08090A0B, 0x04050607, 0x00010203);
  __m512i w[16];
  for (size_t lane = 0; lane < 16; ++lane) {
    w[lane] = _mm512_shuffle_epi8(_mm512_loadu_si512(blocks[lane]), swap);
  }
  Transpose(w);
  __m512i words[5];
  for (size_t i = 0; i < 5; ++i) {
    words[i] = _mm512_load_si512(state.words[i].data());
  }
  Compress(words, w, static_cast<__mmask16>(active));
  for (size_t i = 0; i < 5; ++i) {
    _mm512_store_si512(state.words[i].data(), words[i]);
  }
}

#else

bool HasSha1Lanes8() { return false; }
bool HasSha1Lanes16() { return false; }
void CompressSha1Lanes(Sha1State8&, const std::array<const uint8_t*, 8>&,
                       uint32_t) {}
void CompressSha1Lanes(Sha1State16&, const std::array<const uint8_t*, 16>&,
                       uint32_t) {}

#endif  // __x86_64__

}  // namespace sallyport::media_relay
