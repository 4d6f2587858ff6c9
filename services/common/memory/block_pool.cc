#include "services/common/memory/block_pool.h"

#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <new>

#include "absl/synchronization/mutex.h"

namespace sallyport {
namespace {

std::atomic<size_t> returned_bytes = 0;

}  // namespace

BlockPool::BlockPool(size_t block_size)
    : block_size_((block_size + kAlignment - 1) / kAlignment * kAlignment) {}

BlockPool::~BlockPool() {
  returned_bytes.fetch_sub((free_.size() - untaken_) * block_size_,
                           std::memory_order_relaxed);
  for (void* const piece : pieces_) {
    ::operator delete (piece, std::align_val_t{kPiece});
  }
}

void* BlockPool::Take() {
  const absl::MutexLock lock(&mutex_);
  if (free_.empty()) {
    char* const piece =
        static_cast<char*>(::operator new (kPiece, std::align_val_t{kPiece}));
    // Without huge pages it is slower, nothing else.
    (void)madvise(piece, kPiece, MADV_HUGEPAGE);
    pieces_.push_back(piece);
    const size_t count = kPiece / block_size_;
    free_.reserve(pieces_.size() * count);
    // The first block is taken first.
    for (size_t i = count; i > 0; --i) {
      free_.push_back(piece + (i - 1) * block_size_);
    }
    untaken_ = free_.size();
  }
  if (free_.size() == untaken_) {
    --untaken_;
  } else {
    returned_bytes.fetch_sub(block_size_, std::memory_order_relaxed);
  }
  void* const block = free_.back();
  free_.pop_back();
  return block;
}

void BlockPool::Give(void* block) {
  if (block == nullptr) return;
  const absl::MutexLock lock(&mutex_);
  free_.push_back(block);  // there is room: it came from here
  returned_bytes.fetch_add(block_size_, std::memory_order_relaxed);
}

size_t BlockPool::ReturnedBytes() {
  return returned_bytes.load(std::memory_order_relaxed);
}

size_t BlockPool::pieces() const {
  const absl::MutexLock lock(&mutex_);
  return pieces_.size();
}

}  // namespace sallyport
