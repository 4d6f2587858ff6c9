#include "services/common/log/line_queue.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/net/unique_fd.h"
#include "services/common/testing/stuck_pipe.h"

namespace sallyport {
namespace {

using ::testing::ElementsAre;

std::string Content(const std::string& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

TEST(LineQueueTest, LinesAreWrittenWholeAndInOrder) {
  StuckPipe pipe;
  LineQueue queue(pipe.in(), {});
  std::vector<std::string> all;
  for (int i = 0; i < 5000; ++i) {
    all.push_back("line " + std::to_string(i));
    EXPECT_TRUE(queue.Append(all.back()));
  }
  EXPECT_EQ(queue.waiting(), 5000u);
  EXPECT_EQ(pipe.ReadUntil("line 4999"), all);
  EXPECT_TRUE(queue.Flush(absl::Seconds(20)));
  EXPECT_EQ(queue.written(), 5000u);
  EXPECT_EQ(queue.waiting(), 0u);
}

// Nobody reads: appending waits for nothing, what is too much is counted, and
// it is told once, when half of the queue is free, and after what was taken.
TEST(LineQueueTest, ABlockedPipeHoldsNobodyUpAndItsGapIsTold) {
  StuckPipe pipe;
  LineQueue* self = nullptr;
  std::vector<LineQueue::Counts> gaps;
  LineQueue::Options options;
  constexpr size_t kLines = 10;
  options.max_bytes = kLines * (4 + 1 + LineQueue::kLineOverhead);
  options.on_resume = [&](const LineQueue::Counts& dropped) {
    gaps.push_back(dropped);
    EXPECT_TRUE(self->Append("gap!"));
  };
  LineQueue queue(pipe.in(), std::move(options));
  self = &queue;
  const absl::Time begin = absl::Now();
  for (size_t i = 0; i < 100'000; ++i) {
    EXPECT_EQ(queue.Append("line"), i < kLines) << i;
  }
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
  EXPECT_FALSE(queue.Flush(absl::Milliseconds(20)));
  EXPECT_EQ(queue.dropped(LineDrop::kBlocked), 100'000 - kLines);
  EXPECT_EQ(queue.dropped(LineDrop::kRefused), 0u);
  std::vector<std::string> expected(kLines, "line");
  expected.push_back("gap!");
  EXPECT_EQ(pipe.ReadUntil("gap!"), expected);
  EXPECT_TRUE(queue.Append("more"));
  EXPECT_THAT(pipe.ReadUntil("more"), ElementsAre("more"));
  EXPECT_THAT(gaps, ElementsAre(LineQueue::Counts{100'000 - kLines, 0}));
  EXPECT_EQ(queue.dropped(LineDrop::kBlocked), 100'000 - kLines);
}

TEST(LineQueueTest, ANonBlockingPipeIsWaitedFor) {
  StuckPipe pipe;
  pipe.SetNonBlocking(true);
  LineQueue queue(pipe.in(), {});
  EXPECT_TRUE(queue.Append("one"));
  EXPECT_FALSE(queue.Flush(absl::Milliseconds(20)));
  EXPECT_THAT(pipe.ReadUntil("one"), ElementsAre("one"));
  EXPECT_TRUE(queue.Flush(absl::Seconds(20)));
}

TEST(LineQueueTest, WhatIsRefusedWaitsAndIsTriedAgain) {
  const std::string path = testing::TempDir() + "/refused";
  const UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  const UniqueFd file(
      open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  const UniqueFd fd(dup(full.get()));
  std::atomic<int> refusals = 0;
  LineQueue::Options options;
  options.max_bytes = 3 * (1 + 1 + LineQueue::kLineOverhead);
  options.sync = true;
  options.on_refused = [&](const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    ++refusals;
  };
  LineQueue queue(fd.get(), std::move(options));
  EXPECT_TRUE(queue.Append("a"));
  // It does not wait for the retry.
  EXPECT_FALSE(queue.Flush(absl::Seconds(20)));
  EXPECT_GE(refusals, 1);
  EXPECT_TRUE(queue.Append("b"));
  EXPECT_TRUE(queue.Append("c"));
  EXPECT_FALSE(queue.Append("d"));
  EXPECT_EQ(queue.dropped(LineDrop::kRefused), 1u);
  EXPECT_EQ(queue.written(), 0u);
  // There is room again.
  ASSERT_EQ(dup2(file.get(), fd.get()), fd.get());
  for (int i = 0; i < 200 && queue.waiting() > 0; ++i) {
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_EQ(Content(path), "a\nb\nc\n");
  EXPECT_EQ(queue.written(), 3u);
}

TEST(LineQueueTest, AClosedPipeEndsNothing) {
  StuckPipe pipe;
  pipe.CloseReader();
  LineQueue::Options options;
  options.max_bytes = 1000;
  LineQueue queue(pipe.in(), std::move(options));
  EXPECT_TRUE(queue.Append("lost"));
  EXPECT_FALSE(queue.Flush(absl::Seconds(20)));
  while (queue.Append("more")) {
  }
  EXPECT_EQ(queue.dropped(LineDrop::kRefused), 1u);
}

TEST(LineQueueTest, TheEndWritesWhatWaits) {
  StuckPipe pipe;
  std::vector<std::string> read;
  std::thread reader;
  {
    LineQueue queue(pipe.in(), {});
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(queue.Append("x"));
    EXPECT_TRUE(queue.Append("y"));
    reader = std::thread([&] { read = pipe.ReadUntil("y"); });
  }
  reader.join();
  EXPECT_EQ(read.size(), 101u);
}

}  // namespace
}  // namespace sallyport
