#include "services/capf/core/test_keys.h"

#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/conf.h>
#include <openssl/digest.h>
#include <openssl/ec_key.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <optional>
#include <utility>

#include "services/common/random/fake_random.h"
#include "services/common/status/check.h"

namespace sallyport::capf {
namespace {

int CurveNid(KeyKind kind) {
  switch (kind) {
    case KeyKind::kEcP384:
      return NID_secp384r1;
    case KeyKind::kEcP521:
      return NID_secp521r1;
    default:
      return NID_X9_62_prime256v1;
  }
}

const EVP_MD* DigestOf(EVP_PKEY* key) {
  if (EVP_PKEY_id(key) == EVP_PKEY_EC && EVP_PKEY_bits(key) == 384) {
    return EVP_sha384();
  }
  if (EVP_PKEY_id(key) == EVP_PKEY_EC && EVP_PKEY_bits(key) == 521) {
    return EVP_sha512();
  }
  return EVP_sha256();
}

GENERAL_NAME* NewName(std::string_view text) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  const size_t colon = text.find(':');
  const std::string_view kind = text.substr(0, colon);
  const std::string value(text.substr(colon + 1));
  if (kind == "IP") {
    ASN1_OCTET_STRING* octets = ASN1_OCTET_STRING_new();
    SP_CHECK(ASN1_OCTET_STRING_set(
        octets, reinterpret_cast<const uint8_t*>("\x01\x02\x03\x04"), 4));
    GENERAL_NAME_set0_value(name, GEN_IPADD, octets);
    return name;
  }
  ASN1_IA5STRING* ia5 = ASN1_IA5STRING_new();
  SP_CHECK(ASN1_STRING_set(ia5, value.data(), static_cast<int>(value.size())));
  GENERAL_NAME_set0_value(name,
                          kind == "DNS"   ? GEN_DNS
                          : kind == "URI" ? GEN_URI
                                          : GEN_EMAIL,
                          ia5);
  return name;
}

}  // namespace

bssl::UniquePtr<EVP_PKEY> NewTestKey(KeyKind kind, int rsa_bits) {
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (kind == KeyKind::kRsa) {
    bssl::UniquePtr<RSA> rsa(RSA_new());
    bssl::UniquePtr<BIGNUM> e(BN_new());
    SP_CHECK(BN_set_word(e.get(), RSA_F4));
    SP_CHECK(RSA_generate_key_ex(rsa.get(), rsa_bits, e.get(), nullptr));
    SP_CHECK(EVP_PKEY_set1_RSA(key.get(), rsa.get()));
    return key;
  }
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(CurveNid(kind)));
  SP_CHECK(EC_KEY_generate_key(ec.get()));
  SP_CHECK(EVP_PKEY_set1_EC_KEY(key.get(), ec.get()));
  return key;
}

std::string TestSpki(EVP_PKEY* key) {
  bssl::ScopedCBB cbb;
  uint8_t* data = nullptr;
  size_t size = 0;
  SP_CHECK(CBB_init(cbb.get(), 128) && EVP_marshal_public_key(cbb.get(), key) &&
           CBB_finish(cbb.get(), &data, &size));
  bssl::UniquePtr<uint8_t> owner(data);
  return ToString(ByteSpan(data, size));
}

std::string TestSign(EVP_PKEY* key, ByteSpan data) {
  bssl::ScopedEVP_MD_CTX ctx;
  size_t size = 0;
  SP_CHECK(EVP_DigestSignInit(ctx.get(), nullptr, DigestOf(key), nullptr, key));
  SP_CHECK(EVP_DigestSign(ctx.get(), nullptr, &size, data.data(), data.size()));
  std::string signature(size, '\0');
  SP_CHECK(EVP_DigestSign(ctx.get(),
                          reinterpret_cast<uint8_t*>(signature.data()), &size,
                          data.data(), data.size()));
  signature.resize(size);
  return signature;
}

std::string NewTestCsr(EVP_PKEY* key, const TestCsrOptions& options) {
  bssl::UniquePtr<X509_REQ> request(X509_REQ_new());
  SP_CHECK(X509_REQ_set_version(request.get(), 0));
  SP_CHECK(X509_REQ_set_pubkey(request.get(), key));
  X509_NAME* subject = X509_REQ_get_subject_name(request.get());
  SP_CHECK(X509_NAME_add_entry_by_NID(
      subject, NID_commonName, MBSTRING_UTF8,
      reinterpret_cast<const uint8_t*>(options.common_name.data()),
      static_cast<int>(options.common_name.size()), -1, 0));
  if (!options.alt_names.empty()) {
    bssl::UniquePtr<GENERAL_NAMES> names(GENERAL_NAMES_new());
    for (const std::string& text : options.alt_names) {
      SP_CHECK(sk_GENERAL_NAME_push(names.get(), NewName(text)));
    }
    STACK_OF(X509_EXTENSION)* extensions = sk_X509_EXTENSION_new_null();
    SP_CHECK(X509V3_add1_i2d(&extensions, NID_subject_alt_name, names.get(), 0,
                             X509V3_ADD_DEFAULT) == 1);
    SP_CHECK(X509_REQ_add_extensions(request.get(), extensions));
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  }
  SP_CHECK(X509_REQ_sign(request.get(), key,
                         options.sha1 ? EVP_sha1() : DigestOf(key)));
  uint8_t* data = nullptr;
  const int size = i2d_X509_REQ(request.get(), &data);
  SP_CHECK(size > 0);
  bssl::UniquePtr<uint8_t> owner(data);
  std::string der = ToString(ByteSpan(data, static_cast<size_t>(size)));
  if (options.break_signature) der.back() = static_cast<char>(~der.back());
  return der;
}

TestAuthority NewTestAuthority(KeyKind kind, absl::Time now) {
  bssl::UniquePtr<EVP_PKEY> key = NewTestKey(kind);
  const std::string spki = TestSpki(key.get());
  const auto public_key = PublicKey::FromSpki(AsBytes(spki), KeyPolicy{});
  SP_CHECK(public_key.ok());
  const auto validity = ChooseValidity(ProfileFor(ProfileId::kAuthority),
                                       absl::ZeroDuration(), now, std::nullopt);
  SP_CHECK(validity.ok());
  FakeRandom random(7);
  const CertificateSpec spec{.profile = ProfileId::kAuthority,
                             .serial = DrawSerial(1, random),
                             .subject = {.country = "XX",
                                         .organization = "Example",
                                         .common_name = "CAPF-test"},
                             .names = {},
                             .key = *public_key,
                             .not_before = validity->not_before,
                             .not_after = validity->not_after};
  const auto tbs = BuildTbs(spec, std::nullopt);
  SP_CHECK(tbs.ok());
  const auto der = AssembleCertificate(
      AsBytes(*tbs), SignatureAlgorithmFor(public_key->kind()),
      AsBytes(TestSign(key.get(), AsBytes(*tbs))));
  SP_CHECK(der.ok());
  auto issuer = ReadIssuer(AsBytes(*der));
  SP_CHECK(issuer.ok());
  return {std::move(key), *std::move(issuer)};
}

}  // namespace sallyport::capf
