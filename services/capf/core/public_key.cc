#include "services/capf/core/public_key.h"

#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "services/common/crypto/digest.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMaxSpkiBytes = 4096;
constexpr int kFermatRounds = 100;
constexpr BN_ULONG kSmallestExponent = 65537;

absl::Status Refuse(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

std::string DigestOf(ByteSpan bytes) {
  const Sha256Digest digest = Sha256(bytes);
  return ToString(digest);
}

// True if some prime up to 751 divides `n`.
bool HasSmallFactor(const BIGNUM* n) {
  for (BN_ULONG candidate = 2; candidate <= 751; ++candidate) {
    bool prime = true;
    for (BN_ULONG d = 2; d * d <= candidate && prime; ++d) {
      prime = candidate % d != 0;
    }
    if (prime && BN_mod_word(n, candidate) == 0) return true;
  }
  return false;
}

// The published fingerprint: modulo each of these primes, such a modulus is a
// power of 65537. A good key passes as one of them with chance 2^-27.
bool HasInfineonFingerprint(const BIGNUM* n) {
  constexpr BN_ULONG kPrimes[] = {11, 13, 17,  19,  37,  53,  61,  71, 73,
                                  79, 97, 103, 107, 109, 127, 151, 157};
  for (const BN_ULONG prime : kPrimes) {
    const BN_ULONG residue = BN_mod_word(n, prime);
    const BN_ULONG generator = 65537 % prime;
    BN_ULONG power = 1;
    bool is_power = residue == 1;
    for (BN_ULONG i = 0; i < prime && !is_power; ++i) {
      power = power * generator % prime;
      is_power = power == residue;
    }
    if (!is_power) return false;
  }
  return true;
}

// The largest integer whose square is not above `n`; Newton's method.
bssl::UniquePtr<BIGNUM> SquareRoot(const BIGNUM* n, BN_CTX* ctx) {
  bssl::UniquePtr<BIGNUM> x(BN_new());
  bssl::UniquePtr<BIGNUM> y(BN_new());
  if (!x || !y || !BN_set_bit(x.get(), (BN_num_bits(n) + 2) / 2)) {
    return nullptr;
  }
  while (true) {
    if (!BN_div(y.get(), nullptr, n, x.get(), ctx) ||
        !BN_add(y.get(), y.get(), x.get()) || !BN_rshift1(y.get(), y.get())) {
      return nullptr;
    }
    if (BN_cmp(y.get(), x.get()) >= 0) return x;
    std::swap(x, y);
  }
}

// Squares leave one of few residues; most others are told apart by two words.
bool MayBeSquare(const BIGNUM* n) {
  const BN_ULONG residue = BN_mod_word(n, 64 * 63 * 65 * 11);
  for (const BN_ULONG modulus : {64, 63, 65, 11}) {
    bool square = false;
    for (BN_ULONG i = 0; i < modulus && !square; ++i) {
      square = i * i % modulus == residue % modulus;
    }
    if (!square) return false;
  }
  return true;
}

// Fermat's method finds p and q when they lie close together. nullopt if
// memory ran out.
std::optional<bool> HasClosePrimes(const BIGNUM* n) {
  bssl::UniquePtr<BN_CTX> ctx(BN_CTX_new());
  bssl::UniquePtr<BIGNUM> b2(BN_new());
  bssl::UniquePtr<BIGNUM> root(BN_new());
  if (!ctx || !b2 || !root) return std::nullopt;
  bssl::UniquePtr<BIGNUM> a = SquareRoot(n, ctx.get());
  if (!a) return std::nullopt;
  for (int round = 0; round < kFermatRounds; ++round) {
    if (!BN_add_word(a.get(), 1) || !BN_sqr(b2.get(), a.get(), ctx.get()) ||
        !BN_sub(b2.get(), b2.get(), n)) {
      return std::nullopt;
    }
    if (!MayBeSquare(b2.get())) continue;
    if (BN_sqrt(root.get(), b2.get(), ctx.get())) return true;
    ERR_clear_error();
  }
  return false;
}

absl::Status CheckRsa(const EVP_PKEY* key, const KeyPolicy& policy) {
  const RSA* rsa = EVP_PKEY_get0_RSA(key);
  const BIGNUM* n = RSA_get0_n(rsa);
  const BIGNUM* e = RSA_get0_e(rsa);
  const int bits = static_cast<int>(BN_num_bits(n));
  if (bits < policy.min_rsa_bits || bits > policy.max_rsa_bits) {
    return Refuse("KEY_SIZE", "RSA key size is outside what may be certified");
  }
  bssl::UniquePtr<BIGNUM> smallest(BN_new());
  if (!smallest || !BN_set_word(smallest.get(), kSmallestExponent)) {
    return MakeError(absl::StatusCode::kResourceExhausted, "OUT_OF_MEMORY",
                     "no memory for a number");
  }
  if (BN_cmp(e, smallest.get()) < 0 || !BN_is_odd(e)) {
    return Refuse("KEY_WEAK", "RSA exponent is even or below 65537");
  }
  if (HasSmallFactor(n)) return Refuse("KEY_WEAK", "RSA modulus is no product");
  if (HasInfineonFingerprint(n)) {
    return Refuse("KEY_WEAK", "RSA key is of a broken generator");
  }
  const std::optional<bool> close = HasClosePrimes(n);
  if (!close.has_value()) {
    return MakeError(absl::StatusCode::kResourceExhausted, "OUT_OF_MEMORY",
                     "no memory for a number");
  }
  if (*close) return Refuse("KEY_WEAK", "RSA primes are too close");
  return absl::OkStatus();
}

// The subjectPublicKey bits within a SubjectPublicKeyInfo that has parsed.
ByteSpan KeyBits(ByteSpan spki) {
  CBS input, sequence, bits;
  CBS_init(&input, spki.data(), spki.size());
  uint8_t unused = 0;
  if (!CBS_get_asn1(&input, &sequence, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&sequence, nullptr, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&sequence, &bits, CBS_ASN1_BITSTRING) ||
      !CBS_get_u8(&bits, &unused)) {
    return {};
  }
  return {CBS_data(&bits), CBS_len(&bits)};
}

}  // namespace

