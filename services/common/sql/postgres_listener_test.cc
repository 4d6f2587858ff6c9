#include "services/common/sql/postgres_listener.h"

#include <atomic>
#include <memory>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/testing/postgres_server.h"

namespace sallyport {
namespace {

// Waits until `condition` holds.
template <typename Condition>
bool Soon(Condition condition) {
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  while (!condition()) {
    if (absl::Now() > give_up) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

PostgresListener::Options OptionsOf(const PostgresServer& server,
                                    absl::Duration poll,
                                    std::atomic<int>& changes) {
  PostgresListener::Options out;
  out.server = server.options();
  out.channel = "plan";
  out.poll_period = poll;
  out.on_change = [&changes] { ++changes; };
  return out;
}

TEST(PostgresListenerTest, HearsOfNotificationsAlsoAfterARestart) {
  PostgresServer server;
  std::atomic<int> changes = 0;
  const PostgresListener listener(OptionsOf(server, absl::Hours(1), changes));
  // Once for what was committed before it listened.
  ASSERT_TRUE(Soon([&] { return changes == 1; }));
  server.Sql("NOTIFY other");
  server.Sql("NOTIFY plan");
  EXPECT_TRUE(Soon([&] { return changes == 2; }));

  server.Kill();
  EXPECT_TRUE(Soon([&] { return !listener.connected(); }));
  server.Start();
  EXPECT_TRUE(Soon([&] { return changes == 3; }));
  server.Sql("NOTIFY plan");
  EXPECT_TRUE(Soon([&] { return changes == 4; }));
}

TEST(PostgresListenerTest, PollsWhateverHappens) {
  PostgresServer server;
  std::atomic<int> changes = 0;
  const PostgresListener listener(
      OptionsOf(server, absl::Milliseconds(20), changes));
  EXPECT_TRUE(Soon([&] { return changes >= 5; }));
  server.Stop();
  EXPECT_TRUE(Soon([&] { return !listener.connected(); }));
  const int before = changes;
  EXPECT_TRUE(Soon([&] { return changes >= before + 5; }));
}

TEST(PostgresListenerTest, EndsAtOnceWhateverItWaitsFor) {
  PostgresOptions nowhere;
  nowhere.connection = "host=127.0.0.1 port=1 user=x dbname=x";
  std::atomic<int> changes = 0;
  PostgresListener::Options options;
  options.server = nowhere;
  options.channel = "plan";
  options.on_change = [&] { ++changes; };
  const absl::Time start = absl::Now();
  { const PostgresListener listener(options); }
  EXPECT_LT(absl::Now() - start, absl::Seconds(1));
}

}  // namespace
}  // namespace sallyport
