#include "services/common/metrics/process_metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace sallyport {
namespace {

double Value(const std::string& text, const std::string& name) {
  const size_t start = text.find("\n" + name + " ");
  double value = -1;
  if (start == std::string::npos) return value;
  const size_t from = start + name.size() + 2;
  EXPECT_TRUE(
      absl::SimpleAtod(text.substr(from, text.find('\n', from) - from), &value))
      << text;
  return value;
}

TEST(ProcessMetricsTest, TellsThisProcess) {
  const std::string text = ProcessMetricsText();
  EXPECT_GT(Value(text, "process_resident_memory_bytes"), 100'000);
  EXPECT_GE(Value(text, "process_virtual_memory_bytes"),
            Value(text, "process_resident_memory_bytes"));
  EXPECT_GE(Value(text, "process_threads"), 1);
  EXPECT_GE(Value(text, "process_cpu_seconds_total"), 0);
  EXPECT_NEAR(Value(text, "process_start_time_seconds"),
              absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()), 120);
}

TEST(ProcessMetricsTest, CountsOpenFiles) {
  const double before = Value(ProcessMetricsText(), "process_open_fds");
  const int fd = open("/dev/null", O_RDONLY);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(Value(ProcessMetricsText(), "process_open_fds"), before + 1);
  close(fd);
}

}  // namespace
}  // namespace sallyport
