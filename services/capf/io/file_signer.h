// A private key in a PEM file, encrypted.

#ifndef SALLYPORT_SERVICES_CAPF_IO_FILE_SIGNER_H_
#define SALLYPORT_SERVICES_CAPF_IO_FILE_SIGNER_H_

#include <openssl/base.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/capf/core/public_key.h"
#include "services/capf/core/signed_file_header.h"
#include "services/capf/io/signer.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"

namespace sallyport::capf {

struct FileSignerOptions {
  std::string key_file;
  // What the file is encrypted under: PKCS #8 with PBES2 and AES-256. Never
  // empty.
  Secret wrapping;
  // Makes a key, in one step and with mode 0600, if there is no file.
  bool create = false;
  // 2048, 3072 or 4096: the key that is made is RSA. Zero: P-256.
  int create_rsa_bits = 0;
  // `wrapping` is what a person chose, so that the file that is made costs
  // whoever guesses 600 000 rounds of PBKDF2. Otherwise it is as good as 32
  // random octets, and few rounds do.
  bool is_passphrase = false;
};

// Signs in process. Thread-safe.
class FileSigner final : public Signer {
 public:
  // NOT_FOUND if there is no file and none is to be made. FAILED_PRECONDITION:
  // FILE_MODE if others can read it, KEY_IN_CLEAR if it is not encrypted or
  // would not be, KEY_UNREADABLE if it is not a key or `wrapping` is not what
  // it is encrypted under.
  static absl::StatusOr<std::unique_ptr<FileSigner>> Open(
      const FileSignerOptions& options);
  // A new key, and its PEM for whoever keeps it elsewhere: encrypted under
  // `wrapping`, which is as good as 32 random octets. RSA of `rsa_bits`, or
  // P-256 for zero.
  struct NewKey {
    std::unique_ptr<FileSigner> signer;
    std::string encrypted_pem;
  };
  static absl::StatusOr<NewKey> Make(int rsa_bits, const Secret& wrapping);
  // The same key again. FAILED_PRECONDITION, reason KEY_IN_CLEAR or
  // KEY_UNREADABLE.
  static absl::StatusOr<std::unique_ptr<FileSigner>> FromPem(
      const std::string& pem, const Secret& wrapping);
  // A key that is not encrypted, PKCS #8 or as SEC 1 has elliptic ones: for
  // whoever encrypts it. FAILED_PRECONDITION, reason KEY_UNREADABLE.
  static absl::StatusOr<std::unique_ptr<FileSigner>> DangerousFromClearPem(
      const Secret& pem);
  ~FileSigner() override;

  const PublicKey& public_key() const override { return public_key_; }
  absl::StatusOr<std::string> Sign(ByteSpan data) override;
  // BoringSSL verifies each RSA signature itself. An elliptic one is computed
  // here in one piece: what could be wrong with it is the machine, so that
  // 64 of them cost no more than one verification beside their own.
  uint32_t verify_each() const override {
    return public_key_.is_rsa() ? 0 : 64;
  }

  // RSASSA-PKCS1-v1_5 with the digest that a phone's file names.
  // FAILED_PRECONDITION, reason KEY_UNFIT, if the key is not RSA.
  absl::StatusOr<std::string> SignFile(SignedFileDigest digest, ByteSpan data);

  // 32 octets that only this key gives, others for each `label`.
  // FAILED_PRECONDITION, reason KEY_UNFIT, if the key is RSA.
  absl::StatusOr<Secret> DeriveSecret(std::string_view label) const;

  // The key as Make() gives it, or as Open() makes it for a passphrase.
  absl::StatusOr<std::string> WrappedPem(const Secret& wrapping,
                                         bool is_passphrase = false) const;
  // The key as unencrypted PKCS #8 PEM; for a TLS context that needs it.
  absl::StatusOr<Secret> DangerousPem() const;

 private:
  FileSigner(bssl::UniquePtr<EVP_PKEY> key, PublicKey public_key);
  static absl::StatusOr<std::unique_ptr<FileSigner>> Of(
      bssl::UniquePtr<EVP_PKEY> key);

  bssl::UniquePtr<EVP_PKEY> key_;
  PublicKey public_key_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_FILE_SIGNER_H_
