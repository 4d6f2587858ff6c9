// Stands before BoringSSL's cryptographic module (bcm.c): which of two ways it
// takes.
//
// A private operation with an RSA key of 2048 bits is two exponentiations of
// 1024. BoringSSL has two ways for these, and takes the one with MULX and ADX
// wherever there are both. On AMD cores of the second Zen generation or later,
// whose vectors are 256 bits wide, the one with AVX2 takes 0.86 of the time
// (issue_benchmark, BM_BareSignature/2048). Both take time that does not depend
// on the key, and each signature is checked before it goes out.

#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE  // before the first of the system's headers, as bcm.c has it
#endif

#include "src/crypto/fipsmodule/bn/rsaz_exp.h"

#if defined(RSAZ_ENABLED)

// CLWB came with Zen 2: leaf 7, EBX.
#define SALLYPORT_CLWB (1u << 24)

static inline int sallyport_rsaz_avx2_preferred(void) {
  if (!CRYPTO_is_intel_cpu() && CRYPTO_is_AVX2_capable() &&
      (OPENSSL_ia32cap_get()[2] & SALLYPORT_CLWB) != 0) {
    return 1;
  }
  return rsaz_avx2_preferred();
}

#define rsaz_avx2_preferred sallyport_rsaz_avx2_preferred

#endif
