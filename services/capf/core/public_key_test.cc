#include "services/capf/core/public_key.h"

#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/mem.h>
#include <openssl/rsa.h>

#include "gtest/gtest.h"
#include "services/capf/core/test_keys.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

std::string ReasonFor(const std::string& spki, KeyPolicy policy = {}) {
  const auto key = PublicKey::FromSpki(AsBytes(spki), policy);
  return key.ok() ? "OK" : ReasonOf(key.status());
}

// An RSA SubjectPublicKeyInfo of any two numbers.
std::string RsaSpki(const BIGNUM* n, const BIGNUM* e) {
  bssl::ScopedCBB cbb;
  CBB spki, algorithm, oid, null, bits, key;
  static constexpr uint8_t kRsaOid[] = {0x2a, 0x86, 0x48, 0x86, 0xf7,
                                        0x0d, 0x01, 0x01, 0x01};
  uint8_t* data = nullptr;
  size_t size = 0;
  EXPECT_TRUE(CBB_init(cbb.get(), 512));
  EXPECT_TRUE(CBB_add_asn1(cbb.get(), &spki, CBS_ASN1_SEQUENCE));
  EXPECT_TRUE(CBB_add_asn1(&spki, &algorithm, CBS_ASN1_SEQUENCE));
  EXPECT_TRUE(CBB_add_asn1(&algorithm, &oid, CBS_ASN1_OBJECT));
  EXPECT_TRUE(CBB_add_bytes(&oid, kRsaOid, sizeof(kRsaOid)));
  EXPECT_TRUE(CBB_add_asn1(&algorithm, &null, CBS_ASN1_NULL));
  EXPECT_TRUE(CBB_add_asn1(&spki, &bits, CBS_ASN1_BITSTRING));
  EXPECT_TRUE(CBB_add_u8(&bits, 0));
  EXPECT_TRUE(CBB_add_asn1(&bits, &key, CBS_ASN1_SEQUENCE));
  EXPECT_TRUE(BN_marshal_asn1(&key, n));
  EXPECT_TRUE(BN_marshal_asn1(&key, e));
  EXPECT_TRUE(CBB_finish(cbb.get(), &data, &size));
  bssl::UniquePtr<uint8_t> owner(data);
  return ToString(ByteSpan(data, size));
}

bssl::UniquePtr<BIGNUM> Number(uint64_t value) {
  bssl::UniquePtr<BIGNUM> number(BN_new());
  EXPECT_TRUE(BN_set_u64(number.get(), value));
  return number;
}

TEST(PublicKeyTest, TakesTheKindsThatPhonesMake) {
  for (const KeyKind kind :
       {KeyKind::kRsa, KeyKind::kEcP256, KeyKind::kEcP384, KeyKind::kEcP521}) {
    SCOPED_TRACE(KeyKindName(kind));
    const std::string spki = TestSpki(NewTestKey(kind).get());
    const auto key = PublicKey::FromSpki(AsBytes(spki), KeyPolicy{});
    ASSERT_TRUE(key.ok()) << key.status();
    EXPECT_EQ(key->kind(), kind);
    EXPECT_EQ(key->spki(), spki);
    EXPECT_EQ(key->sha256().size(), 32u);
    EXPECT_EQ(key->key_id().size(), 20u);
  }
}

TEST(PublicKeyTest, OfACertificate) {
  const TestAuthority authority =
      NewTestAuthority(KeyKind::kEcP384, absl::FromUnixSeconds(1795255200));
  const auto key =
      KeyOfCertificate(AsBytes(authority.issuer.certificate_der), KeyPolicy{});
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->spki(), authority.issuer.key.spki());
  EXPECT_FALSE(KeyOfCertificate(AsBytes("x"), KeyPolicy{}).ok());
}

TEST(PublicKeyTest, RefusesSizesOutsideThePolicy) {
  const std::string small = TestSpki(NewTestKey(KeyKind::kRsa, 1024).get());
  EXPECT_EQ(ReasonFor(small), "KEY_SIZE");
  EXPECT_EQ(ReasonFor(small, {.min_rsa_bits = 1024}), "OK");
  const std::string medium = TestSpki(NewTestKey(KeyKind::kRsa, 2048).get());
  EXPECT_EQ(ReasonFor(medium, {.max_rsa_bits = 1024}), "KEY_SIZE");
}

