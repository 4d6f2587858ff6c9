// Which counts of which nonces were used (RFC 7616 section 3.4, nc), for
// threads that take the same nonces.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_NONCE_COUNTS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_NONCE_COUNTS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sallyport::signaling_edge {

// A nonce, by what its maker has signed.
struct NonceId {
  uint64_t made = 0;  // us, by a clock that all have alike
  uint64_t random = 0;
};

// Fixed memory, 34 octets for each of `nonces`, taken at construction. Nonces
// share buckets of eight; one that finds its own full takes the place of the
// oldest, and every nonce of that bucket as old as that is then used up. Each
// call looks at one bucket, which it has for itself meanwhile; who finds it
// taken for longer than anybody needs it gives up, and the nonce counts as
// used. So whatever happens nothing is good twice. Allocates nothing, never
// waits. Thread-safe.
class NonceCounts {
 public:
  explicit NonceCounts(size_t nonces);

  // Whether this count of the nonce was not used yet; it is then. Of a nonce
  // are known the highest count and the 64 up to it: what is below is used.
  // Nonces made before `oldest` (us) need not be known any more.
  bool Take(const NonceId& nonce, uint32_t count, uint64_t oldest);

 private:
  static constexpr size_t kWays = 8;
  struct Entry {
    NonceId nonce;
    uint64_t seen = 0;  // bit i: highest - i
    uint32_t highest = 0;
  };
  struct Bucket {
    std::atomic<bool> taken = false;
    uint64_t given_up = 0;  // nonces made at or before this (us) are used up
    std::array<Entry, kWays> entries;
  };

  static bool TakeIn(Bucket& bucket, const NonceId& nonce, uint32_t count,
                     uint64_t oldest);

  std::vector<Bucket> buckets_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_NONCE_COUNTS_H_
