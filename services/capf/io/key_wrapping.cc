#include "services/capf/io/key_wrapping.h"

#include <openssl/digest.h>
#include <openssl/evp.h>
#include <openssl/mem.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

// One for all installations: the passphrase is what is secret, and every
// replica must come to the same key.
constexpr std::string_view kSalt = "sallyport capf store keys";
constexpr uint32_t kRounds = 600000;

}  // namespace

absl::Status CheckPassphrase(const Secret& passphrase) {
  if (passphrase.size() < kLeastPassphrase) {
    return MakeError(absl::StatusCode::kInvalidArgument, "PASSPHRASE_WEAK",
                     absl::StrCat("the passphrase of the private keys has "
                                  "fewer than ",
                                  kLeastPassphrase, " octets"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Secret> DeriveWrappingKey(const Secret& passphrase) {
  uint8_t key[32];
  const std::string_view text = passphrase.DangerousText();
  if (PKCS5_PBKDF2_HMAC(text.data(), text.size(), AsBytes(kSalt).data(),
                        kSalt.size(), kRounds, EVP_sha256(), sizeof key,
                        key) != 1) {
    return MakeError(absl::StatusCode::kInternal, "KEY_UNREADABLE",
                     "no key could be drawn from the passphrase");
  }
  std::string hex = HexEncode(ByteSpan(key, sizeof key));
  OPENSSL_cleanse(key, sizeof key);
  return Secret::Take(std::move(hex));
}

}  // namespace sallyport::capf
