#include "services/media_relay/io/memory_budget.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <new>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/log/log.h"
#include "services/common/memory/block_pool.h"

namespace sallyport::media_relay {
namespace {

// Nobody sets a limit like this: version 1's way to say that there is none.
constexpr uint64_t kNoLimit = uint64_t{1} << 60;

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

size_t MemoryInUse() {
  const struct mallinfo2 heap = mallinfo2();
  size_t pages = 0;
  size_t resident = 0;
  size_t shared = 0;
  if (FILE* const file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%zu %zu %zu", &pages, &resident, &shared) != 3) {
      resident = 0;
    }
    std::fclose(file);
  }
  // Pages of files are the kernel's to take back.
  resident -= std::min(resident, shared);
  resident *= static_cast<size_t>(sysconf(_SC_PAGESIZE));
  // What is free at the top of the heap may never have been touched.
  const size_t held = std::max(resident - std::min(resident, heap.fordblks),
                               heap.uordblks + heap.hblkhd);
  return held - std::min(held, BlockPool::ReturnedBytes());
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

void MemoryBudget::Measure() {
  // What is taken while it is measured counts twice, and not never.
  const size_t before = taken_.load(std::memory_order_relaxed);
  used_.store(MemoryInUse(), std::memory_order_relaxed);
  taken_.fetch_sub(before, std::memory_order_relaxed);
}

void MemoryBudget::Run() {
  // Without a bound it is told as a metric alone.
  const absl::Duration interval = limit_ == 0 ? absl::Seconds(1) : kInterval;
  bool told = false;
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), interval)) {
        return;
      }
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
