// The console, before and behind the login banner (IMP-03, IMP-04).

#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/cli/dialplan_fixture.h"

namespace sallyport::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ConsoleTest : public DialplanFixture {};

size_t CountOf(const std::string& what, const std::string& text) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

TEST_F(ConsoleTest, LinesOfAFileAreCommands) {
  Apply("t", "t.test", "<b>Authorised</b> use only.");
  EXPECT_EQ(Run({"console"},
                "y\n# what there is\nget tenant t\n\nget tenant t -o name\n"
                "exit\nget tenant nobody\n"),
            0)
      << err_.str();
  // Before the login, asked for, and after it; markup as it is written.
  EXPECT_THAT(
      err_.str(),
      HasSubstr("<b>Authorised</b> use only.\nI have read this (y/n): "));
  EXPECT_THAT(out_.str(),
              HasSubstr("<b>Authorised</b> use only.\nSigned in for "
                        "tenant t. help lists the commands"));
  EXPECT_THAT(out_.str(), HasSubstr("t.test"));
  EXPECT_THAT(out_.str(), HasSubstr("tenants/t\n"));
}

TEST_F(ConsoleTest, WhoDoesNotAcknowledgeIsNotLetIn) {
  Apply("t", "t.test", "Authorised use only.");
  EXPECT_EQ(Run({"console"}, "n\nget tenant t\n"), 1);
  EXPECT_THAT(err_.str(), HasSubstr("BANNER_NOT_ACKNOWLEDGED"));
  EXPECT_EQ(out_.str(), "");
}

TEST_F(ConsoleTest, AFileEndsAtTheFirstFailure) {
  Apply("t", "t.test", "");
  EXPECT_EQ(Run({"console"}, "get tenant nobody\nget tenant t\n"), 1);
  EXPECT_THAT(out_.str(), Not(HasSubstr("t.test")));
  EXPECT_EQ(Run({"console"}, "no-such-command\nget tenant t\n"), 2);
  EXPECT_EQ(Run({"console"}, "get 'tenant\nget tenant t\n"), 1);
  EXPECT_THAT(err_.str(), HasSubstr("LINE_MALFORMED"));
  EXPECT_EQ(Run({"console"}, "console\n"), 2);
  EXPECT_EQ(Run({"console"}, "help\n"), 0);
  EXPECT_THAT(out_.str(), HasSubstr("explain-route"));
}

// A tenant that the console was started for is that of its commands.
TEST_F(ConsoleTest, CommandsAreOfTheConsolesTenant) {
  Apply("t", "t.test", "");
  Apply("u", "u.test", "");
  EXPECT_EQ(
      Run({"--tenant", "u", "console"}, "get tenant u\n--tenant t banner\n"), 0)
      << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("Signed in for tenant u."));
}

// The real program at a real terminal.
TEST_F(ConsoleTest, AtATerminalLinesAreEditedAndCompleted) {
  Apply("t", "t.test", "Authorised use only.");
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  ASSERT_GE(child, 0);
  if (child == 0) {
    setenv("TERM", "vt100", 1);
    execl("tools/cli/sallyport", "sallyport", "--config", config_.c_str(),
          "console", nullptr);
    _exit(127);
  }
  std::string seen;
  const auto wait_for = [&](const std::string& what, size_t times) {
    while (CountOf(what, seen) < times) {
      char buffer[4096];
      const ssize_t got = read(terminal, buffer, sizeof(buffer));
      if (got <= 0) return false;
      seen.append(buffer, static_cast<size_t>(got));
    }
    return true;
  };
  const auto type = [&](const std::string& keys) {
    ASSERT_EQ(write(terminal, keys.data(), keys.size()),
              static_cast<ssize_t>(keys.size()));
  };
  ASSERT_TRUE(wait_for("(y/n): ", 1)) << seen;
  EXPECT_EQ(CountOf("Authorised use only.", seen), 1u);
  type("y\n");
  ASSERT_TRUE(wait_for("exit leaves.", 1)) << seen;
  EXPECT_EQ(CountOf("Authorised use only.", seen), 2u);
  ASSERT_TRUE(wait_for("sallyport> ", 1)) << seen;
  // A key too many is taken back; a failure ends nothing.
  type("get tenant nobodyx\b\n");
  ASSERT_TRUE(wait_for("NOT_FOUND", 1)) << seen;
  // explain-route is the one that begins so.
  type("expl\t--help\n");
  ASSERT_TRUE(wait_for("Usage: sallyport explain-route", 1)) << seen;
  type("get tenant t\n");
  ASSERT_TRUE(wait_for("t.test", 1)) << seen;
  type("exit\n");
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << seen;
  close(terminal);
}

}  // namespace
}  // namespace sallyport::cli
