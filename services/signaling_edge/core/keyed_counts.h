// How many of something each key has, for threads that share the limit.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_KEYED_COUNTS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_KEYED_COUNTS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sallyport::signaling_edge {

// Keys are hashes that a stranger cannot choose. Fixed memory, 32 octets for
// each of `keys`, all taken at construction; a key without anything takes none.
// Keys share buckets of eight: one that finds its own full of others is not
// counted, which errs in its favour. Two keys are taken for each other once in
// 2^40 or so. Every call is O(1), allocates nothing and takes no lock.
// Thread-safe.
class KeyedCounts {
 public:
  explicit KeyedCounts(size_t keys);

  void Add(uint64_t key) { AddUnder(key, UINT32_MAX); }
  // Unless there are `most` of it; false then, and nothing is counted. Of
  // threads that ask for the last place at once one gets it.
  bool AddUnder(uint64_t key, uint32_t most);
  // For each that was added once.
  void Remove(uint64_t key);
  uint32_t Of(uint64_t key) const;

 private:
  static constexpr size_t kWays = 8;
  // The key's upper half above, its count below; a count of zero: free.
  using Bucket = std::array<std::atomic<uint64_t>, kWays>;

  size_t IndexOf(uint64_t key) const { return key & (buckets_.size() - 1); }

  std::vector<Bucket> buckets_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_KEYED_COUNTS_H_
