#include "services/media_relay/io/memory_budget.h"

#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <istream>
#include <new>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/log/log.h"
#include "services/common/memory/block_pool.h"
#include "services/common/time/clock.h"
#include "services/common/time/mono_time.h"

namespace sallyport::media_relay {
namespace {

// Nobody sets a limit like this: version 1's way to say that there is none.
constexpr uint64_t kNoLimit = uint64_t{1} << 60;

// glibc's HEAP_MAX_SIZE where no tunable asks for huge pages.
constexpr uint64_t kArenaHeap = uint64_t{64} << 20;
#if defined(__SANITIZE_ADDRESS__)
// Its heap is its own, and mallinfo2() tells nothing.
constexpr bool kHeapsAreOfMalloc = false;
#else
constexpr bool kHeapsAreOfMalloc = true;
#endif

std::atomic<MemoryBudget*> the_budget = nullptr;

size_t ReadLimit(const std::string& file) {
  std::ifstream in(file);
  uint64_t limit = 0;
  // "max" is no number.
  if (!(in >> limit) || limit >= kNoLimit) return 0;
  return limit;
}

size_t Lower(size_t a, size_t b) {
  if (a == 0 || b == 0) return std::max(a, b);
  return std::min(a, b);
}

// Of the group and all above it; inside a container the group's own files are
// at the root.
size_t LeastLimit(const std::string& root, std::string group,
                  const std::string& file) {
  size_t least = ReadLimit(root + "/" + file);
  while (!group.empty() && group != "/") {
    least = Lower(least, ReadLimit(root + group + "/" + file));
    group.resize(group.rfind('/'));
  }
  return least;
}

}  // namespace

size_t MemoryOutsideHeaps(std::istream& smaps) {
  size_t octets = 0;
  uint64_t heap_end = 0;  // of the heap that was seen last
  bool counts = false;
  for (std::string line; std::getline(smaps, line);) {
    uint64_t first = 0;
    uint64_t end = 0;
    unsigned long inode = 0;
    int path = 0;
    std::array<char, 5> mode;
    size_t kilobytes = 0;
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s %*x %*s %lu %n",
                    &first, &end, mode.data(), &inode, &path) == 4) {
      const std::string_view name = std::string_view(line).substr(path);
      // An arena's heap is a reservation of that size, aligned to it, of which
      // the part in use is no longer without rights.
      if (kHeapsAreOfMalloc && first >= heap_end && inode == 0 &&
          name.empty() && first % kArenaHeap == 0 && mode[1] == 'w') {
        heap_end = first + kArenaHeap;
      }
      counts = first >= heap_end && name != "[heap]";
    } else if (counts && std::sscanf(line.c_str(), "Anonymous: %zu kB",
                                     &kilobytes) == 1) {
      octets += kilobytes << 10;
    }
  }
  return octets;
}

size_t MemoryOutsideHeaps() {
  std::ifstream smaps("/proc/self/smaps");
  return MemoryOutsideHeaps(smaps);
}

size_t MemoryInUse(size_t outside, size_t mapped) {
  const struct mallinfo2 heap = mallinfo2();
  // What was mapped since then counts as if it were all touched.
  const size_t held =
      outside + heap.uordblks + heap.hblkhd - std::min(heap.hblkhd, mapped);
  return held - std::min(held, BlockPool::ReturnedBytes());
}

size_t MemoryInUse() {
  const size_t mapped = mallinfo2().hblkhd;
  return MemoryInUse(MemoryOutsideHeaps(), mapped);
}

size_t CgroupMemoryLimit(const std::string& root,
                         std::string_view self_cgroup) {
  size_t least = 0;
  std::istringstream lines{std::string(self_cgroup)};
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      least = Lower(least, LeastLimit(root, group, "memory.max"));
    } else if (controllers == "memory") {
      least = Lower(
          least, LeastLimit(root + "/memory", group, "memory.limit_in_bytes"));
    }
  }
  return least;
}

size_t CgroupMemoryLimit() {
  std::ifstream in("/proc/self/cgroup");
  std::ostringstream text;
  text << in.rdbuf();
  return CgroupMemoryLimit("/sys/fs/cgroup", text.str());
}

