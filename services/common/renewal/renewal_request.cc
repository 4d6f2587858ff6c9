#include "services/common/renewal/renewal_request.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport {
namespace {

using Name = SubjectAltName;

absl::Status Unusable(std::string_view why) {
  ERR_clear_error();
  return MakeError(absl::StatusCode::kInvalidArgument, "CERTIFICATE_UNUSABLE",
                   why);
}

absl::Status Refused(std::string_view why) {
  ERR_clear_error();
  return MakeError(absl::StatusCode::kUnauthenticated, "RENEWED_UNUSABLE", why);
}

bssl::UniquePtr<EVP_PKEY> KeyOf(const Secret& pem) {
  const bssl::UniquePtr<BIO> in(BIO_new_mem_buf(pem.DangerousBytes().data(),
                                                static_cast<int>(pem.size())));
  return bssl::UniquePtr<EVP_PKEY>(
      in == nullptr
          ? nullptr
          : PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
}

bssl::UniquePtr<X509> Parse(ByteSpan der) {
  const uint8_t* at = der.data();
  return bssl::UniquePtr<X509>(
      d2i_X509(nullptr, &at, static_cast<long>(der.size())));
}

bool Belongs(ByteSpan der, EVP_PKEY* key) {
  const bssl::UniquePtr<X509> certificate = Parse(der);
  return certificate != nullptr && key != nullptr &&
         X509_check_private_key(certificate.get(), key) == 1;
}

bssl::UniquePtr<EVP_PKEY> NewKey() {
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  const bssl::UniquePtr<EC_KEY> ec(
      EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  if (key == nullptr || ec == nullptr || !EC_KEY_generate_key_fips(ec.get()) ||
      !EVP_PKEY_set1_EC_KEY(key.get(), ec.get())) {
    return nullptr;
  }
  return key;
}

absl::StatusOr<Secret> PemOf(EVP_PKEY* key) {
  const bssl::UniquePtr<BIO> out(BIO_new(BIO_s_mem()));
  const uint8_t* data = nullptr;
  size_t size = 0;
  if (out == nullptr ||
      !PEM_write_bio_PKCS8PrivateKey(out.get(), key, nullptr, nullptr, 0,
                                     nullptr, nullptr) ||
      !BIO_mem_contents(out.get(), &data, &size)) {
    return Unusable("the new key cannot be written");
  }
  return Secret::CopyOf(ByteSpan(data, size));
}

// Nullptr for a name that is none of a service's.
bssl::UniquePtr<GENERAL_NAME> NewName(const Name& from) {
  bssl::UniquePtr<GENERAL_NAME> name(GENERAL_NAME_new());
  if (name == nullptr) return nullptr;
  const auto size = static_cast<int>(from.value.size());
  if (from.type == Name::Type::kIp) {
    ASN1_OCTET_STRING* const octets = ASN1_OCTET_STRING_new();
    if (octets == nullptr) return nullptr;
    GENERAL_NAME_set0_value(name.get(), GEN_IPADD, octets);
    const bool set =
        ASN1_OCTET_STRING_set(octets, AsBytes(from.value).data(), size);
    return set ? std::move(name) : nullptr;
  }
  if (from.type != Name::Type::kDns && from.type != Name::Type::kUri) {
    return nullptr;
  }
  ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
  if (text == nullptr) return nullptr;
  GENERAL_NAME_set0_value(
      name.get(), from.type == Name::Type::kDns ? GEN_DNS : GEN_URI, text);
  const bool set = ASN1_STRING_set(text, from.value.data(), size);
  return set ? std::move(name) : nullptr;
}

bool AddNames(const std::vector<Name>& from, X509_REQ* request) {
  const bssl::UniquePtr<GENERAL_NAMES> names(GENERAL_NAMES_new());
  if (names == nullptr) return false;
  for (const Name& each : from) {
    bssl::UniquePtr<GENERAL_NAME> name = NewName(each);
    if (name == nullptr || !bssl::PushToStack(names.get(), std::move(name))) {
      return false;
    }
  }
  STACK_OF(X509_EXTENSION)* extensions = sk_X509_EXTENSION_new_null();
  const bool added = X509V3_add1_i2d(&extensions, NID_subject_alt_name,
                                     names.get(), 0, X509V3_ADD_DEFAULT) == 1 &&
                     X509_REQ_add_extensions(request, extensions) == 1;
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  return added;
}

absl::StatusOr<std::string> MakeCsr(const CertificateInfo& old, EVP_PKEY* key) {
  const bssl::UniquePtr<X509_REQ> request(X509_REQ_new());
  if (request == nullptr || !X509_REQ_set_version(request.get(), 0) ||
      !X509_REQ_set_pubkey(request.get(), key)) {
    return Unusable("the request cannot be made");
  }
  if (!old.common_names.empty()) {
    const std::string& text = old.common_names.front();
    if (!X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(request.get()),
                                    NID_commonName, MBSTRING_UTF8,
                                    AsBytes(text).data(),
                                    static_cast<int>(text.size()), -1, 0)) {
      return Unusable("its common name cannot be asked for");
    }
  }
  if (!old.alt_names.empty() && !AddNames(old.alt_names, request.get())) {
    return Unusable("it has names that cannot be asked for");
  }
  if (!X509_REQ_sign(request.get(), key, EVP_sha256())) {
    return Unusable("the request cannot be signed");
  }
  uint8_t* data = nullptr;
  const int size = i2d_X509_REQ(request.get(), &data);
  if (size <= 0) return Unusable("the request cannot be written");
  const bssl::UniquePtr<uint8_t> owner(data);
  return ToString(ByteSpan(data, static_cast<size_t>(size)));
}

absl::StatusOr<std::string> SignWith(EVP_PKEY* key, ByteSpan data) {
  bssl::ScopedEVP_MD_CTX context;
  size_t size = 0;
  if (!EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) ||
      !EVP_DigestSign(context.get(), nullptr, &size, data.data(),
                      data.size())) {
    return Unusable("its key cannot sign");
  }
  std::string out(size, '\0');
  if (!EVP_DigestSign(context.get(), reinterpret_cast<uint8_t*>(out.data()),
                      &size, data.data(), data.size())) {
    return Unusable("its key cannot sign");
  }
  out.resize(size);
  return out;
}

std::vector<std::string> Sorted(const CertificateInfo& info, Name::Type type) {
  std::vector<std::string> out = info.AltNames(type);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

bool KeyBelongs(std::string_view pem, const Secret& key_pem) {
  const absl::StatusOr<std::vector<std::string>> chain =
      CertificatesFromPem(pem);
  const bool belongs =
      chain.ok() && Belongs(AsBytes(chain->front()), KeyOf(key_pem).get());
  ERR_clear_error();
  return belongs;
}

absl::StatusOr<RenewalRequest> MakeRenewalRequest(std::string_view chain_pem,
                                                  const Secret& key_pem) {
  const absl::StatusOr<std::vector<std::string>> chain =
      CertificatesFromPem(chain_pem);
  if (!chain.ok()) return Unusable("its certificate cannot be read");
  SP_ASSIGN_OR_RETURN(const CertificateInfo old,
                      ParseCertificate(AsBytes(chain->front())));
  const bssl::UniquePtr<EVP_PKEY> old_key = KeyOf(key_pem);
  if (!Belongs(AsBytes(chain->front()), old_key.get())) {
    return Unusable("its key and certificate do not belong together");
  }
  const bssl::UniquePtr<EVP_PKEY> key = NewKey();
  if (key == nullptr) return Unusable("no key can be made");
  RenewalRequest out;
  SP_ASSIGN_OR_RETURN(out.csr_der, MakeCsr(old, key.get()));
  SP_ASSIGN_OR_RETURN(out.proof, SignWith(old_key.get(), AsBytes(out.csr_der)));
  SP_ASSIGN_OR_RETURN(out.key_pem, PemOf(key.get()));
  return out;
}

bool VerifyRenewalProof(ByteSpan certificate_der, ByteSpan data,
                        ByteSpan proof) {
  const bssl::UniquePtr<X509> certificate = Parse(certificate_der);
  if (certificate == nullptr) return false;
  const bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(certificate.get()));
  bssl::ScopedEVP_MD_CTX context;
  const bool good = key != nullptr &&
                    EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(),
                                         nullptr, key.get()) &&
                    EVP_DigestVerify(context.get(), proof.data(), proof.size(),
                                     data.data(), data.size());
  ERR_clear_error();
  return good;
}

