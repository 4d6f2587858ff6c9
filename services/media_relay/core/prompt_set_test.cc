#include "services/media_relay/core/prompt_set.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "services/media_relay/core/prompt_audio.h"

namespace sallyport::media_relay {
namespace {

TEST(PromptSetTest, HasAMelodyOutOfTheBox) {
  const PromptSet prompts;
  EXPECT_TRUE(prompts.Has("default", kDefaultPrompt));
  const auto mu = prompts.Find("t", kDefaultPrompt, PromptCodec::kPcmu);
  const auto a = prompts.Find("t", kDefaultPrompt, PromptCodec::kPcma);
  ASSERT_NE(mu, nullptr);
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(mu->octets, EncodeG711(PromptCodec::kPcmu, PromptMelody()));
  EXPECT_EQ(a->codec, PromptCodec::kPcma);
  EXPECT_EQ(prompts.Find("t", kDefaultPrompt, PromptCodec::kG722), nullptr);
}

TEST(PromptSetTest, ATenantsOwnComesFirst) {
  PromptSet prompts;
  prompts.Add("", "queue", {{PromptCodec::kPcmu, "all"}});
  prompts.Add("one", "queue", {{PromptCodec::kPcmu, "one"}});
  prompts.Add("one", "own", {{PromptCodec::kPcmu, "secret"}});
  EXPECT_EQ(prompts.Find("one", "queue", PromptCodec::kPcmu)->octets, "one");
  EXPECT_EQ(prompts.Find("two", "queue", PromptCodec::kPcmu)->octets, "all");
  EXPECT_FALSE(prompts.Has("two", "own"));
  EXPECT_EQ(prompts.Find("two", "own", PromptCodec::kPcmu), nullptr);
}

TEST(PromptSetTest, OneLawGivesTheOtherUntilThatIsPrepared) {
  PromptSet prompts;
  prompts.Add("", "x", {{PromptCodec::kPcmu, "\xFF\x80"}});
  EXPECT_EQ(prompts.Find("", "x", PromptCodec::kPcma)->octets, "\xD5\xAA");
  prompts.Add("", "x", {{PromptCodec::kPcma, "made"}});
  EXPECT_EQ(prompts.Find("", "x", PromptCodec::kPcma)->octets, "made");
  EXPECT_EQ(prompts.Find("", "x", PromptCodec::kPcmu)->octets, "\xFF\x80");
  prompts.Add("", "x", {{PromptCodec::kG722, "wide"}});
  EXPECT_EQ(prompts.Find("", "x", PromptCodec::kG722)->octets, "wide");
}

TEST(PromptSetTest, WhatIsPreparedReplacesTheMelody) {
  PromptSet prompts;
  prompts.Add("", kDefaultPrompt, {{PromptCodec::kPcma, "\xD5"}});
  EXPECT_EQ(prompts.Find("", kDefaultPrompt, PromptCodec::kPcma)->octets,
            "\xD5");
  EXPECT_EQ(prompts.Find("", kDefaultPrompt, PromptCodec::kPcmu)->octets.size(),
            1u);
}

TEST(PromptSetTest, Names) {
  EXPECT_TRUE(IsPromptName("on-hold_2"));
  for (const char* name : {"", "../x", "A", "a b", "a.b"}) {
    EXPECT_FALSE(IsPromptName(name)) << name;
  }
  EXPECT_FALSE(IsPromptName(std::string(65, 'a')));
}

}  // namespace
}  // namespace sallyport::media_relay
