#include "services/common/fips/power_up.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "services/common/files/durable_file.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

using ::testing::HasSubstr;

std::string Path(const char* name) {
  return std::string(std::getenv("TEST_TMPDIR")) + "/" + name;
}

PowerUpOptions Options(const char* name) {
  PowerUpOptions options;
  options.failed_starts_file = Path(name);
  return options;
}

// IMP-69: the program is compared with what was delivered.
TEST(PowerUpTest, TheProgramIsTheOneOfItsIntegrityFile) {
  SP_ASSERT_OK_AND_ASSIGN(const std::string sha256, ProgramSha256());
  EXPECT_EQ(sha256.size(), 64u);
  const std::string file = Path("integrity");
  ASSERT_THAT(WriteDurableFile(file, sha256 + "  the_service\n"), IsOk());
  EXPECT_THAT(CheckIntegrity(file), IsOk());
  EXPECT_THAT(CheckIntegrity(""), IsOk());
  ASSERT_THAT(WriteDurableFile(file, std::string(64, '0') + "\n"), IsOk());
  EXPECT_THAT(CheckIntegrity(file), HasReason("FIPS_INTEGRITY"));
  EXPECT_THAT(CheckIntegrity(Path("absent")), HasReason("FIPS_INTEGRITY"));
}

// IMP-74, IMP-75: a failure ends the start, and a restart may cure it.
TEST(PowerUpTest, AFailureIsCountedAndASuccessClearsTheCount) {
  PowerUpOptions options = Options("transient");
  EXPECT_THAT(RunPowerUpTests(options), IsOk());
  options.broken = "SHA-256";
  const absl::Status failed = RunPowerUpTests(options);
  EXPECT_THAT(failed, HasReason("FIPS_SELF_TEST_FAILED"));
  EXPECT_THAT(std::string(failed.message()),
              HasSubstr("self tests failed: SHA-256"));
  EXPECT_EQ(*ReadWholeFile(options.failed_starts_file, 10), "1");
  options.broken = "";
  EXPECT_THAT(RunPowerUpTests(options), IsOk());
  EXPECT_EQ(*ReadWholeFile(options.failed_starts_file, 10), "0");
}

// IMP-76: the third in a row halts until somebody ends it.
TEST(PowerUpTest, TheThirdFailureInARowHalts) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  PowerUpOptions options = Options("lasting");
  options.integrity_file = Path("absent");
  std::string why;
  options.on_halt = [&why](const std::string& words) {
    why = words;
    kill(getpid(), SIGTERM);
  };
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(RunPowerUpTests(options), HasReason("FIPS_INTEGRITY"));
    EXPECT_EQ(why, "");
  }
  EXPECT_THAT(RunPowerUpTests(options), HasReason("FIPS_INTEGRITY"));
  EXPECT_THAT(why, HasSubstr("integrity file"));
}

}  // namespace
}  // namespace sallyport
