#include "services/capf/io/file_signer.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/cipher.h>
#include <openssl/digest.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/pkcs8.h>
#include <openssl/rsa.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "services/capf/core/certificate_builder.h"
#include "services/capf/io/durable_file.h"
#include "services/common/crypto/hmac.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr int kPbkdf2Rounds = 600000;
// Under a wrapping key there is nothing to guess.
constexpr int kWrappingRounds = 1000;
constexpr size_t kMaxKeyFile = 64 * 1024;
constexpr char kPlainLabel[] = "PRIVATE KEY";
constexpr char kSec1Label[] = "EC PRIVATE KEY";
constexpr char kEncryptedLabel[] = "ENCRYPTED PRIVATE KEY";

absl::Status Unreadable(std::string_view message) {
  ERR_clear_error();
  return MakeError(absl::StatusCode::kFailedPrecondition, "KEY_UNREADABLE",
                   message);
}

std::string_view Text(const Secret& secret) { return secret.DangerousText(); }

absl::StatusOr<Secret> ToPem(const char* label, ByteSpan der) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  const uint8_t* data = nullptr;
  size_t size = 0;
  if (!bio ||
      !PEM_write_bio(bio.get(), label, "", der.data(),
                     static_cast<long>(der.size())) ||
      !BIO_mem_contents(bio.get(), &data, &size)) {
    return Unreadable("key cannot be written");
  }
  return Secret::CopyOf(ByteSpan(data, size));
}

absl::Status InClear(std::string_view message) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "KEY_IN_CLEAR",
                   message);
}

// The key as PEM: encrypted, or with `rounds` zero as it is.
absl::StatusOr<Secret> Serialize(const EVP_PKEY* key, const Secret& wrapping,
                                 int rounds) {
  bssl::ScopedCBB cbb;
  uint8_t* data = nullptr;
  size_t size = 0;
  bool ok = CBB_init(cbb.get(), 256);
  if (rounds == 0) {
    ok = ok && EVP_marshal_private_key(cbb.get(), key);
  } else {
    ok = ok && PKCS8_marshal_encrypted_private_key(
                   cbb.get(), -1, EVP_aes_256_cbc(), Text(wrapping).data(),
                   Text(wrapping).size(), nullptr, 0, rounds, key);
  }
  if (!ok || !CBB_finish(cbb.get(), &data, &size)) {
    return Unreadable("key cannot be written");
  }
  const Secret der = Secret::CopyOf(ByteSpan(data, size));
  OPENSSL_cleanse(data, size);
  OPENSSL_free(data);
  return ToPem(rounds == 0 ? kPlainLabel : kEncryptedLabel,
               der.DangerousBytes());
}

absl::StatusOr<std::string> Encrypted(const EVP_PKEY* key,
                                      const Secret& wrapping,
                                      bool is_passphrase) {
  if (wrapping.empty()) {
    return InClear("a private key would be kept without encryption");
  }
  SP_ASSIGN_OR_RETURN(
      const Secret pem,
      Serialize(key, wrapping,
                is_passphrase ? kPbkdf2Rounds : kWrappingRounds));
  return std::string(Text(pem));
}

// The FIPS forms sign and verify once with the new pair.
bool MakeRsa(int bits, EVP_PKEY* key) {
  bssl::UniquePtr<RSA> rsa(RSA_new());
  return rsa && RSA_generate_key_fips(rsa.get(), bits, nullptr) &&
         EVP_PKEY_set1_RSA(key, rsa.get());
}

bool MakeEc(EVP_PKEY* key) {
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  return ec && EC_KEY_generate_key_fips(ec.get()) &&
         EVP_PKEY_set1_EC_KEY(key, ec.get());
}

bssl::UniquePtr<EVP_PKEY> GenerateKey(int rsa_bits) {
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (!key ||
      !(rsa_bits == 0 ? MakeEc(key.get()) : MakeRsa(rsa_bits, key.get()))) {
    ERR_clear_error();
    return nullptr;
  }
  return key;
}

// What EVP needs to sign; reason SIGNER_UNAVAILABLE if it does not.
absl::StatusOr<std::string> SignWith(EVP_PKEY* key, const EVP_MD* digest,
                                     ByteSpan data) {
  bssl::ScopedEVP_MD_CTX ctx;
  std::string signature(static_cast<size_t>(EVP_PKEY_size(key)), '\0');
  size_t size = signature.size();
  if (!EVP_DigestSignInit(ctx.get(), nullptr, digest, nullptr, key) ||
      !EVP_DigestSign(ctx.get(), reinterpret_cast<uint8_t*>(signature.data()),
                      &size, data.data(), data.size())) {
    ERR_clear_error();
    return MakeError(absl::StatusCode::kUnavailable, "SIGNER_UNAVAILABLE",
                     "the key did not sign");
  }
  signature.resize(size);
  return signature;
}

