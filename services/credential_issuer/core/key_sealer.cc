#include "services/credential_issuer/core/key_sealer.h"

#include <openssl/aead.h>

#include <array>
#include <optional>
#include <utility>

#include "services/common/bytes/byte_writer.h"
#include "services/common/crypto/hmac.h"
#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"

namespace sallyport::credential_issuer {
namespace {

constexpr size_t kNonceBytes = 12;

Secret Derive(const Secret& master, std::string_view purpose) {
  const Sha256Digest key =
      HmacSha256(master.DangerousBytes(), AsBytes(purpose));
  return Secret::CopyOf(ByteSpan(key));
}

std::string AssociatedData(uint32_t key_id) {
  ByteBuilder out;
  out.WriteText("sallyport turn key ");
  out.WriteU32(key_id);
  return out.Take();
}

// One AES-256-GCM context.
class Aead {
 public:
  explicit Aead(const Secret& key) {
    EVP_AEAD_CTX_zero(&context_);
    SP_CHECK(EVP_AEAD_CTX_init(&context_, EVP_aead_aes_256_gcm(),
                               key.DangerousBytes().data(), key.size(),
                               EVP_AEAD_DEFAULT_TAG_LENGTH, nullptr) == 1);
  }
  ~Aead() { EVP_AEAD_CTX_cleanup(&context_); }
  Aead(const Aead&) = delete;
  Aead& operator=(const Aead&) = delete;

  const EVP_AEAD_CTX* get() const { return &context_; }

 private:
  EVP_AEAD_CTX context_;
};

absl::Status Unusable() {
  return MakeError(absl::StatusCode::kDataLoss, "SEALED_KEY_UNUSABLE",
                   "a stored key does not open under the master key");
}

std::optional<Secret> OpenWith(const Secret& key, uint32_t key_id,
                               std::string_view sealed) {
  if (sealed.size() < kNonceBytes) return std::nullopt;
  const Aead aead(key);
  const std::string associated = AssociatedData(key_id);
  const ByteSpan bytes = AsBytes(sealed);
  std::string plain(sealed.size(), '\0');
  size_t written = 0;
  if (EVP_AEAD_CTX_open(aead.get(), reinterpret_cast<uint8_t*>(plain.data()),
                        &written, plain.size(), bytes.data(), kNonceBytes,
                        bytes.data() + kNonceBytes, bytes.size() - kNonceBytes,
                        AsBytes(associated).data(), associated.size()) != 1) {
    return std::nullopt;
  }
  Secret out = Secret::CopyOf(std::string_view(plain).substr(0, written));
  Cleanse(plain);
  return out;
}

}  // namespace

KeySealer::KeySealer(const Secret& master, absl::Span<const Secret> accepted) {
  const auto add = [this](const Secret& key) {
    SP_CHECK(key.size() == kMasterKeyBytes);
    keys_.push_back({Derive(key, "sallyport key sealing v1"),
                     Derive(key, "sallyport opaque subjects v1")});
  };
  add(master);
  for (const Secret& key : accepted) add(key);
}

std::string KeySealer::Seal(uint32_t key_id, const Secret& secret,
                            RandomSource& random) const {
  const Aead aead(keys_.front().seal);
  const std::string associated = AssociatedData(key_id);
  std::string out(kNonceBytes + secret.size() + EVP_AEAD_MAX_OVERHEAD, '\0');
  auto* const bytes = reinterpret_cast<uint8_t*>(out.data());
  random.Fill(absl::MakeSpan(bytes, kNonceBytes));
  size_t written = 0;
  SP_CHECK(EVP_AEAD_CTX_seal(aead.get(), bytes + kNonceBytes, &written,
                             out.size() - kNonceBytes, bytes, kNonceBytes,
                             secret.DangerousBytes().data(), secret.size(),
                             AsBytes(associated).data(),
                             associated.size()) == 1);
  out.resize(kNonceBytes + written);
  return out;
}

const KeySealer::Keys* KeySealer::FindOpening(uint32_t key_id,
                                              std::string_view sealed,
                                              Secret* opened) const {
  for (const Keys& keys : keys_) {
    std::optional<Secret> secret = OpenWith(keys.seal, key_id, sealed);
    if (!secret) continue;
    *opened = *std::move(secret);
    return &keys;
  }
  return nullptr;
}

absl::StatusOr<Secret> KeySealer::Open(uint32_t key_id,
                                       std::string_view sealed) const {
  Secret out;
  if (FindOpening(key_id, sealed, &out) == nullptr) return Unusable();
  return out;
}

bool KeySealer::IsCurrent(uint32_t key_id, std::string_view sealed) const {
  return OpenWith(keys_.front().seal, key_id, sealed).has_value();
}

absl::StatusOr<Secret> KeySealer::DerivedSubjectKey(
    uint32_t key_id, std::string_view sealed) const {
  Secret opened;
  const Keys* const keys = FindOpening(key_id, sealed, &opened);
  if (keys == nullptr) return Unusable();
  return Secret::CopyOf(keys->subject.DangerousBytes());
}

}  // namespace sallyport::credential_issuer
