// Memory for many objects of one type that are visited one after the other, as
// a media relay visits its sessions.

#ifndef SALLYPORT_SERVICES_COMMON_MEMORY_BLOCK_POOL_H_
#define SALLYPORT_SERVICES_COMMON_MEMORY_BLOCK_POOL_H_

#include <cstddef>
#include <new>
#include <type_traits>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace sallyport {

// Blocks of one size in pieces of 2 MB, which the kernel is asked to back with
// a huge page each: thousands of objects spread over the heap need thousands of
// address translations, more than a processor keeps. Given back blocks are used
// again, the newest first; pieces are kept for good. Thread-safe.
class BlockPool {
 public:
  static constexpr size_t kPiece = size_t{2} << 20;
  static constexpr size_t kAlignment = 64;  // of a block

  // `block_size` is at most kPiece.
  explicit BlockPool(size_t block_size);
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // Never null: the process ends without memory, as with operator new.
  void* Take();
  void Give(void* block);

  size_t pieces() const;
  // Octets of blocks that were given back, of all pools: there for new objects
  // of their types, and no longer anybody's.
  static size_t ReturnedBytes();

 private:
  const size_t block_size_;
  mutable absl::Mutex mutex_;
  std::vector<void*> free_ ABSL_GUARDED_BY(mutex_);
  // So many of them, the first, were never taken, and perhaps never touched.
  size_t untaken_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<void*> pieces_ ABSL_GUARDED_BY(mutex_);
};

// A base that gives `Type` operators new and delete on a pool of its own, which
// lives as long as the process. With the address sanitizer each object is an
// allocation of its own. Thread-safe.
template <typename Type>
class Pooled {
 public:
  static void* operator new(size_t size);
  static void operator delete(void* block);

 private:
  static BlockPool& Pool() {
    static BlockPool* const pool = new BlockPool(sizeof(Type));
    return *pool;
  }
};

#if defined(__SANITIZE_ADDRESS__)
#define SALLYPORT_POOLS_ARE_OFF 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SALLYPORT_POOLS_ARE_OFF 1
#endif
#endif

template <typename Type>
void* Pooled<Type>::operator new(size_t size) {
#if defined(SALLYPORT_POOLS_ARE_OFF)
  return ::operator new (size, std::align_val_t{BlockPool::kAlignment});
#else
  static_assert(alignof(Type) <= BlockPool::kAlignment);
  (void)size;  // of Type, which must be final
  static_assert(std::is_final_v<Type>);
  return Pool().Take();
#endif
}

template <typename Type>
void Pooled<Type>::operator delete(void* block) {
#if defined(SALLYPORT_POOLS_ARE_OFF)
  ::operator delete (block, std::align_val_t{BlockPool::kAlignment});
#else
  Pool().Give(block);
#endif
}

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_MEMORY_BLOCK_POOL_H_
