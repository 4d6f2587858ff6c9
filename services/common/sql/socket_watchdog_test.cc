#include "services/common/sql/socket_watchdog.h"

#include <sys/socket.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace sallyport {
namespace {

TEST(SocketWatchdogTest, EndsAWaitWhenItsTimeIsOver) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  SocketWatchdog dog;
  const absl::Time start = absl::Now();
  {
    const auto watch = dog.Start(pair[0], absl::Milliseconds(50));
    char octet;
    EXPECT_EQ(read(pair[0], &octet, 1), 0);
  }
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(50));
  close(pair[0]);
  close(pair[1]);
}

TEST(SocketWatchdogTest, LeavesAloneWhatIsDoneInTime) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  SocketWatchdog dog;
  { const auto watch = dog.Start(pair[0], absl::Milliseconds(10)); }
  const auto other = dog.Start(pair[1], absl::InfiniteDuration());
  absl::SleepFor(absl::Milliseconds(250));
  char octet = 'x';
  EXPECT_EQ(write(pair[0], &octet, 1), 1);
  EXPECT_EQ(read(pair[1], &octet, 1), 1);
  close(pair[0]);
  close(pair[1]);
}

}  // namespace
}  // namespace sallyport
