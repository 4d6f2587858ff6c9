#include "services/media_relay/io/memory_budget.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/memory/block_pool.h"
#include "services/media_relay/core/memory_gate.h"

namespace sallyport::media_relay {
namespace {

constexpr size_t kMegabyte = 1 << 20;

TEST(MemoryInUseTest, FollowsWhatIsHeldAndNotWhatWas) {
  const size_t before = MemoryInUse();
  std::vector<std::unique_ptr<char[]>> held;
  for (int i = 0; i < 4096; ++i) {
    held.push_back(std::make_unique<char[]>(4096));
  }
  const size_t at_most = MemoryInUse();
  EXPECT_GT(at_most, before + 15 * kMegabyte);
  held.clear();
  EXPECT_LT(MemoryInUse(), before + 4 * kMegabyte);
}

// What was free already and what is free again count alike, whether pages were
// ever touched or not: else a relay that had been full would find less room
// than one that never was.
TEST(MemoryInUseTest, WhatIsFreeAgainIsAsFreeAsWhatNeverWasUsed) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "AddressSanitizer's heap keeps what is given back";
#endif
  // A heap of its own, most of which no thread has touched.
  std::thread([] {
    std::vector<std::unique_ptr<char[]>> held;
    held.reserve(5000);
    const size_t before = MemoryInUse();
    for (int i = 0; i < 4096; ++i) {
      held.push_back(std::make_unique<char[]>(4000));
    }
    const size_t full = MemoryInUse();
    EXPECT_GE(full, before + 4096 * 4000);
    EXPECT_LE(full, before + 4096 * 4000 + kMegabyte);
    // Every other one: heaps do not shrink.
    for (size_t i = 0; i < held.size(); i += 2) held[i].reset();
    const size_t half = MemoryInUse();
    EXPECT_LE(half, full - 2000 * 4000);
    EXPECT_GE(half, before + 2000 * 4000);
    held.clear();
    EXPECT_LE(MemoryInUse(), before + kMegabyte / 4);
  }).join();
}

TEST(MemoryOutsideHeapsTest, CountsWhatIsNoFilesAndNoHeaps) {
  std::istringstream smaps(
      "55d18c260000-55d18c263000 rw-p 00000000 fe:00 247741   /usr/bin/relay\n"
      "Rss:                  12 kB\n"
      "Anonymous:             4 kB\n"
      "55d18d000000-55d18d021000 rw-p 00000000 00:00 0        [heap]\n"
      "Anonymous:           132 kB\n"
      // An arena's heap: in use, huge pages, in use, not yet.
      "7f1c00000000-7f1c00200000 rw-p 00000000 00:00 0 \n"
      "Anonymous:           900 kB\n"
      "7f1c00200000-7f1c00400000 rw-p 00000000 00:00 0 \n"
      "Anonymous:          2048 kB\n"
      "7f1c00400000-7f1c00500000 rw-p 00000000 00:00 0 \n"
      "Anonymous:           100 kB\n"
      "7f1c00500000-7f1c04000000 ---p 00000000 00:00 0 \n"
      "Anonymous:             0 kB\n"
      // A thread's stack behind it.
      "7f1c04001000-7f1c04801000 rw-p 00000000 00:00 0 \n"
      "Anonymous:            16 kB\n"
      "7f1c05000000-7f1c05200000 rw-s 00000000 00:0e 15       anon_inode:bpf\n"
      "Anonymous:             0 kB\n"
      "7ffd4d600000-7ffd4d640000 rw-p 00000000 00:00 0        [stack]\n"
      "Anonymous:            64 kB\n");
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "AddressSanitizer has another heap";
#endif
  EXPECT_EQ(MemoryOutsideHeaps(smaps), (4u + 16 + 64) << 10);
  EXPECT_GT(MemoryOutsideHeaps(), 0u);
}

// Pools keep their pieces; what objects gave back there is free nonetheless.
TEST(MemoryInUseTest, BlocksThatPoolsHaveBackAreFree) {
  constexpr size_t kBlocks = 16;
  BlockPool pool(BlockPool::kPiece);
  const size_t before = MemoryInUse();
  std::vector<void*> blocks;
  for (size_t i = 0; i < kBlocks; ++i) {
    blocks.push_back(pool.Take());
    std::memset(blocks.back(), 1, BlockPool::kPiece);
  }
  const size_t full = MemoryInUse();
  EXPECT_GE(full, before + (kBlocks - 1) * BlockPool::kPiece);
  for (void* const block : blocks) pool.Give(block);
  EXPECT_LE(MemoryInUse(), full - (kBlocks - 1) * BlockPool::kPiece);
}

TEST(MemoryBudgetTest, WhatIsTakenCountsAtItsMostUntilItIsMeasured) {
  MemoryBudget budget(MemoryInUse() + MemoryBudget::kReserve + 4 * kMegabyte);
  // Between two measurements, which are 50 ms apart.
  int sessions = 0;
  while (sessions < 1000 && budget.Take(MemoryUse::kSession)) ++sessions;
  EXPECT_GT(sessions, 60);
  EXPECT_LT(sessions, 1000);
  EXPECT_GT(budget.refusals(), 0u);
  // Nothing of it was really used.
  for (int i = 0; i < 100 && !budget.Take(MemoryUse::kSession); ++i) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_TRUE(budget.Take(MemoryUse::kSession));
}

TEST(MemoryBudgetTest, FullWhileItIsHeld) {
  MemoryBudget budget(MemoryInUse() + MemoryBudget::kReserve + 4 * kMegabyte);
  std::vector<std::unique_ptr<char[]>> held;
  for (int i = 0; i < 2048; ++i) {
    held.push_back(std::make_unique<char[]>(4096));
  }
  budget.Measure();
  EXPECT_FALSE(budget.Take(MemoryUse::kPermission));
  EXPECT_FALSE(budget.Take(MemoryUse::kAllocation));
  held.clear();
  budget.Measure();
  EXPECT_TRUE(budget.Take(MemoryUse::kAllocation));
}

TEST(MemoryBudgetTest, NoBoundRefusesNothing) {
  MemoryBudget budget(0);
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_TRUE(budget.Take(MemoryUse::kPeerConnection));
  }
}