std::string_view KeyKindName(KeyKind kind) {
  switch (kind) {
    case KeyKind::kRsa:
      return "RSA";
    case KeyKind::kEcP256:
      return "EC P-256";
    case KeyKind::kEcP384:
      return "EC P-384";
    case KeyKind::kEcP521:
      return "EC P-521";
  }
  return "";
}

absl::StatusOr<PublicKey> PublicKey::FromSpki(ByteSpan der,
                                              const KeyPolicy& policy) {
  if (der.size() > kMaxSpkiBytes) {
    return Refuse("KEY_MALFORMED", "public key is too long");
  }
  CBS input;
  CBS_init(&input, der.data(), der.size());
  bssl::UniquePtr<EVP_PKEY> key(EVP_parse_public_key(&input));
  ERR_clear_error();
  if (!key || CBS_len(&input) != 0) {
    return Refuse("KEY_MALFORMED", "not a public key");
  }

  // Only one encoding of a key is taken, so that its digest names it.
  bssl::ScopedCBB cbb;
  uint8_t* again = nullptr;
  size_t again_size = 0;
  if (!CBB_init(cbb.get(), der.size()) ||
      !EVP_marshal_public_key(cbb.get(), key.get()) ||
      !CBB_finish(cbb.get(), &again, &again_size)) {
    ERR_clear_error();
    return Refuse("KEY_MALFORMED", "public key cannot be written again");
  }
  bssl::UniquePtr<uint8_t> again_owner(again);
  if (ByteSpan(again, again_size) != der) {
    return Refuse("KEY_MALFORMED", "public key is not in its DER form");
  }

  PublicKey out;
  out.bits_ = EVP_PKEY_bits(key.get());
  switch (EVP_PKEY_id(key.get())) {
    case EVP_PKEY_RSA: {
      out.kind_ = KeyKind::kRsa;
      absl::Status status = CheckRsa(key.get(), policy);
      if (!status.ok()) return status;
      break;
    }
    case EVP_PKEY_EC: {
      // Parsing has checked that the point is on the curve and not infinity.
      const EC_KEY* ec = EVP_PKEY_get0_EC_KEY(key.get());
      switch (EC_GROUP_get_curve_name(EC_KEY_get0_group(ec))) {
        case NID_X9_62_prime256v1:
          out.kind_ = KeyKind::kEcP256;
          break;
        case NID_secp384r1:
          out.kind_ = KeyKind::kEcP384;
          break;
        case NID_secp521r1:
          out.kind_ = KeyKind::kEcP521;
          break;
        default:
          return Refuse("KEY_TYPE", "curve is not P-256, P-384 or P-521");
      }
      break;
    }
    default:
      return Refuse("KEY_TYPE", "key is neither RSA nor EC");
  }
  out.spki_ = ToString(der);
  out.sha256_ = DigestOf(der);
  out.key_id_ = DigestOf(KeyBits(der)).substr(0, 20);
  return out;
}

absl::StatusOr<PublicKey> KeyOfCertificate(ByteSpan certificate_der,
                                           const KeyPolicy& policy) {
  CBS input, certificate, tbs, spki;
  CBS_init(&input, certificate_der.data(), certificate_der.size());
  // version, serial, algorithm, issuer, validity, subject, key
  if (!CBS_get_asn1(&input, &certificate, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&certificate, &tbs, CBS_ASN1_SEQUENCE) ||
      !CBS_get_optional_asn1(
          &tbs, nullptr, nullptr,
          CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0) ||
      !CBS_get_asn1(&tbs, nullptr, CBS_ASN1_INTEGER) ||
      !CBS_get_asn1(&tbs, nullptr, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&tbs, nullptr, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&tbs, nullptr, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&tbs, nullptr, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1_element(&tbs, &spki, CBS_ASN1_SEQUENCE)) {
    return Refuse("KEY_MALFORMED", "not a certificate");
  }
  return PublicKey::FromSpki({CBS_data(&spki), CBS_len(&spki)}, policy);
}

}  // namespace sallyport::capf
