#include "services/common/log/redact.h"

#include <openssl/rand.h>
#include <openssl/siphash.h>

#include <array>
#include <cstdint>

#include "absl/strings/str_format.h"

namespace sallyport {
namespace {

struct ProcessKey {
  ProcessKey() {
    RAND_bytes(reinterpret_cast<uint8_t*>(words.data()), sizeof(words));
  }
  std::array<uint64_t, 2> words;
};

}  // namespace

std::string RedactedHash(std::string_view text) {
  static const ProcessKey key;
  return absl::StrFormat(
      "#%016x",
      SIPHASH_24(key.words.data(),
                 reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

}  // namespace sallyport
