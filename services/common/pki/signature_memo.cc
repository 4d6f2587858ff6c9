#include "services/common/pki/signature_memo.h"

#include <openssl/sha.h>

namespace sallyport {

Sha256Digest SignatureMemo::KeyOf(std::string_view child, std::string_view spki,
                                  const SignatureRules& rules) {
  const uint64_t head[] = {child.size(), spki.size(),
                           static_cast<uint64_t>(rules.min_rsa_bits),
                           rules.allow_sha1 ? uint64_t{1} : uint64_t{0}};
  SHA256_CTX hash;
  SHA256_Init(&hash);
  SHA256_Update(&hash, head, sizeof(head));
  SHA256_Update(&hash, child.data(), child.size());
  SHA256_Update(&hash, spki.data(), spki.size());
  Sha256Digest key;
  SHA256_Final(key.data(), &hash);
  return key;
}

bool SignatureMemo::Has(const Sha256Digest& key) const {
  absl::MutexLock lock(&mutex_);
  return good_.contains(key);
}

void SignatureMemo::Add(const Sha256Digest& key) {
  absl::MutexLock lock(&mutex_);
  if (good_.size() >= kMost) good_.clear();
  good_.insert(key);
}

void SignatureMemo::CountChecked() {
  absl::MutexLock lock(&mutex_);
  ++checked_;
}

uint64_t SignatureMemo::checked() const {
  absl::MutexLock lock(&mutex_);
  return checked_;
}

}  // namespace sallyport