TEST(PublicKeyTest, RefusesAnythingButOneDerKey) {
  const std::string good = TestSpki(NewTestKey(KeyKind::kEcP256).get());
  EXPECT_EQ(ReasonFor(""), "KEY_MALFORMED");
  EXPECT_EQ(ReasonFor(good + "x"), "KEY_MALFORMED");
  EXPECT_EQ(ReasonFor(good.substr(0, good.size() - 1)), "KEY_MALFORMED");
  EXPECT_EQ(ReasonFor(std::string(5000, 'x')), "KEY_MALFORMED");
  // Off the curve: the last octet of y is another.
  std::string off = good;
  off.back() = static_cast<char>(off.back() ^ 1);
  EXPECT_EQ(ReasonFor(off), "KEY_MALFORMED");
}

TEST(PublicKeyTest, RefusesAnEd25519Key) {
  std::string spki("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", 12);
  spki.append(32, '\x42');
  EXPECT_EQ(ReasonFor(spki), "KEY_TYPE");
}

// pki.md 2.9.2 and 9.2: e = 3 lets signatures be forged.
TEST(PublicKeyTest, RefusesASmallExponent) {
  const auto good = NewTestKey(KeyKind::kRsa);
  const BIGNUM* n = RSA_get0_n(EVP_PKEY_get0_RSA(good.get()));
  EXPECT_EQ(ReasonFor(RsaSpki(n, Number(3).get())), "KEY_WEAK");
  EXPECT_EQ(ReasonFor(RsaSpki(n, Number(65535).get())), "KEY_WEAK");
  EXPECT_EQ(ReasonFor(RsaSpki(n, Number(65537).get())), "OK");
}

TEST(PublicKeyTest, RefusesAModulusWithASmallFactor) {
  bssl::UniquePtr<BIGNUM> n(BN_new());
  bssl::UniquePtr<BIGNUM> p(BN_new());
  ASSERT_TRUE(BN_rand(p.get(), 2040, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD));
  ASSERT_TRUE(BN_copy(n.get(), p.get()) && BN_mul_word(n.get(), 251));
  EXPECT_EQ(ReasonFor(RsaSpki(n.get(), Number(65537).get())), "KEY_WEAK");
}

// BR 6.1.1.3 (c): Fermat's method within 100 rounds.
TEST(PublicKeyTest, RefusesClosePrimes) {
  bssl::UniquePtr<BN_CTX> ctx(BN_CTX_new());
  bssl::UniquePtr<BIGNUM> p(BN_new()), q(BN_new()), n(BN_new());
  ASSERT_TRUE(
      BN_generate_prime_ex(p.get(), 1024, 0, nullptr, nullptr, nullptr));
  // The next prime after p.
  ASSERT_TRUE(BN_copy(q.get(), p.get()) != nullptr);
  int is_prime = 0;
  while (is_prime == 0) {
    ASSERT_TRUE(BN_add_word(q.get(), 2));
    ASSERT_TRUE(BN_primality_test(&is_prime, q.get(), BN_prime_checks,
                                  ctx.get(), 1, nullptr));
  }
  ASSERT_TRUE(BN_mul(n.get(), p.get(), q.get(), ctx.get()));
  EXPECT_EQ(ReasonFor(RsaSpki(n.get(), Number(65537).get())), "KEY_WEAK");
}

// CVE-2017-15361: such a modulus is a power of 65537 modulo small primes.
TEST(PublicKeyTest, RefusesTheInfineonFingerprint) {
  // n = 65537^k modulo the product M of the tested primes, and otherwise
  // random: n = M * r + 65537 mod M.
  bssl::UniquePtr<BIGNUM> m = Number(1), n(BN_new()), r(BN_new());
  bssl::UniquePtr<BN_CTX> ctx(BN_CTX_new());
  for (const BN_ULONG prime : {11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103,
                               107, 109, 127, 151, 157}) {
    ASSERT_TRUE(BN_mul_word(m.get(), prime));
  }
  for (int tries = 0; tries < 2000; ++tries) {
    ASSERT_TRUE(BN_rand(r.get(), 2048 - BN_num_bits(m.get()), BN_RAND_TOP_TWO,
                        BN_RAND_BOTTOM_ANY));
    ASSERT_TRUE(BN_mul(n.get(), m.get(), r.get(), ctx.get()));
    ASSERT_TRUE(BN_add_word(n.get(), 65537));
    if (!BN_is_odd(n.get()) || BN_num_bits(n.get()) != 2048) continue;
    EXPECT_EQ(ReasonFor(RsaSpki(n.get(), Number(65537).get())), "KEY_WEAK");
    return;
  }
  FAIL() << "no odd candidate";
}

}  // namespace
}  // namespace sallyport::capf