MemoryBudget::MemoryBudget(size_t limit, std::function<void()> on_measured)
    : limit_(limit), on_measured_(std::move(on_measured)) {
  TakeReserve();
  MeasureOutside();
  Measure();
  the_budget = this;
  std::set_new_handler(&MemoryBudget::OnAllocationFailed);
  thread_ = std::thread([this] { Run(); });
}

MemoryBudget::~MemoryBudget() {
  std::set_new_handler(nullptr);
  the_budget = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
  if (void* const reserve = reserve_.exchange(nullptr)) {
    munmap(reserve, kReserve);
  }
}

// Any thread's, within operator new: no heap, no lock.
void MemoryBudget::OnAllocationFailed() {
  MemoryBudget* const budget = the_budget;
  void* const reserve =
      budget == nullptr ? nullptr : budget->reserve_.exchange(nullptr);
  if (reserve == nullptr) {
    static constexpr char kWhy[] = "media_relay: out of memory\n";
    (void)!write(2, kWhy, sizeof(kWhy) - 1);
    std::abort();
  }
  budget->failed_ = true;
  munmap(reserve, kReserve);
}

void MemoryBudget::TakeReserve() {
  // Touched, so that it counts wherever memory is counted.
  void* const reserve = mmap(nullptr, kReserve, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (reserve == MAP_FAILED) return;
  reserve_ = reserve;
  failed_ = false;
}

bool MemoryBudget::Take(MemoryUse use) {
  const size_t room = RoomFor(use);
  bool fits = !failed_.load(std::memory_order_relaxed);
  if (fits && limit_ != 0) {
    const size_t taken =
        taken_.fetch_add(room, std::memory_order_relaxed) + room;
    fits = used_.load(std::memory_order_relaxed) + taken <= limit_;
    if (!fits) taken_.fetch_sub(room, std::memory_order_relaxed);
  }
  if (!fits) refusals_.fetch_add(1, std::memory_order_relaxed);
  return fits;
}

void MemoryBudget::MeasureOutside() {
  mapped_.store(mallinfo2().hblkhd, std::memory_order_relaxed);
  outside_.store(MemoryOutsideHeaps(), std::memory_order_relaxed);
}

void MemoryBudget::Measure() {
  // What is taken while it is measured counts twice, and not never.
  const size_t before = taken_.load(std::memory_order_relaxed);
  used_.store(MemoryInUse(outside_.load(std::memory_order_relaxed),
                          mapped_.load(std::memory_order_relaxed)),
              std::memory_order_relaxed);
  taken_.fetch_sub(before, std::memory_order_relaxed);
}

void MemoryBudget::Run() {
  // Without a bound it is told as a metric alone.
  const absl::Duration interval = limit_ == 0 ? absl::Seconds(1) : kInterval;
  bool told = false;
  const Clock& clock = Clock::Real();
  MonoTime outside_next = clock.MonoNow() + kOutsideInterval;
  // Not before, though something was refused for mappings of which perhaps
  // little is touched.
  MonoTime outside_soonest = clock.MonoNow();
  uint64_t refusals_seen = 0;
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), interval)) {
        return;
      }
    }
    // The kernel goes through all pages for it: a hundredth of the time at
    // most.
    if (const MonoTime begun = clock.MonoNow();
        begun >= outside_next ||
        (begun >= outside_soonest && refusals() != refusals_seen &&
         mallinfo2().hblkhd > mapped_.load(std::memory_order_relaxed))) {
      refusals_seen = refusals();
      MeasureOutside();
      const MonoTime done = clock.MonoNow();
      outside_soonest = done + 100 * (done - begun);
      outside_next = std::max(done + kOutsideInterval, outside_soonest);
    }
    Measure();
    if (on_measured_) on_measured_();
    if (reserve_.load() == nullptr) {
      if (!told) LogError("memory ran out: nothing new is taken", {});
      told = true;
      TakeReserve();
      if (reserve_.load() != nullptr) {
        LogInfo("there is memory again", {});
        told = false;
      }
    }
  }
}

}  // namespace sallyport::media_relay
