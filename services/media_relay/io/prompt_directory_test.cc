#include "services/media_relay/io/prompt_directory.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/media_relay/core/prompt_audio.h"
#include "services/media_relay/core/prompt_set.h"

namespace sallyport::media_relay {
namespace {

class PromptDirectoryTest : public testing::Test {
 protected:
  PromptDirectoryTest() {
    folder_ = testing::TempDir() + "/prompts_" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ + "/acme");
  }
  void Write(const std::string& name, const std::string& content) {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << content;
  }
  std::string folder_;
};

TEST_F(PromptDirectoryTest, ReadsWhatIsForAllAndForATenant) {
  Write("hold.pcmu", "\xFF\xFF");
  Write("hold.g722", "wide");
  Write("acme/hold.alaw", "\xD5");
  Write(".hidden", "anything");
  const auto prompts = LoadPrompts(folder_, 1 << 20);
  ASSERT_TRUE(prompts.ok()) << prompts.status();
  EXPECT_EQ((*prompts)->Find("t", "hold", PromptCodec::kG722)->octets, "wide");
  EXPECT_EQ((*prompts)->Find("t", "hold", PromptCodec::kPcma)->octets,
            "\xD5\xD5");
  EXPECT_EQ((*prompts)->Find("acme", "hold", PromptCodec::kPcmu)->octets,
            "\xFE");
  EXPECT_TRUE((*prompts)->Has("t", kDefaultPrompt));
}

TEST_F(PromptDirectoryTest, WhatIsNoPromptIsNamed) {
  Write("hold.wav", "RIFF");
  auto read = LoadPrompts(folder_, 1 << 20);
  EXPECT_EQ(ReasonOf(read.status()), "PROMPT_FILE_INVALID");
  EXPECT_NE(read.status().message().find("hold.wav"), std::string::npos);
  std::filesystem::remove(folder_ + "/hold.wav");
  Write("On Hold.pcmu", "x");
  EXPECT_EQ(ReasonOf(LoadPrompts(folder_, 1 << 20).status()),
            "PROMPT_NAME_INVALID");
  std::filesystem::remove(folder_ + "/On Hold.pcmu");
  Write("notes.txt", "x");
  EXPECT_EQ(ReasonOf(LoadPrompts(folder_, 1 << 20).status()),
            "PROMPT_NAME_INVALID");
  EXPECT_FALSE(LoadPrompts(folder_ + "/none", 1 << 20).ok());
}

TEST_F(PromptDirectoryTest, AllTogetherAreBounded) {
  const size_t melody = PromptSet().octets();
  Write("a.pcmu", std::string(1000, 'x'));
  EXPECT_TRUE(LoadPrompts(folder_, melody + 2000).ok());
  EXPECT_EQ(ReasonOf(LoadPrompts(folder_, melody + 1999).status()),
            "PROMPTS_TOO_LARGE");
  EXPECT_EQ(ReasonOf(LoadPrompts(folder_, 999).status()), "PROMPTS_TOO_LARGE");
}

TEST_F(PromptDirectoryTest, AChangeIsReadAndABadOneIsNot) {
  auto directory =
      PromptDirectory::Create(folder_, 1 << 20, absl::Milliseconds(5));
  ASSERT_TRUE(directory.ok()) << directory.status();
  EXPECT_FALSE((*directory)->first()->Has("t", "new"));
  absl::Notification changed;
  std::shared_ptr<const PromptSet> now;
  (*directory)->Watch([&](std::shared_ptr<const PromptSet> prompts) {
    if (changed.HasBeenNotified()) return;
    now = std::move(prompts);
    changed.Notify();
  });
  Write("bad.wav", "x");
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_FALSE(changed.HasBeenNotified());
  std::filesystem::rename(folder_ + "/bad.wav", folder_ + "/new.pcmu");
  ASSERT_TRUE(changed.WaitForNotificationWithTimeout(absl::Seconds(5)));
  EXPECT_TRUE(now->Has("t", "new"));
  directory->reset();
}

}  // namespace
}  // namespace sallyport::media_relay