absl::Status CheckRenewed(std::string_view renewed_pem, const Secret& key_pem,
                          const CertificateInfo& old,
                          std::string_view roots_pem, absl::Time now) {
  const absl::StatusOr<std::vector<std::string>> chain =
      CertificatesFromPem(renewed_pem);
  if (!chain.ok()) return Refused("it cannot be read");
  const absl::StatusOr<CertificateInfo> info =
      ParseCertificate(AsBytes(chain->front()));
  if (!info.ok()) return Refused("it cannot be read");
  if (!Belongs(AsBytes(chain->front()), KeyOf(key_pem).get())) {
    return Refused("it is for another key");
  }
  for (const Name::Type type :
       {Name::Type::kDns, Name::Type::kUri, Name::Type::kIp}) {
    if (Sorted(*info, type) != Sorted(old, type)) {
      return Refused("it has other names");
    }
  }
  if ((old.server_auth && !info->server_auth) ||
      (old.client_auth && !info->client_auth) ||
      (old.sip_domain && !info->sip_domain)) {
    return Refused("it may not be used as the one before");
  }
  if (now < info->not_before || now >= info->not_after) {
    return Refused("it is not in force by our clock");
  }
  if (roots_pem.empty()) return absl::OkStatus();
  SP_ASSIGN_OR_RETURN(const auto roots, TrustAnchors::FromPem(roots_pem));
  const absl::Status trusted =
      roots->Verify(*chain, CertificatePurpose::kAny, now);
  if (!trusted.ok()) {
    return Refused(
        "it leads to no root that those who meet us are said to trust");
  }
  return absl::OkStatus();
}

}  // namespace sallyport
