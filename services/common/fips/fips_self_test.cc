#include "services/common/fips/fips_self_test.h"

#include <openssl/aead.h>
#include <openssl/bn.h>
#include <openssl/cipher.h>
#include <openssl/crypto.h>
#include <openssl/digest.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/ecdh.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/nid.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"

namespace sallyport {
namespace {

std::string Digest(const EVP_MD* digest, std::string_view text) {
  uint8_t out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (!EVP_Digest(text.data(), text.size(), out, &size, digest, nullptr)) {
    return {};
  }
  return HexEncode(ByteSpan(out, size));
}

// FIPS 180-4's examples of "abc".
std::string Sha1Answer() { return Digest(EVP_sha1(), "abc"); }
std::string Sha256Answer() { return Digest(EVP_sha256(), "abc"); }
std::string Sha384Answer() { return Digest(EVP_sha384(), "abc"); }
std::string Sha512Answer() { return Digest(EVP_sha512(), "abc"); }

// Case 2 of RFC 2202 section 3 and of RFC 4231 section 4.3.
std::string HmacOf(const EVP_MD* digest) {
  constexpr std::string_view kText = "what do ya want for nothing?";
  uint8_t out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (HMAC(digest, "Jefe", 4, AsBytes(kText).data(), kText.size(), out,
           &size) == nullptr) {
    return {};
  }
  return HexEncode(ByteSpan(out, size));
}

std::string HmacSha1Answer() { return HmacOf(EVP_sha1()); }
std::string HmacSha256Answer() { return HmacOf(EVP_sha256()); }

// The GCM specification's test cases 2 and 14: a zero key, nonce and block.
std::string AesGcmOf(const EVP_AEAD* cipher, size_t key_size) {
  const uint8_t zeros[32] = {};
  bssl::ScopedEVP_AEAD_CTX ctx;
  uint8_t out[32];
  size_t size = 0;
  if (!EVP_AEAD_CTX_init(ctx.get(), cipher, zeros, key_size, 16, nullptr) ||
      !EVP_AEAD_CTX_seal(ctx.get(), out, &size, sizeof out, zeros, 12, zeros,
                         16, nullptr, 0)) {
    return {};
  }
  return HexEncode(ByteSpan(out, size));
}

std::string Aes128GcmAnswer() { return AesGcmOf(EVP_aead_aes_128_gcm(), 16); }
std::string Aes256GcmAnswer() { return AesGcmOf(EVP_aead_aes_256_gcm(), 32); }

// SP 800-38A section F.5.1, the first block: what SRTP's AES-CM is made of.
std::string AesCtrAnswer() {
  constexpr std::string_view kKey = "2b7e151628aed2a6abf7158809cf4f3c";
  constexpr std::string_view kCounter = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
  constexpr std::string_view kText = "6bc1bee22e409f96e93d7e117393172a";
  const auto key = HexDecode(kKey), counter = HexDecode(kCounter),
             text = HexDecode(kText);
  bssl::ScopedEVP_CIPHER_CTX ctx;
  uint8_t out[16];
  int size = 0;
  if (!key.ok() || !counter.ok() || !text.ok() ||
      !EVP_EncryptInit_ex(ctx.get(), EVP_aes_128_ctr(), nullptr,
                          AsBytes(*key).data(), AsBytes(*counter).data()) ||
      !EVP_EncryptUpdate(ctx.get(), out, &size, AsBytes(*text).data(),
                         static_cast<int>(text->size()))) {
    return {};
  }
  return HexEncode(ByteSpan(out, static_cast<size_t>(size)));
}

// RFC 6979 appendix A.2.5: P-256, SHA-256, "sample".
bool EcdsaKnownSignature(std::string_view text) {
  constexpr char kX[] =
      "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6";
  constexpr char kY[] =
      "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299";
  constexpr char kR[] =
      "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716";
  constexpr char kS[] =
      "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8";
  const auto number = [](const char* hex) {
    BIGNUM* out = nullptr;
    BN_hex2bn(&out, hex);
    return bssl::UniquePtr<BIGNUM>(out);
  };
  const auto x = number(kX), y = number(kY);
  auto r = number(kR), s = number(kS);
  bssl::UniquePtr<EC_KEY> key(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<ECDSA_SIG> signature(ECDSA_SIG_new());
  if (!key || !signature || !x || !y || !r || !s ||
      !EC_KEY_set_public_key_affine_coordinates(key.get(), x.get(), y.get()) ||
      !ECDSA_SIG_set0(signature.get(), r.release(), s.release())) {
    return false;
  }
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(AsBytes(text).data(), text.size(), digest);
  return ECDSA_do_verify(digest, sizeof digest, signature.get(), key.get()) ==
         1;
}

std::string EcdsaAnswer() {
  return EcdsaKnownSignature("sample") && !EcdsaKnownSignature("Sample")
             ? "verified"
             : "not verified";
}

// The FIPS form of key generation signs and verifies with the new pair.
std::string EcdsaPairAnswer() {
  bssl::UniquePtr<EC_KEY> key(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  return key && EC_KEY_generate_key_fips(key.get()) ? "consistent" : "";
}

// A signature of a fresh key over one text does not verify over another.
std::string RsaPairAnswer() {
  bssl::UniquePtr<RSA> rsa(RSA_new());
  if (!rsa || !RSA_generate_key_fips(rsa.get(), 2048, nullptr)) return {};
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(AsBytes("sample").data(), 6, digest);
  uint8_t signature[256];
  unsigned size = 0;
  if (!RSA_sign(NID_sha256, digest, sizeof digest, signature, &size,
                rsa.get()) ||
      !RSA_verify(NID_sha256, digest, sizeof digest, signature, size,
                  rsa.get())) {
    return {};
  }
  digest[0] ^= 1;
  const bool other =
      RSA_verify(NID_sha256, digest, sizeof digest, signature, size, rsa.get());
  ERR_clear_error();
  return other ? "" : "consistent";
}

// Both sides of a key agreement come to the same secret, and another key to
// another one.
std::string EcdhPairAnswer() {
  bssl::UniquePtr<EC_KEY> keys[3];
  for (bssl::UniquePtr<EC_KEY>& key : keys) {
    key.reset(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
    if (!key || !EC_KEY_generate_key_fips(key.get())) return {};
  }
  const auto agree = [](const EC_KEY* own, const EC_KEY* peer) {
    uint8_t out[32];
    const int size = ECDH_compute_key(
        out, sizeof out, EC_KEY_get0_public_key(peer), own, nullptr);
    return size == sizeof out ? HexEncode(ByteSpan(out, sizeof out)) : "";
  };
  const std::string secret = agree(keys[0].get(), keys[1].get());
  return !secret.empty() && secret == agree(keys[1].get(), keys[0].get()) &&
                 secret != agree(keys[0].get(), keys[2].get())
             ? "consistent"
             : "";
}

// Two draws of the generator differ, and neither is all zeros.
std::string RandomAnswer() {
  uint8_t one[32] = {}, two[32] = {};
  RAND_bytes(one, sizeof one);
  RAND_bytes(two, sizeof two);
  const std::string first = HexEncode(ByteSpan(one, sizeof one));
  return first != HexEncode(ByteSpan(two, sizeof two)) &&
                 first != std::string(64, '0')
             ? "differs"
             : "";
}

std::string LibraryAnswer() {
  return BORINGSSL_self_test() == 1 ? "passed" : "";
}

struct KnownAnswer {
  std::string_view name;
  std::string (*run)();
  std::string_view answer;
};

constexpr KnownAnswer kTests[] = {
    {"SHA-1", Sha1Answer, "a9993e364706816aba3e25717850c26c9cd0d89d"},
    {"SHA-256", Sha256Answer,
     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"SHA-384", Sha384Answer,
     "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
     "8086072ba1e7cc2358baeca134c825a7"},
    {"SHA-512", Sha512Answer,
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
    {"HMAC-SHA-1", HmacSha1Answer, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
    {"HMAC-SHA-256", HmacSha256Answer,
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {"AES-128-GCM", Aes128GcmAnswer,
     "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"},
    {"AES-256-GCM", Aes256GcmAnswer,
     "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    {"AES-128-CTR", AesCtrAnswer, "874d6191b620e3261bef6864990db6ce"},
    {"ECDSA P-256", EcdsaAnswer, "verified"},
    {"ECDSA pair", EcdsaPairAnswer, "consistent"},
    {"ECDH pair", EcdhPairAnswer, "consistent"},
    {"RSA-2048 pair", RsaPairAnswer, "consistent"},
    {"random numbers", RandomAnswer, "differs"},
    {"library", LibraryAnswer, "passed"},
};

}  // namespace

std::vector<SelfTest> RunSelfTests(std::string_view broken) {
  std::vector<SelfTest> out;
  for (const KnownAnswer& test : kTests) {
    const std::string answer = test.run();
    out.push_back({test.name, answer == test.answer && test.name != broken});
  }
  return out;
}

std::string FailedTests(const std::vector<SelfTest>& tests) {
  std::string out;
  for (const SelfTest& test : tests) {
    if (test.passed) continue;
    absl::StrAppend(&out, out.empty() ? "" : ", ", std::string(test.name));
  }
  return out;
}

std::string ModuleName() {
  return absl::StrCat(
      FIPS_module_name(), " ", FIPS_version(),
      FIPS_mode() == 1 ? ", FIPS build" : ", no FIPS build, not validated");
}

}  // namespace sallyport
