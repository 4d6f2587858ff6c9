#include "services/dialplan/core/loop_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/dialplan/core/number_way_fixture.h"
#include "services/dialplan/core/plan_fixture.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using LoopRulesTest = NumberWayTest;

constexpr char kLoop[] = "translation_pattern.called_party ROUTING_LOOP";

TEST_F(LoopRulesTest, ATranslationThatTakesWhatItMakes) {
  EXPECT_THAT(Check(Translation("a", "1XXX", "1XXX")), ElementsAre(kLoop));
  EXPECT_THAT(faults_[0].description, HasSubstr("1000 at"));
  // The number grows and never ends.
  TranslationPatternEntry grows = Translation("a", "9!", "");
  grows.transformation.called_prefix = "9";
  EXPECT_THAT(Check(grows), ElementsAre(kLoop));
  // The access code comes off and goes on again.
  TranslationPatternEntry access = Translation("a", "9.XXXX", "");
  access.transformation.discard = DiscardDigits::kPreDot;
  access.transformation.called_prefix = "9";
  EXPECT_THAT(Check(access), ElementsAre(kLoop));
  access.transformation.called_prefix = "";
  EXPECT_THAT(Check(access), IsEmpty());
  EXPECT_THAT(Check(Translation("b", "2XXX", "3XXX")), IsEmpty());
}

TEST_F(LoopRulesTest, TranslationsThatLeadToEachOther) {
  Add(Translation("a", "5XX", "6XX"));
  EXPECT_THAT(Check(Translation("b", "6XX", "5XX")), ElementsAre(kLoop));
  EXPECT_THAT(faults_[0].description,
              HasSubstr("tenants/t/translationPatterns/a"));
  // Three of them.
  Add(Translation("b", "6XX", "7XX"));
  EXPECT_THAT(Check(Translation("c", "7XX", "5XX")), ElementsAre(kLoop));
  // One number among many that no example of its own would meet.
  Add(Translation("d", "812", "912"));
  EXPECT_THAT(Check(Translation("e", "9XX", "8XX")), ElementsAre(kLoop));
}

TEST_F(LoopRulesTest, WhatEndsALoop) {
  // A closer pattern takes the call.
  Add(TestPattern("out", "1XXX", "gw"));
  RoutePatternEntry closer = TestPattern("r", "6[0-9]X", "gw");
  closer.partition = "tenants/t/partitions/p";
  Add(closer);
  Add(Translation("a", "5XX", "6XX"));
  EXPECT_THAT(Check(Translation("b", "[567]XX", "5XX")), IsEmpty());
  // Where the next lookup does not show it, there is none.
  TranslationPatternEntry elsewhere = Translation("c", "4XXX", "4XXX");
  elsewhere.partition = "tenants/t/partitions/q";
  EXPECT_THAT(Check(elsewhere), IsEmpty());
  // Nor if it blocks or is disabled.
  TranslationPatternEntry off = Translation("d", "3XXX", "3XXX");
  off.disabled = true;
  EXPECT_THAT(Check(off), IsEmpty());
  off.disabled = false;
  off.action = PatternAction::kBlock;
  EXPECT_THAT(Check(off), IsEmpty());
}

// Looked up as the caller would.
TEST_F(LoopRulesTest, ATranslationInItsCallersSearchSpace) {
  TranslationPatternEntry entry = Translation("a", "2XXX", "2XXX");
  entry.calling_search_space = "";
  entry.use_originator_search_space = true;
  EXPECT_THAT(Check(entry), ElementsAre(kLoop));
  entry.partition = "tenants/t/partitions/q";  // no search space shows it
  EXPECT_THAT(Check(entry), IsEmpty());
}

TEST_F(LoopRulesTest, LinesThatForward) {
  LineEntry line = Line("4001");
  line.forward_all.number = "4001";
  line.forward_busy.number = "4001";
  EXPECT_THAT(Check(line),
              ElementsAre("line.forward_all.number ROUTING_LOOP",
                          "line.forward_busy.number ROUTING_LOOP"));
  line.forward_all.number = "4002";
  line.forward_busy.number = "4002";
  Add(line);
  LineEntry other = Line("4002");
  other.forward_all.number = "4001";
  EXPECT_THAT(Check(other),
              ElementsAre("line.forward_all.number ROUTING_LOOP"));
  // When busy only, one of the two rings.
  line.forward_all = {};
  Add(line);
  other.forward_all = {};
  other.forward_busy.number = "4001";
  Add(other);
  // Through a translation.
  Add(Translation("a", "7XXX", "4XXX"));
  line.forward_no_answer.number = "7001";
  EXPECT_THAT(Check(line),
              ElementsAre("line.forward_no_answer.number ROUTING_LOOP"));
}

TEST_F(LoopRulesTest, HuntPilotsThatForwardToThemselves) {
  Add(HuntListEntry{"tenants/t/huntLists/l"});
  HuntPilotEntry pilot;
  pilot.name = "tenants/t/huntPilots/p";
  pilot.pattern = "5XX0";
  pilot.hunt_list = "tenants/t/huntLists/l";
  pilot.forward_no_answer.number = "5010";
  EXPECT_THAT(Check(pilot),
              ElementsAre("hunt_pilot.forward_no_answer.number ROUTING_LOOP"));
  pilot.forward_no_answer.number = "4001";
  Add(pilot);
}

TEST_F(LoopRulesTest, VoicemailThatGoesToVoicemail) {
  Add(HuntListEntry{"tenants/t/huntLists/l"});
  VoicemailPilotEntry voicemail;
  voicemail.name = "tenants/t/voicemailPilots/v";
  voicemail.number = "8000";
  voicemail.calling_search_space = "tenants/t/callingSearchSpaces/c";
  Add(voicemail);
  VoicemailProfileEntry profile;
  profile.name = "tenants/t/voicemailProfiles/f";
  profile.voicemail_pilot = voicemail.name;
  profile.is_default = true;
  Add(profile);
  HuntPilotEntry pilot;
  pilot.name = "tenants/t/huntPilots/p";
  pilot.pattern = "8000";
  pilot.partition = "tenants/t/partitions/p";
  pilot.hunt_list = "tenants/t/huntLists/l";
  Add(pilot);
  // Voicemail that nobody answers does not go to voicemail.
  pilot.forward_no_answer.voicemail = true;
  EXPECT_THAT(
      Check(pilot),
      ElementsAre("hunt_pilot.forward_no_answer.voicemail ROUTING_LOOP"));
  // A line that forwards everything to voicemail cannot be its pilot.
  LineEntry line = Line("4001");
  line.forward_all.voicemail = true;
  Add(line);
  voicemail.number = "4001";
  EXPECT_THAT(Check(voicemail),
              ElementsAre("voicemail_pilot.number ROUTING_LOOP"));
}

}  // namespace
}  // namespace sallyport::dialplan
