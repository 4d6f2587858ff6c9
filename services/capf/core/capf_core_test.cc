#include "services/capf/core/capf_core.h"

#include <string>
#include <variant>

#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"

namespace sallyport::capf {
namespace {

const MonoTime kStart = MonoTime::FromOrigin(absl::Seconds(1000));

bool Closes(const CapfCore::Actions& actions) {
  for (const CapfCore::Action& action : actions) {
    if (std::holds_alternative<CapfSession::Close>(action.action)) return true;
  }
  return false;
}

uint32_t SessionIdOf(const CapfCore::Actions& actions) {
  for (const CapfCore::Action& action : actions) {
    const auto* send = std::get_if<CapfSession::Send>(&action.action);
    if (send == nullptr) continue;
    return ParseCapfMessage(AsBytes(send->wire)).value()->message.session_id;
  }
  ADD_FAILURE() << "nothing sent";
  return 0;
}

std::string AuthResponse(uint32_t session_id) {
  CapfMessage m;
  m.opcode = CapfOpcode::kAuthResponse;
  m.session_id = session_id;
  m.protocol_version = 3;
  m.device_name = "SEP1";
  m.authentication_string = "1234";
  return SerializeCapfMessage(m).value();
}

TEST(CapfCoreTest, SessionsAreApart) {
  FakeRandom random(1);
  CapfCore core({}, random);
  EXPECT_TRUE(core.OnConnected(1, "10.0.0.1", kStart).empty());
  EXPECT_TRUE(core.OnConnected(2, "10.0.0.1", kStart).empty());
  const uint32_t first = SessionIdOf(core.OnSecured(1, kStart));
  const uint32_t second = SessionIdOf(core.OnSecured(2, kStart));
  // pki.md 9.2: random, not a counter.
  EXPECT_NE(first, second);
  EXPECT_NE(second, first + 1);

  // The first one's id on the second one's connection ends only that.
  EXPECT_TRUE(Closes(core.OnData(2, AsBytes(AuthResponse(first)), kStart)));
  EXPECT_EQ(core.connections(), 1u);
  const auto actions = core.OnData(1, AsBytes(AuthResponse(first)), kStart);
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(actions[0].connection, 1u);
  EXPECT_TRUE(
      std::holds_alternative<CapfSession::Authenticate>(actions[0].action));
}

TEST(CapfCoreTest, AnswersForGoneConnectionsDoNothing) {
  FakeRandom random(1);
  CapfCore core({}, random);
  EXPECT_TRUE(core.OnSecured(9, kStart).empty());
  EXPECT_TRUE(core.OnData(9, AsBytes("x"), kStart).empty());
  EXPECT_TRUE(core.OnAdmission(9, {}, kStart).empty());
  EXPECT_TRUE(core.OnIssued(9, IssuedLsc{}, kStart).empty());
  EXPECT_TRUE(core.OnRecorded(9, absl::OkStatus(), kStart).empty());
  EXPECT_TRUE(core.OnClosed(9, kStart).empty());
}

TEST(CapfCoreTest, LimitsAreKept) {
  FakeRandom random(1);
  CapfCore core({.max_connections = 3, .max_connections_per_source = 2},
                random);
  EXPECT_FALSE(Closes(core.OnConnected(1, "a", kStart)));
  EXPECT_FALSE(Closes(core.OnConnected(2, "a", kStart)));
  EXPECT_TRUE(Closes(core.OnConnected(3, "a", kStart)));
  EXPECT_FALSE(Closes(core.OnConnected(4, "b", kStart)));
  EXPECT_TRUE(Closes(core.OnConnected(5, "c", kStart)));
  core.OnClosed(1, kStart);
  EXPECT_FALSE(Closes(core.OnConnected(6, "a", kStart)));
  EXPECT_EQ(core.stats().refused_limit, 2u);
  EXPECT_EQ(core.connections(), 3u);
}

// Guessing costs a connection, and a source has only so many of them.
TEST(CapfCoreTest, OneSourceCannotGuessFast) {
  FakeRandom random(1);
  CapfCore core({.source_burst = 5, .source_interval = absl::Seconds(1)},
                random);
  MonoTime now = kStart;
  int admitted = 0;
  for (ConnectionId id = 1; id <= 1000; ++id) {
    if (!Closes(core.OnConnected(id, "a", now))) {
      ++admitted;
      core.OnClosed(id, now);
    }
    now += absl::Milliseconds(10);  // ten seconds in all
  }
  EXPECT_GE(admitted, 5 + 9);
  EXPECT_LE(admitted, 5 + 11);
  EXPECT_FALSE(Closes(core.OnConnected(2000, "b", now)));
}

TEST(CapfCoreTest, SourcesThatLeftAreForgotten) {
  FakeRandom random(1);
  CapfCore core({}, random);
  MonoTime now = kStart;
  for (ConnectionId id = 1; id <= 20000; ++id) {
    EXPECT_FALSE(Closes(core.OnConnected(id, std::to_string(id), now)));
    core.OnClosed(id, now);
    now += absl::Seconds(1);
  }
  EXPECT_EQ(core.connections(), 0u);
}

TEST(CapfCoreTest, TheEarliestDeadlineCounts) {
  FakeRandom random(1);
  CapfCore core({}, random);
  EXPECT_EQ(core.deadline(), MonoTime::InfiniteFuture());
  core.OnConnected(1, "a", kStart);
  core.OnConnected(2, "a", kStart + absl::Seconds(5));
  EXPECT_EQ(core.deadline(), kStart + absl::Seconds(10));
  EXPECT_TRUE(core.OnDeadline(kStart + absl::Seconds(9)).empty());
  EXPECT_TRUE(Closes(core.OnDeadline(kStart + absl::Seconds(10))));
  EXPECT_EQ(core.connections(), 1u);
  EXPECT_EQ(core.deadline(), kStart + absl::Seconds(15));
  EXPECT_EQ(core.stats().ended_without_word, 1u);
}

}  // namespace
}  // namespace sallyport::capf