// Null: in clear. Otherwise only what is encrypted under it is taken.
absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> Parse(const Secret& pem,
                                                const Secret* wrapping) {
  bssl::UniquePtr<BIO> bio(
      BIO_new_mem_buf(Text(pem).data(), static_cast<int>(Text(pem).size())));
  char* name = nullptr;
  char* header = nullptr;
  uint8_t* data = nullptr;
  long size = 0;
  // The parameters of the curve that openssl puts before its key.
  while (bio && PEM_read_bio(bio.get(), &name, &header, &data, &size) &&
         std::string_view(name) == "EC PARAMETERS") {
    OPENSSL_free(std::exchange(name, nullptr));
    OPENSSL_free(std::exchange(header, nullptr));
    OPENSSL_free(std::exchange(data, nullptr));
  }
  if (name == nullptr) return Unreadable("the key file is not PEM");
  bssl::UniquePtr<char> name_owner(name);
  bssl::UniquePtr<char> header_owner(header);
  bssl::UniquePtr<uint8_t> data_owner(data);
  CBS cbs;
  CBS_init(&cbs, data, static_cast<size_t>(size));
  const std::string_view label(name);
  const bool is_clear = label == kPlainLabel || label == kSec1Label;
  bssl::UniquePtr<EVP_PKEY> key;
  if (is_clear && wrapping != nullptr) {
    OPENSSL_cleanse(data, static_cast<size_t>(size));
    return InClear("a private key is not encrypted");
  }
  if (wrapping == nullptr && label == kPlainLabel) {
    key.reset(EVP_parse_private_key(&cbs));
  } else if (wrapping == nullptr && label == kSec1Label) {
    bssl::UniquePtr<EC_KEY> ec(EC_KEY_parse_private_key(&cbs, nullptr));
    key.reset(EVP_PKEY_new());
    if (!ec || !key || !EVP_PKEY_set1_EC_KEY(key.get(), ec.get())) key.reset();
  } else if (wrapping != nullptr && label == kEncryptedLabel) {
    key.reset(PKCS8_parse_encrypted_private_key(&cbs, Text(*wrapping).data(),
                                                Text(*wrapping).size()));
  } else {
    return Unreadable("the key file holds no PKCS #8 key");
  }
  OPENSSL_cleanse(data, static_cast<size_t>(size));
  if (!key || CBS_len(&cbs) != 0) {
    return Unreadable("the key cannot be read, or the passphrase is wrong");
  }
  return key;
}

absl::StatusOr<std::string> SpkiOf(const EVP_PKEY* key) {
  bssl::ScopedCBB cbb;
  uint8_t* data = nullptr;
  size_t size = 0;
  if (!CBB_init(cbb.get(), 128) || !EVP_marshal_public_key(cbb.get(), key) ||
      !CBB_finish(cbb.get(), &data, &size)) {
    return Unreadable("the public key cannot be written");
  }
  bssl::UniquePtr<uint8_t> owner(data);
  return ToString(ByteSpan(data, size));
}

}  // namespace

FileSigner::FileSigner(bssl::UniquePtr<EVP_PKEY> key, PublicKey public_key)
    : key_(std::move(key)), public_key_(std::move(public_key)) {}

FileSigner::~FileSigner() = default;

absl::StatusOr<std::unique_ptr<FileSigner>> FileSigner::Open(
    const FileSignerOptions& options) {
  SP_ASSIGN_OR_RETURN(std::optional<std::string> content,
                      ReadSmallFile(options.key_file, kMaxKeyFile));
  if (!content.has_value()) {
    if (!options.create) {
      return MakeError(absl::StatusCode::kNotFound, "KEY_NOT_FOUND",
                       "there is no key file");
    }
    const bssl::UniquePtr<EVP_PKEY> fresh =
        GenerateKey(options.create_rsa_bits);
    if (!fresh) return Unreadable("no key could be made");
    SP_ASSIGN_OR_RETURN(
        const std::string pem,
        Encrypted(fresh.get(), options.wrapping, options.is_passphrase));
    const absl::Status created = CreateDurableFile(options.key_file, pem);
    // Another process was first: its key is the key.
    if (!created.ok() && !absl::IsAlreadyExists(created)) return created;
    SP_ASSIGN_OR_RETURN(content, ReadSmallFile(options.key_file, kMaxKeyFile));
    if (!content.has_value()) return Unreadable("the key file went away");
  }
  const Secret pem = Secret::Take(*std::move(content));
  SP_RETURN_IF_ERROR(CheckPrivate(options.key_file));
  return FromPem(std::string(Text(pem)), options.wrapping);
}

