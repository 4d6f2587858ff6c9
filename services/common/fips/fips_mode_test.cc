#include "services/common/fips/fips_mode.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <string>

#include "services/common/files/durable_file.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

std::string Path(const char* name) {
  return std::string(std::getenv("TEST_TMPDIR")) + "/" + name;
}

// IMP-67: off until it was switched on.
TEST(FipsModeTest, IsKeptAndOffByDefault) {
  const std::string file = Path("kept");
  EXPECT_EQ(*ReadFipsMode(file), false);
  for (const bool on : {true, false, true}) {
    ASSERT_THAT(WriteFipsMode(file, on), IsOk());
    EXPECT_EQ(*ReadFipsMode(file), on);
  }
  struct stat mode = {};
  ASSERT_EQ(stat(file.c_str(), &mode), 0);
  EXPECT_EQ(mode.st_mode & 0777, 0600u);
}

// Nobody leaves the mode by a file that was damaged.
TEST(FipsModeTest, WhatSaysNeitherIsNoWayOut) {
  for (const char* const text : {"", "o", "ON\n", "off", "on\non\n",
                                 "a text that is much too long for a mode"}) {
    const std::string file = Path("broken");
    ASSERT_THAT(WriteDurableFile(file, text), IsOk());
    EXPECT_THAT(ReadFipsMode(file).status(), HasReason("FIPS_MODE_UNKNOWN"));
  }
}

TEST(FipsModeTest, RefusalsHaveOneReason) {
  EXPECT_THAT(NotAllowedInFipsMode("MD5"),
              HasReason("NOT_ALLOWED_IN_FIPS_MODE"));
}

}  // namespace
}  // namespace sallyport
