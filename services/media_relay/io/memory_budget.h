// How much memory the process may use, and what to do when there is none.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_MEMORY_BUDGET_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_MEMORY_BUDGET_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <istream>
#include <string>
#include <string_view>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/media_relay/core/memory_gate.h"

namespace sallyport::media_relay {

// Resident octets, not of files, that are not of malloc()'s heaps, as `smaps`
// (/proc/self/smaps) says: stacks, data of libraries, mappings of our own. What
// is resident of the heaps says nothing: of what they have free some pages were
// touched once and some never.
size_t MemoryOutsideHeaps(std::istream& smaps);
// The same of this process. Takes milliseconds.
size_t MemoryOutsideHeaps();

// What the process holds, of which nothing can be had by new objects:
// `outside`, which was measured when the heap had `mapped` octets in mappings
// of their own, and what the heaps have given out, without what pools have
// back.
size_t MemoryInUse(size_t outside, size_t mapped);
// Measured now.
size_t MemoryInUse();

// The least limit of the control groups that the process is in, as the files
// below `root` say ("/sys/fs/cgroup"; version 1 and 2) for what
// /proc/self/cgroup names; 0: none.
size_t CgroupMemoryLimit(const std::string& root, std::string_view self_cgroup);
// The same of this process.
size_t CgroupMemoryLimit();

// Measures every 50 ms (what is outside the heaps every second, or when large
// blocks that may be untouched have something refused), and between that counts
// what is taken at its most. At the bound nothing new is granted,
// until enough has been given back.
//
// Behind that, an allocation that fails nonetheless gives up a reserve of the
// process once, and nothing new is granted until it can be had again; only if
// that was not enough does the process end. Thread-safe; one of a process.
class MemoryBudget final : public MemoryGate {
 public:
  static constexpr absl::Duration kInterval = absl::Milliseconds(50);
  static constexpr size_t kReserve = 8 << 20;
  static constexpr absl::Duration kOutsideInterval = absl::Seconds(1);

  // 0 octets: no bound but what the allocator refuses. `on_measured` is told
  // after each measurement, on its own thread; may be null.
  explicit MemoryBudget(size_t limit,
                        std::function<void()> on_measured = nullptr);
  ~MemoryBudget() override;
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  bool Take(MemoryUse use) override;

  size_t limit() const { return limit_; }
  // As last measured.
  size_t used() const { return used_.load(std::memory_order_relaxed); }
  uint64_t refusals() const {
    return refusals_.load(std::memory_order_relaxed);
  }
  // Measures now; otherwise its own thread's.
  void Measure();

 private:
  static void OnAllocationFailed();
  void Run();
  void TakeReserve();
  void MeasureOutside();

  const size_t limit_;
  const std::function<void()> on_measured_;
  std::atomic<size_t> outside_ = 0;  // the heaps
  std::atomic<size_t> mapped_ = 0;   // of the heap then
  std::atomic<size_t> used_ = 0;
  std::atomic<size_t> taken_ = 0;  // since measured
  std::atomic<uint64_t> refusals_ = 0;
  std::atomic<bool> failed_ = false;  // the reserve is given up
  std::atomic<void*> reserve_ = nullptr;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_MEMORY_BUDGET_H_
