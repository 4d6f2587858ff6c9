#include "services/common/pki/signed_data.h"

#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include <string>
#include <string_view>

#include "services/common/pki/der_reader.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

enum class Scheme { kRsaPkcs1, kRsaPss, kEcdsa, kEd25519 };

constexpr std::string_view kRsaPrefix{"\x2a\x86\x48\x86\xf7\x0d\x01\x01", 8};
constexpr std::string_view kEcdsaPrefix{"\x2a\x86\x48\xce\x3d\x04\x03", 7};
constexpr std::string_view kEcdsaSha1{"\x2a\x86\x48\xce\x3d\x04\x01", 7};
constexpr std::string_view kEd25519Oid{"\x2b\x65\x70", 3};

absl::Status Refuse(std::string_view reason, std::string_view message) {
  ERR_clear_error();
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

struct Choice {
  Scheme scheme = Scheme::kRsaPkcs1;
  const EVP_MD* digest = nullptr;  // null for Ed25519
};

// The digest of one hash AlgorithmIdentifier; parameters NULL or absent.
const EVP_MD* DigestOf(CBS* in) {
  CBS identifier, oid;
  if (!CBS_get_asn1(in, &identifier, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&identifier, &oid, CBS_ASN1_OBJECT)) {
    return nullptr;
  }
  if (CBS_len(&identifier) != 0) {
    CBS null;
    if (!CBS_get_asn1(&identifier, &null, CBS_ASN1_NULL) ||
        CBS_len(&null) != 0 || CBS_len(&identifier) != 0) {
      return nullptr;
    }
  }
  const std::string id = OctetsOf(oid);
  constexpr std::string_view kSha2{"\x60\x86\x48\x01\x65\x03\x04\x02", 8};
  if (id.size() != 9 || id.substr(0, 8) != kSha2) return nullptr;
  switch (id[8]) {
    case 1:
      return EVP_sha256();
    case 2:
      return EVP_sha384();
    case 3:
      return EVP_sha512();
    default:
      return nullptr;
  }
}

// RFC 4055 section 3.1 in the forms of RFC 8017 that are in use.
const EVP_MD* ReadPss(CBS parameters) {
  constexpr unsigned kExplicit =
      CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED;
  CBS sequence, hash, mask, mask_sequence, mask_oid, salt;
  if (!CBS_get_asn1(&parameters, &sequence, CBS_ASN1_SEQUENCE) ||
      CBS_len(&parameters) != 0 ||
      !CBS_get_asn1(&sequence, &hash, kExplicit | 0) ||
      !CBS_get_asn1(&sequence, &mask, kExplicit | 1) ||
      !CBS_get_asn1(&sequence, &salt, kExplicit | 2) ||
      CBS_len(&sequence) != 0) {
    return nullptr;
  }
  const EVP_MD* const digest = DigestOf(&hash);
  uint64_t salt_length = 0;
  if (digest == nullptr || CBS_len(&hash) != 0 ||
      !CBS_get_asn1(&mask, &mask_sequence, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&mask_sequence, &mask_oid, CBS_ASN1_OBJECT) ||
      OctetsOf(mask_oid) != std::string(kRsaPrefix) + "\x08" ||
      DigestOf(&mask_sequence) != digest ||
      !CBS_get_asn1_uint64(&salt, &salt_length) ||
      salt_length != EVP_MD_size(digest)) {
    return nullptr;
  }
  return digest;
}

absl::StatusOr<Choice> ReadAlgorithm(ByteSpan algorithm,
                                     const SignatureRules& rules) {
  CBS in, sequence, oid;
  CBS_init(&in, algorithm.data(), algorithm.size());
  if (!CBS_get_asn1(&in, &sequence, CBS_ASN1_SEQUENCE) || CBS_len(&in) != 0 ||
      !CBS_get_asn1(&sequence, &oid, CBS_ASN1_OBJECT)) {
    return Refuse("SIGNATURE_ALGORITHM_UNSUPPORTED",
                  "the signature algorithm is malformed");
  }
  const std::string id = OctetsOf(oid);
  const auto digest_by = [](char number, char first) -> const EVP_MD* {
    switch (number - first) {
      case 0:
        return EVP_sha256();
      case 1:
        return EVP_sha384();
      case 2:
        return EVP_sha512();
      default:
        return nullptr;
    }
  };
  const auto weak = [] {
    return Refuse("SIGNATURE_ALGORITHM_WEAK",
                  "signed with a digest that can be forged");
  };
  if (id.size() == 9 && id.substr(0, 8) == kRsaPrefix) {
    if (id[8] == 10) {
      const EVP_MD* const digest = ReadPss(sequence);
      if (digest != nullptr) return Choice{Scheme::kRsaPss, digest};
    } else {
      CBS null;
      // NULL must be there (RFC 4055 section 5); absent is met in the field.
      const bool plain = CBS_len(&sequence) == 0 ||
                         (CBS_get_asn1(&sequence, &null, CBS_ASN1_NULL) &&
                          CBS_len(&null) == 0 && CBS_len(&sequence) == 0);
      if (plain && id[8] == 5) {
        if (!rules.allow_sha1) return weak();
        return Choice{Scheme::kRsaPkcs1, EVP_sha1()};
      }
      if (id[8] >= 2 && id[8] <= 4) return weak();
      const EVP_MD* const digest = digest_by(id[8], 11);
      if (plain && digest != nullptr) {
        return Choice{Scheme::kRsaPkcs1, digest};
      }
    }
  } else if (id == kEcdsaSha1) {
    if (!rules.allow_sha1) return weak();
    return Choice{Scheme::kEcdsa, EVP_sha1()};
  } else if (id.size() == 8 && id.substr(0, 7) == kEcdsaPrefix) {
    const EVP_MD* const digest = digest_by(id[7], 2);
    if (digest != nullptr && CBS_len(&sequence) == 0) {
      return Choice{Scheme::kEcdsa, digest};
    }
  } else if (id == kEd25519Oid && CBS_len(&sequence) == 0) {
    return Choice{Scheme::kEd25519, nullptr};
  }
  return Refuse("SIGNATURE_ALGORITHM_UNSUPPORTED",
                "signed with an algorithm that is not known here");
}

int KeyTypeOf(Scheme scheme) {
  switch (scheme) {
    case Scheme::kEcdsa:
      return EVP_PKEY_EC;
    case Scheme::kEd25519:
      return EVP_PKEY_ED25519;
    case Scheme::kRsaPkcs1:
    case Scheme::kRsaPss:
      break;
  }
  return EVP_PKEY_RSA;
}

}  // namespace

absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> ReadVerifyKey(
    ByteSpan spki, const SignatureRules& rules) {
  CBS in;
  CBS_init(&in, spki.data(), spki.size());
  bssl::UniquePtr<EVP_PKEY> key(EVP_parse_public_key(&in));
  if (key == nullptr || CBS_len(&in) != 0) {
    return Refuse("KEY_UNSUPPORTED", "the public key cannot be used");
  }
  switch (EVP_PKEY_id(key.get())) {
    case EVP_PKEY_RSA:
      if (static_cast<int>(EVP_PKEY_bits(key.get())) < rules.min_rsa_bits) {
        return Refuse("KEY_WEAK", "the RSA key is too short");
      }
      return key;
    case EVP_PKEY_EC: {
      const int curve = EC_GROUP_get_curve_name(
          EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key.get())));
      if (curve != NID_X9_62_prime256v1 && curve != NID_secp384r1 &&
          curve != NID_secp521r1) {
        return Refuse("KEY_WEAK", "the curve is not P-256, P-384 or P-521");
      }
      return key;
    }
    case EVP_PKEY_ED25519:
      return key;
    default:
      return Refuse("KEY_UNSUPPORTED", "the public key cannot be used");
  }
}

absl::Status VerifySignedData(ByteSpan algorithm, ByteSpan data,
                              ByteSpan signature, EVP_PKEY* key,
                              const SignatureRules& rules) {
  const absl::StatusOr<Choice> choice = ReadAlgorithm(algorithm, rules);
  if (!choice.ok()) return choice.status();
  bssl::ScopedEVP_MD_CTX context;
  EVP_PKEY_CTX* parameters = nullptr;
  bool good = EVP_PKEY_id(key) == KeyTypeOf(choice->scheme) &&
              EVP_DigestVerifyInit(context.get(), &parameters, choice->digest,
                                   nullptr, key) == 1;
  if (good && choice->scheme == Scheme::kRsaPss) {
    good =
        EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
        EVP_PKEY_CTX_set_rsa_mgf1_md(parameters, choice->digest) == 1 &&
        EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, -1) == 1;
  }
  good =
      good && EVP_DigestVerify(context.get(), signature.data(),
                               signature.size(), data.data(), data.size()) == 1;
  ERR_clear_error();
  if (good) return absl::OkStatus();
  return Refuse("SIGNATURE_INVALID", "the signature is wrong");
}

}  // namespace sallyport
