#include "services/capf/io/pkcs11_signer.h"

#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>
#include <p11-kit/pkcs11.h>

#include <iterator>
#include <string_view>
#include <vector>

#include "services/capf/core/certificate_builder.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

using Functions = Pkcs11Token::Functions;
using Session = Pkcs11Token::Session;

// secp256r1, as a DER OBJECT IDENTIFIER (RFC 5480 section 2.1.1.1).
constexpr uint8_t kP256Oid[] = {0x06, 0x08, 0x2a, 0x86, 0x48,
                                0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr uint8_t kF4[] = {0x01, 0x00, 0x01};

absl::Status Unreadable(std::string_view message) {
  ERR_clear_error();
  return MakeError(absl::StatusCode::kFailedPrecondition, "KEY_UNREADABLE",
                   message);
}

template <typename T>
CK_ATTRIBUTE Attribute(CK_ATTRIBUTE_TYPE type, const T* data, size_t size) {
  return {type, const_cast<T*>(data), size};
}

// Handles of the objects of `type` with this label; two at most.
CK_RV Find(Functions& p11, Session session, CK_OBJECT_CLASS type,
           const std::string& label, std::vector<CK_OBJECT_HANDLE>* found) {
  CK_ATTRIBUTE wanted[] = {Attribute(CKA_CLASS, &type, sizeof(type)),
                           Attribute(CKA_LABEL, label.data(), label.size())};
  CK_RV rv = p11.C_FindObjectsInit(session, wanted, std::size(wanted));
  if (rv != CKR_OK) return rv;
  found->resize(2);
  CK_ULONG count = 0;
  rv = p11.C_FindObjects(session, found->data(), found->size(), &count);
  found->resize(rv == CKR_OK ? count : 0);
  const CK_RV end = p11.C_FindObjectsFinal(session);
  return rv == CKR_OK ? end : rv;
}

// An attribute of any length; empty if the object has none.
CK_RV Read(Functions& p11, Session session, CK_OBJECT_HANDLE object,
           CK_ATTRIBUTE_TYPE type, std::string* value) {
  CK_ATTRIBUTE attribute = {type, nullptr, 0};
  CK_RV rv = p11.C_GetAttributeValue(session, object, &attribute, 1);
  if (rv == CKR_ATTRIBUTE_TYPE_INVALID) {
    value->clear();
    return CKR_OK;
  }
  if (rv != CKR_OK) return rv;
  if (attribute.ulValueLen > 64 * 1024) return CKR_GENERAL_ERROR;
  value->resize(attribute.ulValueLen);
  attribute.pValue = value->data();
  return p11.C_GetAttributeValue(session, object, &attribute, 1);
}

// What a token tells of a public key.
struct PublicParts {
  std::string modulus, exponent;  // RSA
  std::string parameters, point;  // EC: the curve's OID, an OCTET STRING
};

bssl::UniquePtr<EVP_PKEY> RsaOf(const PublicParts& parts) {
  bssl::UniquePtr<BIGNUM> n(
      BN_bin2bn(AsBytes(parts.modulus).data(), parts.modulus.size(), nullptr));
  bssl::UniquePtr<BIGNUM> e(BN_bin2bn(AsBytes(parts.exponent).data(),
                                      parts.exponent.size(), nullptr));
  bssl::UniquePtr<RSA> rsa(RSA_new());
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (!n || !e || !rsa || !key ||
      !RSA_set0_key(rsa.get(), n.get(), e.get(), nullptr)) {
    return nullptr;
  }
  n.release();
  e.release();
  if (!EVP_PKEY_set1_RSA(key.get(), rsa.get())) return nullptr;
  return key;
}

bssl::UniquePtr<EVP_PKEY> EcOf(const PublicParts& parts) {
  CBS parameters, point, inner;
  CBS_init(&parameters, AsBytes(parts.parameters).data(),
           parts.parameters.size());
  bssl::UniquePtr<EC_GROUP> group(EC_KEY_parse_parameters(&parameters));
  if (!group) return nullptr;
  // CKA_EC_POINT is an OCTET STRING; old modules give the bare point.
  CBS_init(&point, AsBytes(parts.point).data(), parts.point.size());
  inner = point;
  CBS wrapped;
  if (CBS_get_asn1(&point, &wrapped, CBS_ASN1_OCTETSTRING) &&
      CBS_len(&point) == 0) {
    inner = wrapped;
  }
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new());
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  bssl::UniquePtr<EC_POINT> on_curve(EC_POINT_new(group.get()));
  if (!ec || !key || !on_curve || !EC_KEY_set_group(ec.get(), group.get()) ||
      !EC_POINT_oct2point(group.get(), on_curve.get(), CBS_data(&inner),
                          CBS_len(&inner), nullptr) ||
      !EC_KEY_set_public_key(ec.get(), on_curve.get()) ||
      !EVP_PKEY_set1_EC_KEY(key.get(), ec.get())) {
    return nullptr;
  }
  return key;
}

