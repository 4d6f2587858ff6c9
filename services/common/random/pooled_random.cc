#include "services/common/random/pooled_random.h"

#include <openssl/mem.h>

#include <cstring>

namespace sallyport {

PooledRandom::~PooledRandom() { OPENSSL_cleanse(pool_.data(), pool_.size()); }

void PooledRandom::Fill(absl::Span<uint8_t> out) {
  if (out.size() > kPool / 4) {
    source_.Fill(out);
    return;
  }
  if (out.empty()) return;
  if (kPool - given_ < out.size()) {
    source_.Fill(absl::MakeSpan(pool_));
    given_ = 0;
  }
  std::memcpy(out.data(), &pool_[given_], out.size());
  OPENSSL_cleanse(&pool_[given_], out.size());
  given_ += out.size();
}

}  // namespace sallyport
