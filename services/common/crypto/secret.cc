#include "services/common/crypto/secret.h"

#include <openssl/mem.h>

#include <algorithm>
#include <utility>

#include "absl/types/span.h"
#include "services/common/crypto/constant_time.h"

namespace sallyport {

Secret::Secret(size_t size)
    : bytes_(size == 0 ? nullptr : new uint8_t[size]()), size_(size) {}

Secret::Secret(Secret&& other) noexcept
    : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    Clear();
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Secret::~Secret() { Clear(); }

void Secret::Clear() {
  if (bytes_ != nullptr) OPENSSL_cleanse(bytes_.get(), size_);
  bytes_.reset();
  size_ = 0;
}

Secret Secret::CopyOf(ByteSpan bytes) {
  Secret secret(bytes.size());
  std::copy(bytes.begin(), bytes.end(), secret.bytes_.get());
  return secret;
}

Secret Secret::Take(std::string&& text) {
  Secret secret = CopyOf(std::string_view(text));
  Cleanse(text);
  return secret;
}

Secret Secret::Random(RandomSource& random, size_t size) {
  Secret secret(size);
  random.Fill(absl::MakeSpan(secret.bytes_.get(), size));
  return secret;
}

bool operator==(const Secret& a, const Secret& b) {
  return ConstantTimeEquals(a.DangerousBytes(), b.DangerousBytes());
}

void Cleanse(std::string& text) {
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

}  // namespace sallyport
