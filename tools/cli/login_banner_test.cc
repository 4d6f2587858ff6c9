// The login banner over the real dialplan (IMP-01, IMP-03, IMP-05, IMP-06).

#include "tools/cli/login_banner.h"

#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/status_matchers.h"
#include "tools/cli/dialplan_fixture.h"

namespace sallyport::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class LoginBannerTest : public DialplanFixture {};

TEST_F(LoginBannerTest, ItComesBeforeTheFirstCommandOfASession) {
  const std::vector<std::string> get = {"--banner", "always", "get", "tenant",
                                        "t"};
  Apply("t", "t.test", "Authorised use only.\\n<b>Everything</b> is recorded.");
  // Whoever does not acknowledge it does nothing.
  EXPECT_EQ(Run(get, "n\n"), 1);
  EXPECT_THAT(err_.str(), HasSubstr("Authorised use only.\n<b>Everything</b> "
                                    "is recorded.\nI have read this (y/n): "));
  EXPECT_THAT(err_.str(), HasSubstr("BANNER_NOT_ACKNOWLEDGED"));
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(Run(get, ""), 1);
  EXPECT_EQ(Run(get, "y\n"), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("t.test"));
  // Once in a session; another text is another duty.
  EXPECT_EQ(Run(get), 0) << err_.str();
  EXPECT_THAT(err_.str(), Not(HasSubstr("Authorised")));
  Apply("t", "t.test", "New rules.");
  EXPECT_EQ(Run(get), 1);
  EXPECT_THAT(err_.str(), HasSubstr("New rules."));
  EXPECT_EQ(Run(get, "y\n"), 0);
  EXPECT_EQ(Run({"banner"}), 0);
  EXPECT_EQ(out_.str(), "New rules.\n");
  // Nobody sits at this terminal: scripts are not asked.
  Apply("t", "t.test", "Newer rules.");
  EXPECT_EQ(Run({"get", "tenant", "t"}), 0);
}

TEST_F(LoginBannerTest, TheInstallationsTextStandsForTenantsWithoutOne) {
  Apply("default", "d.test", "The installation's.");
  Apply("t", "t.test", "");
  EXPECT_EQ(Run({"banner"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "The installation's.\n");
  // A dialplan that is gone keeps nobody from the other services.
  process_.Kill();
  EXPECT_EQ(Run({"--banner", "always", "banner"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "");
}

// IMP-01, IMP-02: a text file is brought in by a command. IMP-05: for others
// than the own tenant by a word of its own.
TEST_F(LoginBannerTest, ATextFileIsTakenAndNothingElse) {
  Apply("default", "d.test", "");
  Apply("t", "t.test", "");
  const auto write = [&](const std::string& text) {
    const std::string path = process_.folder() + "/banner.txt";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  };
  EXPECT_EQ(Run({"banner", "set", write("Our rules.\r\n<b>All</b>\n\n")}), 0)
      << err_.str();
  EXPECT_EQ(out_.str(), "set for tenants/t\n");
  EXPECT_EQ(Run({"banner"}), 0);
  EXPECT_EQ(out_.str(), "Our rules.\n<b>All</b>\n");
  EXPECT_EQ(Run({"--tenant", "default", "banner"}), 0);
  EXPECT_EQ(out_.str(), "");
  // IMP-06: pictures, programs, other encodings.
  for (const std::string& bad :
       {std::string("\x89PNG\r\n\x1a\n", 8),
        std::string("\x7f"
                    "ELF\0",
                    5),
        std::string("\xff\xfeh\0", 4), std::string("\n")}) {
    EXPECT_EQ(Run({"banner", "set", write(bad)}), 1);
    EXPECT_THAT(err_.str(), HasSubstr("BANNER_NOT_TEXT"));
  }
  EXPECT_EQ(Run({"banner", "set", write(std::string(2049, 'x'))}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("VALUE_TOO_LONG"));
  EXPECT_EQ(Run({"banner"}), 0);
  EXPECT_EQ(out_.str(), "Our rules.\n<b>All</b>\n");

  EXPECT_EQ(Run({"banner", "set", "--installation", write("Everybody's.")}), 0)
      << err_.str();
  EXPECT_EQ(Run({"banner"}), 0);
  EXPECT_EQ(out_.str(), "Our rules.\n<b>All</b>\n");
  EXPECT_EQ(Run({"banner", "remove"}), 0) << err_.str();
  EXPECT_EQ(Run({"banner"}), 0);
  EXPECT_EQ(out_.str(), "Everybody's.\n");
}

}  // namespace
}  // namespace sallyport::cli
