// Key material and passwords, kept from logs, copies and freed memory.

#ifndef SALLYPORT_SERVICES_COMMON_CRYPTO_SECRET_H_
#define SALLYPORT_SERVICES_COMMON_CRYPTO_SECRET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "services/common/bytes/byte_span.h"
#include "services/common/random/random_source.h"

namespace sallyport {

// Octets that are zeroed before they are freed. Moves but does not copy (say
// Clone() where a second one is meant), compares in constant time, and has no
// printer of any kind. Immutable.
class Secret {
 public:
  Secret() = default;  // empty
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  // Copies `bytes`; the original stays the caller's to clean.
  static Secret CopyOf(ByteSpan bytes);
  static Secret CopyOf(std::string_view text) { return CopyOf(AsBytes(text)); }
  // Copies `text` and zeroes the original.
  static Secret Take(std::string&& text);
  // `size` fresh octets.
  static Secret Random(RandomSource& random, size_t size);

  Secret Clone() const { return CopyOf(DangerousBytes()); }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The octets themselves, valid as long as this object: for cryptographic
  // functions, the wire and sealed storage, never for a log or an error.
  ByteSpan DangerousBytes() const { return {bytes_.get(), size_}; }
  std::string_view DangerousText() const { return AsText(DangerousBytes()); }

  // Constant time in everything but the sizes.
  friend bool operator==(const Secret& a, const Secret& b);

 private:
  explicit Secret(size_t size);
  void Clear();

  std::unique_ptr<uint8_t[]> bytes_;
  size_t size_ = 0;
};

// Zeroes `text` so that the compiler cannot leave it out, then empties it.
void Cleanse(std::string& text);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_CRYPTO_SECRET_H_