absl::StatusOr<PublicKey> ToPublicKey(const PublicParts& parts) {
  const bssl::UniquePtr<EVP_PKEY> key =
      parts.modulus.empty() ? EcOf(parts) : RsaOf(parts);
  bssl::ScopedCBB cbb;
  uint8_t* data = nullptr;
  size_t size = 0;
  if (!key || !CBB_init(cbb.get(), 128) ||
      !EVP_marshal_public_key(cbb.get(), key.get()) ||
      !CBB_finish(cbb.get(), &data, &size)) {
    return Unreadable("the token's public key is none of ours");
  }
  const bssl::UniquePtr<uint8_t> owner(data);
  return PublicKey::FromSpki(ByteSpan(data, size), KeyPolicy{});
}

CK_RV Generate(Functions& p11, Session session, const std::string& label,
               int rsa_bits) {
  const CK_BBOOL yes = CK_TRUE;
  const CK_BBOOL no = CK_FALSE;
  const CK_ULONG bits = static_cast<CK_ULONG>(rsa_bits);
  std::vector<CK_ATTRIBUTE> open = {
      Attribute(CKA_TOKEN, &yes, sizeof(yes)),
      Attribute(CKA_VERIFY, &yes, sizeof(yes)),
      Attribute(CKA_LABEL, label.data(), label.size()),
      Attribute(CKA_ID, label.data(), label.size())};
  if (rsa_bits == 0) {
    open.push_back(Attribute(CKA_EC_PARAMS, kP256Oid, sizeof(kP256Oid)));
  } else {
    open.push_back(Attribute(CKA_MODULUS_BITS, &bits, sizeof(bits)));
    open.push_back(Attribute(CKA_PUBLIC_EXPONENT, kF4, sizeof(kF4)));
  }
  std::vector<CK_ATTRIBUTE> kept = {
      Attribute(CKA_TOKEN, &yes, sizeof(yes)),
      Attribute(CKA_PRIVATE, &yes, sizeof(yes)),
      Attribute(CKA_SENSITIVE, &yes, sizeof(yes)),
      Attribute(CKA_EXTRACTABLE, &no, sizeof(no)),
      Attribute(CKA_SIGN, &yes, sizeof(yes)),
      Attribute(CKA_LABEL, label.data(), label.size()),
      Attribute(CKA_ID, label.data(), label.size())};
  CK_MECHANISM mechanism = {
      rsa_bits == 0 ? static_cast<CK_MECHANISM_TYPE>(CKM_EC_KEY_PAIR_GEN)
                    : static_cast<CK_MECHANISM_TYPE>(CKM_RSA_PKCS_KEY_PAIR_GEN),
      nullptr, 0};
  CK_OBJECT_HANDLE public_handle = 0;
  CK_OBJECT_HANDLE private_handle = 0;
  return p11.C_GenerateKeyPair(session, &mechanism, open.data(), open.size(),
                               kept.data(), kept.size(), &public_handle,
                               &private_handle);
}

// What the token signs: for EC the digest, for RSA the DigestInfo around it
// (RFC 8017 section 9.2).
std::string ToBeSigned(const PublicKey& key, ByteSpan data) {
  const EVP_MD* digest = EVP_sha256();
  int nid = NID_sha256;
  switch (SignatureAlgorithmFor(key.kind())) {
    case SignatureAlgorithm::kEcdsaSha384:
      digest = EVP_sha384();
      nid = NID_sha384;
      break;
    case SignatureAlgorithm::kEcdsaSha512:
      digest = EVP_sha512();
      nid = NID_sha512;
      break;
    default:
      break;
  }
  uint8_t hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (!EVP_Digest(data.data(), data.size(), hash, &size, digest, nullptr)) {
    return {};
  }
  if (!key.is_rsa()) return ToString(ByteSpan(hash, size));
  uint8_t* info = nullptr;
  size_t info_size = 0;
  int allocated = 0;
  if (!RSA_add_pkcs1_prefix(&info, &info_size, &allocated, nid, hash, size)) {
    return {};
  }
  std::string out = ToString(ByteSpan(info, info_size));
  if (allocated) OPENSSL_free(info);
  return out;
}

