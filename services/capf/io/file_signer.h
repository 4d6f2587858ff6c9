// A private key in a PEM file, plain or encrypted.

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
  // Empty: the file is not encrypted. Otherwise PKCS #8 with PBES2, AES-256
  // and PBKDF2 of 600 000 rounds.
  Secret passphrase;
  // Makes a key, in one step and with mode 0600, if there is no file.
  bool create = false;
  // 2048, 3072 or 4096: the key that is made is RSA. Zero: P-256.
  int create_rsa_bits = 0;
};

// Signs in process. Thread-safe.
class FileSigner final : public Signer {
 public:
  // NOT_FOUND if there is no file and none is to be made. FAILED_PRECONDITION:
  // FILE_MODE if others can read it, KEY_UNREADABLE if it is not a key, the
  // passphrase is wrong, or its encryption is not what the passphrase says.
  static absl::StatusOr<std::unique_ptr<FileSigner>> Open(
      const FileSignerOptions& options);
  // A new key, and its PEM for whoever keeps it elsewhere: encrypted with
  // `wrapping`, 32 random octets or a passphrase as good, so that few rounds
  // do. RSA of `rsa_bits`, or P-256 for zero.
  struct NewKey {
    std::unique_ptr<FileSigner> signer;
    std::string encrypted_pem;
  };
  static absl::StatusOr<NewKey> Make(int rsa_bits, const Secret& wrapping);
  // The same key again. FAILED_PRECONDITION, reason KEY_UNREADABLE.
  static absl::StatusOr<std::unique_ptr<FileSigner>> FromPem(
      const std::string& pem, const Secret& passphrase);
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

  // The key as Make() gives it.
  absl::StatusOr<std::string> WrappedPem(const Secret& wrapping) const;
  // The key as unencrypted PKCS #8 PEM; for a TLS context that needs it.
  absl::StatusOr<Secret> DangerousPem() const;

 private:
  FileSigner(bssl::UniquePtr<EVP_PKEY> key, PublicKey public_key);

  bssl::UniquePtr<EVP_PKEY> key_;
  PublicKey public_key_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_FILE_SIGNER_H_