absl::StatusOr<FileSigner::NewKey> FileSigner::Make(int rsa_bits,
                                                    const Secret& wrapping) {
  const bssl::UniquePtr<EVP_PKEY> key = GenerateKey(rsa_bits);
  if (!key) return Unreadable("no key could be made");
  NewKey out;
  SP_ASSIGN_OR_RETURN(out.encrypted_pem, Encrypted(key.get(), wrapping, false));
  SP_ASSIGN_OR_RETURN(out.signer, FromPem(out.encrypted_pem, wrapping));
  return out;
}

absl::StatusOr<std::unique_ptr<FileSigner>> FileSigner::Of(
    bssl::UniquePtr<EVP_PKEY> key) {
  SP_ASSIGN_OR_RETURN(const std::string spki, SpkiOf(key.get()));
  SP_ASSIGN_OR_RETURN(PublicKey public_key,
                      PublicKey::FromSpki(AsBytes(spki), KeyPolicy{}));
  return std::unique_ptr<FileSigner>(
      new FileSigner(std::move(key), std::move(public_key)));
}

absl::StatusOr<std::unique_ptr<FileSigner>> FileSigner::FromPem(
    const std::string& pem, const Secret& wrapping) {
  SP_ASSIGN_OR_RETURN(bssl::UniquePtr<EVP_PKEY> key,
                      Parse(Secret::CopyOf(std::string_view(pem)), &wrapping));
  return Of(std::move(key));
}

absl::StatusOr<std::unique_ptr<FileSigner>> FileSigner::DangerousFromClearPem(
    const Secret& pem) {
  SP_ASSIGN_OR_RETURN(bssl::UniquePtr<EVP_PKEY> key, Parse(pem, nullptr));
  return Of(std::move(key));
}

absl::StatusOr<std::string> FileSigner::Sign(ByteSpan data) {
  const EVP_MD* digest = EVP_sha256();
  switch (SignatureAlgorithmFor(public_key_.kind())) {
    case SignatureAlgorithm::kEcdsaSha384:
      digest = EVP_sha384();
      break;
    case SignatureAlgorithm::kEcdsaSha512:
      digest = EVP_sha512();
      break;
    default:
      break;
  }
  return SignWith(key_.get(), digest, data);
}

absl::StatusOr<std::string> FileSigner::SignFile(SignedFileDigest digest,
                                                 ByteSpan data) {
  if (!public_key_.is_rsa()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "KEY_UNFIT",
                     "phones verify RSA signatures only");
  }
  const EVP_MD* const hash = digest == SignedFileDigest::kSha1 ? EVP_sha1()
                             : digest == SignedFileDigest::kSha256
                                 ? EVP_sha256()
                                 : EVP_sha512();
  return SignWith(key_.get(), hash, data);
}

absl::StatusOr<Secret> FileSigner::DeriveSecret(std::string_view label) const {
  const EC_KEY* const ec = EVP_PKEY_get0_EC_KEY(key_.get());
  if (ec == nullptr) {
    ERR_clear_error();
    return MakeError(absl::StatusCode::kFailedPrecondition, "KEY_UNFIT",
                     "secrets are derived from an elliptic key");
  }
  const BIGNUM* const number = EC_KEY_get0_private_key(ec);
  std::string scalar(static_cast<size_t>(EVP_PKEY_size(key_.get())), '\0');
  if (number == nullptr ||
      !BN_bn2bin_padded(reinterpret_cast<uint8_t*>(scalar.data()),
                        scalar.size(), number)) {
    return Unreadable("the key has no private part");
  }
  const Secret owner = Secret::Take(std::move(scalar));
  return Secret::CopyOf(HmacSha256(owner.DangerousBytes(), AsBytes(label)));
}

absl::StatusOr<std::string> FileSigner::WrappedPem(const Secret& wrapping,
                                                   bool is_passphrase) const {
  return Encrypted(key_.get(), wrapping, is_passphrase);
}

absl::StatusOr<Secret> FileSigner::DangerousPem() const {
  return Serialize(key_.get(), Secret(), 0);
}

}  // namespace sallyport::capf