// r and s of equal length, as ECDSA-Sig-Value.
absl::StatusOr<std::string> EcdsaDer(const std::string& raw) {
  const size_t half = raw.size() / 2;
  bssl::UniquePtr<ECDSA_SIG> sig(ECDSA_SIG_new());
  bssl::UniquePtr<BIGNUM> r(BN_bin2bn(AsBytes(raw).data(), half, nullptr));
  bssl::UniquePtr<BIGNUM> s(
      BN_bin2bn(AsBytes(raw).data() + half, half, nullptr));
  uint8_t* der = nullptr;
  size_t size = 0;
  if (raw.size() % 2 != 0 || raw.empty() || !sig || !r || !s ||
      !ECDSA_SIG_set0(sig.get(), r.get(), s.get())) {
    return MakeError(absl::StatusCode::kUnavailable, "SIGNER_UNAVAILABLE",
                     "the token's signature is none");
  }
  r.release();
  s.release();
  if (!ECDSA_SIG_to_bytes(&der, &size, sig.get())) {
    return MakeError(absl::StatusCode::kUnavailable, "SIGNER_UNAVAILABLE",
                     "the token's signature is none");
  }
  const bssl::UniquePtr<uint8_t> owner(der);
  return ToString(ByteSpan(der, size));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Pkcs11Signer>> Pkcs11Signer::Open(
    const Pkcs11KeyOptions& options, Pkcs11Token& token) {
  PublicParts parts;
  size_t keys = 0;
  SP_RETURN_IF_ERROR(token.Run(
      "find its key", [&](Functions& p11, Session session, int64_t) -> CK_RV {
        std::vector<CK_OBJECT_HANDLE> found;
        CK_RV rv = Find(p11, session, CKO_PUBLIC_KEY, options.label, &found);
        if (rv == CKR_OK && found.empty() && options.create) {
          rv = Generate(p11, session, options.label, options.create_rsa_bits);
          if (rv == CKR_OK) {
            rv = Find(p11, session, CKO_PUBLIC_KEY, options.label, &found);
          }
        }
        keys = found.size();
        if (rv != CKR_OK || found.size() != 1) return rv;
        for (const auto& [type, value] :
             {std::pair(CKA_MODULUS, &parts.modulus),
              std::pair(CKA_PUBLIC_EXPONENT, &parts.exponent),
              std::pair(CKA_EC_PARAMS, &parts.parameters),
              std::pair(CKA_EC_POINT, &parts.point)}) {
          rv = Read(p11, session, found[0], type, value);
          if (rv != CKR_OK) return rv;
        }
        return CKR_OK;
      }));
  if (keys == 0) {
    return MakeError(absl::StatusCode::kNotFound, "KEY_NOT_FOUND",
                     "the token has no key of that label");
  }
  if (keys > 1) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "KEY_AMBIGUOUS",
                     "the token has several keys of that label");
  }
  SP_ASSIGN_OR_RETURN(PublicKey key, ToPublicKey(parts));
  return std::unique_ptr<Pkcs11Signer>(
      new Pkcs11Signer(options.label, std::move(key), token));
}

absl::StatusOr<std::string> Pkcs11Signer::Sign(ByteSpan data) {
  const std::string input = ToBeSigned(public_key_, data);
  std::string signature;
  const auto body = [&](Functions& p11, Session session,
                        int64_t generation) -> CK_RV {
    CK_OBJECT_HANDLE handle = 0;
    {
      absl::MutexLock lock(&mutex_);
      if (handle_generation_ == generation) handle = handle_;
    }
    if (handle == 0) {
      std::vector<CK_OBJECT_HANDLE> found;
      const CK_RV rv = Find(p11, session, CKO_PRIVATE_KEY, label_, &found);
      if (rv != CKR_OK) return rv;
      if (found.size() != 1) return CKR_KEY_HANDLE_INVALID;
      handle = found[0];
      absl::MutexLock lock(&mutex_);
      handle_ = handle;
      handle_generation_ = generation;
    }
    CK_MECHANISM mechanism = {public_key_.is_rsa()
                                  ? static_cast<CK_MECHANISM_TYPE>(CKM_RSA_PKCS)
                                  : static_cast<CK_MECHANISM_TYPE>(CKM_ECDSA),
                              nullptr, 0};
    CK_RV rv = p11.C_SignInit(session, &mechanism, handle);
    if (rv != CKR_OK) return rv;
    signature.resize(1024);
    CK_ULONG size = signature.size();
    rv = p11.C_Sign(session, const_cast<CK_BYTE*>(AsBytes(input).data()),
                    input.size(), reinterpret_cast<CK_BYTE*>(signature.data()),
                    &size);
    signature.resize(rv == CKR_OK ? size : 0);
    return rv;
  };
  SP_RETURN_IF_ERROR(token_.Run("sign", body));
  if (public_key_.is_rsa()) return signature;
  return EcdsaDer(signature);
}

}  // namespace sallyport::capf
