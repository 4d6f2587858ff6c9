#include "services/capf/core/public_key.h"

#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/rsa.h>

#include "gtest/gtest.h"
#include "services/capf/core/test_keys.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
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

// Keys that openssl has made (ecparam, genpkey), of kinds that nobody of ours
// verifies.
TEST(PublicKeyTest, RefusesOtherCurvesAndKinds) {
  const std::pair<const char*, const char*> rows[] = {
      {"secp224r1",
       "304e301006072a8648ce3d020106052b81040021033a000499956baa2928"
       "99e595f88997cc748d29ccba4d1759cd2e1a4906317a862b6093d7575063"
       "66af687d0e48c70399fb56fd1f4c1e694b077017"},
      {"secp256k1",
       "3056301006072a8648ce3d020106052b8104000a03420004fc9b30d215ee"
       "3531ff732fa23e57fc0ea4ffbf162297b58e00e9ccaf4e7e2ea9dcf67f90"
       "33a1a0e395f06dc5dd32133135765d6d09395eb058b552562cd2e9dc"},
      {"brainpoolP256r1",
       "305a301406072a8648ce3d020106092b24030302080101070342000426fe"
       "1bf3ac52f5b967971f9c55af85c2b50239572f02656f0bc3d6d2ae01298f"
       "03feffb0ea37e142405468d84b4d48f8b87397e8ea1b808bf3939dce67a3"
       "08d7"},
      {"P-256 with its parameters written out",
       "3082014b3082010306072a8648ce3d02013081f7020101302c06072a8648"
       "ce3d0101022100ffffffff00000001000000000000000000000000ffffff"
       "ffffffffffffffffff305b0420ffffffff00000001000000000000000000"
       "000000fffffffffffffffffffffffc04205ac635d8aa3a93e7b3ebbd5576"
       "9886bc651d06b0cc53b0f63bce3c3e27d2604b031500c49d360886e70493"
       "6a6678e1139d26b7819f7e900441046b17d1f2e12c4247f8bce6e563a440"
       "f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c"
       "0f9e162bce33576b315ececbb6406837bf51f5022100ffffffff00000000"
       "ffffffffffffffffbce6faada7179e84f3b9cac2fc632551020101034200"
       "0416db55f90dd4304e924c6a15780a4113060d63ac16b588c52c4f6c7cc7"
       "d4d3fc83cf242ae6138e070e89dabaf226c738956b80697518769cbbf08f"
       "0556255c57"},
      {"X448",
       "3042300506032b656f03390068d9fbeb15187d6a211647763dcfb65de1c6"
       "e8f56a70bd18bdfbf084e339c6a1f2e140b3170b5bb31d9fa5bab0b853d8"
       "63788d8eb82f99fd"},
  };
  for (const auto& [name, hex] : rows) {
    const std::string spki = *HexDecode(hex);
    const std::string reason = ReasonFor(spki);
    EXPECT_TRUE(reason == "KEY_TYPE" || reason == "KEY_MALFORMED")
        << name << ": " << reason;
  }
}

// A verifier of such a key would be busy for seconds.
TEST(PublicKeyTest, RefusesOversizedKeys) {
  for (const int bits : {8192, 16384}) {
    bssl::UniquePtr<BIGNUM> n(BN_new());
    ASSERT_TRUE(BN_rand(n.get(), bits, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD));
    EXPECT_EQ(ReasonFor(RsaSpki(n.get(), Number(65537).get())), "KEY_SIZE")
        << bits;
  }
  // An exponent as large as the modulus is as slow.
  const bssl::UniquePtr<EVP_PKEY> key = NewTestKey(KeyKind::kRsa, 2048);
  const BIGNUM* const n = RSA_get0_n(EVP_PKEY_get0_RSA(key.get()));
  bssl::UniquePtr<BIGNUM> e(BN_dup(n));
  ASSERT_TRUE(BN_sub_word(e.get(), 2));
  EXPECT_NE(ReasonFor(RsaSpki(n, e.get())), "OK");
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
