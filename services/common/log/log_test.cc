#include "services/common/log/log.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"

namespace sallyport {
namespace {

class LogTest : public testing::Test {
 protected:
  void Init(LogLevel level) {
    LogOptions options;
    options.service = "dialplan";
    options.instance = "dialplan-0";
    options.level = level;
    options.writer = [this](std::string_view line) {
      lines_.emplace_back(line);
    };
    InitLogging(options);
  }
  ~LogTest() override { InitLogging({}); }

  static google::protobuf::Struct Parse(const std::string& line) {
    google::protobuf::Struct out;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(line, &out).ok())
        << line;
    return out;
  }

  std::vector<std::string> lines_;
};

TEST_F(LogTest, OneJsonObjectALine) {
  Init(LogLevel::kInfo);
  LogInfo("snapshot \"published\"", {{"version", 7}, {"tenant", "default"}});
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(lines_[0].find('\n'), std::string::npos);
  const auto object = Parse(lines_[0]);
  EXPECT_EQ(object.fields().at("level").string_value(), "info");
  EXPECT_EQ(object.fields().at("service").string_value(), "dialplan");
  EXPECT_EQ(object.fields().at("instance").string_value(), "dialplan-0");
  EXPECT_EQ(object.fields().at("msg").string_value(), "snapshot \"published\"");
  EXPECT_EQ(object.fields().at("version").number_value(), 7);
  EXPECT_EQ(object.fields().at("tenant").string_value(), "default");
  absl::Time ts;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(
      absl::RFC3339_full, object.fields().at("ts").string_value(), &ts, &error))
      << error;
}

TEST_F(LogTest, TextWithFormatCharactersIsNotInterpreted) {
  Init(LogLevel::kInfo);
  LogInfo("100% {} of %v {0}");
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(Parse(lines_[0]).fields().at("msg").string_value(),
            "100% {} of %v {0}");
}

TEST_F(LogTest, LevelsBelowTheSetOneAreSilent) {
  Init(LogLevel::kWarning);
  LogDebug("a");
  LogInfo("b");
  LogWarning("c");
  LogError("d");
  ASSERT_EQ(lines_.size(), 2u);
  EXPECT_TRUE(absl::StrContains(lines_[0], "\"level\":\"warning\""));
  EXPECT_TRUE(absl::StrContains(lines_[1], "\"level\":\"error\""));
  EXPECT_FALSE(LogEnabled(LogLevel::kInfo));
  EXPECT_TRUE(LogEnabled(LogLevel::kError));
}

TEST_F(LogTest, APeerCannotFloodTheLog) {
  Init(LogLevel::kInfo);
  for (int i = 0; i < 1000; ++i) {
    SALLYPORT_LOG_LIMITED(kWarning, "peer refused", {{"reason", "X"}});
  }
  EXPECT_GE(lines_.size(), 10u);
  EXPECT_LE(lines_.size(), 13u);
}

TEST(LogLimiterTest, BurstThenRateThenTellsWhatItLeftOut) {
  LogLimiter limiter(/*per_second=*/1, /*burst=*/2);
  const absl::Time start = absl::FromUnixSeconds(1000);
  EXPECT_EQ(limiter.Admit(start), 0u);
  EXPECT_EQ(limiter.Admit(start), 0u);
  EXPECT_EQ(limiter.Admit(start), std::nullopt);
  EXPECT_EQ(limiter.Admit(start + absl::Milliseconds(500)), std::nullopt);
  EXPECT_EQ(limiter.Admit(start + absl::Milliseconds(1100)), 2u);
  // A clock that steps back neither opens nor breaks the limiter.
  EXPECT_EQ(limiter.Admit(start - absl::Hours(1)), std::nullopt);
  EXPECT_EQ(limiter.Admit(start + absl::Hours(1)), 1u);
  EXPECT_EQ(limiter.Admit(start + absl::Hours(1)), 0u);
  EXPECT_EQ(limiter.Admit(start + absl::Hours(1)), std::nullopt);
}

}  // namespace
}  // namespace sallyport