// Whether every other thread of this process waits.
bool OthersSleep() {
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == std::to_string(gettid())) continue;
    std::ifstream stat(task.path() / "stat");
    std::string pid, name, state;
    if (stat >> pid >> name >> state && state != "S") return false;
  }
  return true;
}

// The allocator refuses: the reserve lets the process go on with what it has,
// nothing new is granted, and all is well again when there is memory.
void RunOutAndRecover() {
  MemoryBudget budget(0);
  // Its thread needs memory to wait for the first time.
  while (!OthersSleep()) absl::SleepFor(absl::Milliseconds(1));
  const rlimit few = {64 * kMegabyte, RLIM_INFINITY};
  rlimit before;
  getrlimit(RLIMIT_AS, &before);
  rlimit now = few;
  // What is mapped, and a little.
  std::ifstream statm("/proc/self/statm");
  size_t pages = 0;
  statm >> pages;
  now.rlim_cur = pages * 4096 + 2 * kMegabyte;
  if (setrlimit(RLIMIT_AS, &now) != 0) std::exit(2);
  std::vector<std::unique_ptr<char[]>> held;
  held.reserve(100'000);
  bool refused = false;
  for (int i = 0; i < 100'000 && !refused; ++i) {
    // Touched by construction; from the heap, not mapped one by one.
    held.push_back(std::make_unique<char[]>(16 << 10));
    refused = !budget.Take(MemoryUse::kAllocation);
  }
  if (!refused) std::exit(3);
  // It still goes on: the reserve is there to be used.
  const auto more = std::make_unique<char[]>(16 << 10);
  held.clear();
  if (setrlimit(RLIMIT_AS, &before) != 0) std::exit(4);
  for (int i = 0; i < 300; ++i) {
    if (budget.Take(MemoryUse::kAllocation)) std::exit(0);
    absl::SleepFor(absl::Milliseconds(10));
  }
  std::exit(5);
}

TEST(MemoryBudgetDeathTest, AnAllocatorThatRefusesIsSurvivedOnce) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "AddressSanitizer's own address space is beyond any limit";
#endif
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(RunOutAndRecover(), testing::ExitedWithCode(0), "");
}

TEST(CgroupMemoryLimitTest, TheLeastOfAllGroupsOfBothVersions) {
  const std::string root = testing::TempDir() + "/cgroup";
  const auto write = [&](const std::string& folder, const std::string& file,
                         const std::string& text) {
    std::string path = root;
    mkdir(path.c_str(), 0700);
    for (size_t at = 0; at < folder.size();) {
      const size_t end = std::min(folder.find('/', at + 1), folder.size());
      path += folder.substr(at, end - at);
      mkdir(path.c_str(), 0700);
      at = end;
    }
    std::ofstream(path + "/" + file) << text << "\n";
  };
  EXPECT_EQ(CgroupMemoryLimit(root, "0::/none\n"), 0u);
  write("/a/b", "memory.max", "max");
  EXPECT_EQ(CgroupMemoryLimit(root, "0::/a/b\n"), 0u);
  write("/a", "memory.max", "1000000");
  write("/a/b", "memory.max", "2000000");
  EXPECT_EQ(CgroupMemoryLimit(root, "0::/a/b\n"), 1000000u);
  EXPECT_EQ(CgroupMemoryLimit(root, "0::/\n"), 0u);
  // Inside a container.
  write("", "memory.max", "700000");
  EXPECT_EQ(CgroupMemoryLimit(root, "0::/\n"), 700000u);
  EXPECT_EQ(CgroupMemoryLimit(root, "0::/a/b\n"), 700000u);
  write("/memory/pod", "memory.limit_in_bytes", "600000");
  write("/memory", "memory.limit_in_bytes", "9223372036854771712");
  EXPECT_EQ(CgroupMemoryLimit(root, "8:pids:/x\n4:memory:/pod\n0::/\n"),
            600000u);
  EXPECT_EQ(CgroupMemoryLimit(root, "nonsense"), 0u);
}

}  // namespace
}  // namespace sallyport::media_relay
