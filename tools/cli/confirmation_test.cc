#include "tools/cli/confirmation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "services/common/status/status_matchers.h"
#include "tools/cli/service_clients.h"

namespace sallyport::cli {
namespace {

using ::testing::HasSubstr;

// CUC-03: the effect is told, and nothing but "y" goes on.
TEST(ConfirmationTest, TheEffectIsToldAndAskedAbout) {
  for (const char* answer : {"", "n", "yes", "Y", " y"}) {
    std::istringstream in(std::string(answer) + "\n");
    std::ostringstream out;
    EXPECT_THAT(AskForConfirmation(EffectOf("delete"), in, out),
                HasReason("NOT_CONFIRMED"))
        << answer;
    EXPECT_THAT(out.str(), HasSubstr("deletes resources for good"));
  }
  std::istringstream in("y\n");
  std::ostringstream out;
  EXPECT_TRUE(AskForConfirmation(EffectOf("apply"), in, out).ok());
  EXPECT_THAT(out.str(), HasSubstr("(y/n)"));
}

class ConfirmFirstTest : public ::testing::Test {
 protected:
  ConfirmFirstTest() {
    CLI::App* const drop = app_.add_subcommand("delete", "");
    drop->add_flag("--dry-run", dry_run_, "");
    drop->callback([] {});
    app_.add_subcommand("get", "")->callback([] {});
    CLI::App* const trust = app_.add_subcommand("trust", "");
    trust->add_subcommand("remove", "")->callback([] {});
    trust->add_subcommand("list", "")->callback([] {});
  }
  // Whether the command line is asked about.
  bool Asks(const std::string& line, ConfirmUse use = ConfirmUse::kAlways) {
    app_.clear();
    app_.parse(line);
    CliContext context(out_, out_);
    ConfirmFirst(app_, context, use);
    return context.before_first_call != nullptr;
  }

  CLI::App app_;
  std::ostringstream out_;
  bool dry_run_ = false;
};

TEST_F(ConfirmFirstTest, OnlyCommandsThatChangeSomethingAsk) {
  EXPECT_TRUE(Asks("delete"));
  EXPECT_TRUE(Asks("trust remove"));
  EXPECT_FALSE(Asks("trust list"));
  EXPECT_FALSE(Asks("get"));
  EXPECT_FALSE(Asks("delete --dry-run"));
  EXPECT_FALSE(Asks("delete", ConfirmUse::kNever));
  // A test has no terminal.
  EXPECT_FALSE(Asks("delete", ConfirmUse::kTerminals));
}

}  // namespace
}  // namespace sallyport::cli
