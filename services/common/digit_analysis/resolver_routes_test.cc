// Where calls go beyond one peer: translations, route lists, server groups,
// lines and their forwards, hunts, voicemail, overlap, SIP URIs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/resolution.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Outcome = Resolution::Outcome;
using Verdict = RouteCandidate::Verdict;

std::string Name(const std::string& rest) { return "tenants/t/" + rest; }

class ResolverRoutesTest : public testing::Test {
 protected:
  ResolverRoutesTest() {
    plan_.tenants = {{.name = "tenants/t", .domains = {"t.test"}}};
    DialPlanEntry dial_plan;
    dial_plan.name = Name("dialPlans/d");
    dial_plan.security_mode = SecurityMode::kSecured;
    plan_.dial_plans = {dial_plan};
    for (const char* id : {"gw1", "gw2", "gw3"}) {
      PeerEntry peer;
      peer.name = Name("peers/") + id;
      peer.fqdn = std::string(id) + ".t.test";
      peer.dial_plan = dial_plan.name;
      peer.outcalls_allowed = true;
      plan_.peers.push_back(peer);
    }
    plan_.partitions = {{Name("partitions/inside")},
                        {Name("partitions/outside")}};
    plan_.calling_search_spaces = {
        {Name("callingSearchSpaces/all"),
         {Name("partitions/inside"), Name("partitions/outside")}},
        {Name("callingSearchSpaces/in"), {Name("partitions/inside")}},
        {Name("callingSearchSpaces/out"), {Name("partitions/outside")}}};
    AddLine("4001", "ann");
    AddLine("4002", "bob");
    AddLine("4003", "cat");
  }

  void AddLine(const std::string& number, const std::string& user) {
    UserEntry entry;
    entry.name = Name("users/") + user;
    entry.username = user;
    entry.dial_plan = Name("dialPlans/d");
    entry.calling_search_space = Name("callingSearchSpaces/all");
    plan_.users.push_back(entry);
    LineEntry line;
    line.name = Name("lines/") + number;
    line.directory_number = number;
    line.partition = Name("partitions/inside");
    line.external_phone_number_mask = "+1201555XXXX";
    line.users = {entry.name};
    plan_.lines.push_back(line);
  }

  RoutePatternEntry& Pattern(const std::string& pattern,
                             const std::string& peer = "gw1",
                             const std::string& partition = "outside") {
    RoutePatternEntry entry;
    entry.name =
        Name("routePatterns/") + std::to_string(plan_.route_patterns.size());
    entry.pattern = pattern;
    entry.partition = Name("partitions/") + partition;
    entry.peer = Name("peers/") + peer;
    plan_.route_patterns.push_back(entry);
    return plan_.route_patterns.back();
  }

  TranslationPatternEntry& Translation(const std::string& pattern,
                                       const std::string& search_space) {
    TranslationPatternEntry entry;
    entry.name = Name("translationPatterns/") +
                 std::to_string(plan_.translation_patterns.size());
    entry.pattern = pattern;
    entry.partition = Name("partitions/inside");
    entry.calling_search_space = Name("callingSearchSpaces/") + search_space;
    plan_.translation_patterns.push_back(entry);
    return plan_.translation_patterns.back();
  }

  Resolution Route(const std::string& called,
                   const std::string& caller = "users/ann") {
    auto plan = std::make_shared<PlanSnapshot>(plan_);
    ResolveDefaults(*plan);
    auto resolver = Resolver::Create(plan);
    EXPECT_THAT(resolver, IsOk());
    resolver_ = *resolver;
    query_.tenant = "tenants/t";
    query_.caller = caller.empty() ? "" : Name(caller);
    if (query_.calling.empty()) query_.calling = "4001";
    query_.called = called;
    Resolution out = resolver_->Resolve(query_);
    explained_ = resolver_->Explain(query_);
    // An explanation never changes the decision.
    EXPECT_EQ(explained_.outcome, out.outcome);
    EXPECT_EQ(explained_.reason, out.reason);
    EXPECT_EQ(explained_.called, out.called);
    EXPECT_EQ(explained_.calling, out.calling);
    EXPECT_EQ(explained_.pattern_name, out.pattern_name);
    EXPECT_EQ(explained_.targets.size(), out.targets.size());
    EXPECT_EQ(explained_.incomplete, out.incomplete);
    EXPECT_EQ(explained_.mailbox, out.mailbox);
    return out;
  }

  static std::vector<std::string> TargetsOf(const Resolution& r) {
    std::vector<std::string> out;
    for (const RouteTarget& t : r.targets) {
      out.push_back(t.host() + ":" + std::to_string(t.port()) + " " + t.called);
    }
    return out;
  }

  PlanSnapshot plan_;
  RouteQuery query_;
  std::shared_ptr<const Resolver> resolver_;
  Resolution explained_;
};

// ------------------------------------------------------------- translations

TEST_F(ResolverRoutesTest, ATranslationLooksAgainInItsOwnSearchSpace) {
  TranslationPatternEntry& x = Translation("8XXX", "out");
  x.transformation.called_mask = "9123XXX";
  x.transformation.calling_mask = "555XXXX";
  Pattern("9.!").transformation.discard = DiscardDigits::kPreDot;
  query_.calling = "4001";
  const Resolution r = Route("8456");
  EXPECT_EQ(r.outcome, Outcome::kPeer);
  EXPECT_EQ(r.called, "123456");
  EXPECT_EQ(r.calling, "5554001");
  ASSERT_EQ(explained_.lookups.size(), 2u);
  EXPECT_EQ(explained_.lookups[0].number, "8456");
  EXPECT_EQ(explained_.lookups[0].candidates[0].name,
            Name("translationPatterns/0"));
  EXPECT_EQ(explained_.lookups[0].candidates[0].verdict, Verdict::kWon);
  EXPECT_EQ(explained_.lookups[1].number, "9123456");
  EXPECT_THAT(explained_.lookups[1].search_spaces,
              ElementsAre(Name("callingSearchSpaces/out")));
  EXPECT_EQ(explained_.lookups[1].steps[0].resource, Name("routePatterns/0"));
  // What the caller dialled is not in that search space.
  EXPECT_EQ(Route("8001").reason, "");
  x = plan_.translation_patterns[0];
  plan_.translation_patterns[0].calling_search_space =
      Name("callingSearchSpaces/in");
  EXPECT_EQ(Route("8456").reason, "ROUTE_NOT_FOUND");
  EXPECT_EQ(explained_.pattern_name, "");
  plan_.translation_patterns[0].use_originator_search_space = true;
  EXPECT_EQ(Route("8456").outcome, Outcome::kPeer);
}

TEST_F(ResolverRoutesTest, TranslationsThatNeverEnd) {
  Translation("1XXX", "all").transformation.called_mask = "2XXX";
  Translation("2XXX", "all").transformation.called_mask = "1XXX";
  EXPECT_EQ(Route("1234").reason, "TRANSLATION_LOOP");
  EXPECT_THAT(explained_.detail, HasSubstr("again"));
  plan_.translation_patterns.clear();
  // A number that grows meets no pattern twice with the same digits.
  Translation("7!", "all").transformation.called_prefix = "7";
  EXPECT_EQ(Route("77").reason, "TRANSLATION_LOOP");
  EXPECT_EQ(explained_.lookups.size(), Resolver::kMaxLookups);
  // A chain of the allowed length is no loop.
  plan_.translation_patterns.clear();
  for (char c = 'A'; c < 'D'; ++c) {
    Translation(std::string(1, c) + "!", "all").transformation.called_mask =
        std::string(1, static_cast<char>(c + 1)) + "XXXX";
  }
  Translation("D!", "all").transformation.called_mask = "4002";
  EXPECT_EQ(Route("A0000").line->name, Name("lines/4002"));
  EXPECT_EQ(explained_.lookups.size(), 5u);
}

TEST_F(ResolverRoutesTest, TranslationsBlockAndLoseTheNumber) {
  TranslationPatternEntry& x = Translation("8!", "all");
  x.action = PatternAction::kBlock;
  x.block_cause = 1;
  EXPECT_EQ(Route("81").reason, "PATTERN_BLOCKED");
  EXPECT_EQ(explained_.block_cause, 1u);
  plan_.translation_patterns.clear();
  Translation("8.", "all").transformation.discard = DiscardDigits::kPreDot;
  EXPECT_EQ(Route("8").reason, "NUMBER_INVALID");
}

// ------------------------------------------------- route lists and servers

TEST_F(ResolverRoutesTest, RouteListsInOrder) {
  RoutePatternEntry& pattern = Pattern("9.!");
  pattern.peer.clear();
  pattern.route_list = Name("routeLists/l");
  pattern.transformation.discard = DiscardDigits::kPreDot;
  RouteListEntry list;
  list.name = Name("routeLists/l");
  for (const char* id : {"gw1", "gw2", "gw3"}) {
    RouteListMember member;
    member.peer = Name("peers/") + id;
    list.members.push_back(member);
  }
  // protocols.md section 11.3: a member's change overrides the pattern's, and
  // the caller is not shown it.
  list.members[1].overrides_called = true;
  list.members[1].transformation.called_prefix = "77";
  list.stop_on_busy = true;
  plan_.route_lists = {list};
  Resolution r = Route("9123");
  EXPECT_EQ(r.outcome, Outcome::kPeer);
  EXPECT_THAT(TargetsOf(r),
              ElementsAre("gw1.t.test:5061 123", "gw2.t.test:5061 779123",
                          "gw3.t.test:5061 123"));
  EXPECT_EQ(r.called, "123");
  EXPECT_TRUE(r.stop_on_busy);
  EXPECT_FALSE(r.stop_on_unallocated_number);
  // A member that takes no calls is passed over, and told.
  plan_.peers[0].status = PeerStatus::kDisabled;
  r = Route("9123");
  EXPECT_EQ(r.targets.size(), 2u);
  EXPECT_TRUE(r.skipped.empty());  // told to operators only
  ASSERT_EQ(explained_.skipped.size(), 1u);
  EXPECT_EQ(explained_.skipped[0].reason, "PEER_DISABLED");
  plan_.peers[1].outcalls_allowed = false;
  plan_.peers[2].status = PeerStatus::kNoNewCalls;
  EXPECT_EQ(Route("9123").reason, "PEER_DISABLED");
  EXPECT_EQ(explained_.skipped.size(), 3u);
  plan_.peers[0].status = PeerStatus::kEnabled;
  EXPECT_EQ(Route("9123", "peers/gw1").reason, "ROUTE_NOT_FOUND");
  plan_.route_lists[0].disabled = true;
  EXPECT_EQ(Route("9123").reason, "ROUTE_LIST_DISABLED");
  plan_.route_lists[0].disabled = false;
  plan_.route_lists[0].members.clear();
  EXPECT_EQ(Route("9123").reason, "NO_TARGET");
  plan_.route_lists.clear();
  EXPECT_EQ(Route("9123").reason, "ROUTE_NOT_FOUND");
}

TEST_F(ResolverRoutesTest, CircularRouteListsBeginWhereTheLastEnded) {
  RoutePatternEntry& pattern = Pattern("9.!");
  pattern.peer.clear();
  pattern.route_list = Name("routeLists/l");
  RouteListEntry list;
  list.name = pattern.route_list;
  list.distribution = RouteDistribution::kCircular;
  for (const char* id : {"gw1", "gw2", "gw3"}) {
    RouteListMember member;
    member.peer = Name("peers/") + id;
    list.members.push_back(member);
  }
  plan_.route_lists = {list};
  std::string first;
  for (uint32_t turn = 0; turn < 6; ++turn) {
    query_.turn = turn;
    const Resolution r = Route("9123");
    ASSERT_EQ(r.targets.size(), 3u);
    first += r.targets[0].peer->name.back();
    EXPECT_NE(r.targets[1].peer, r.targets[2].peer);
  }
  EXPECT_EQ(first, "123123");
  plan_.route_lists[0].distribution = RouteDistribution::kTopDown;
  EXPECT_EQ(Route("9123").targets[0].peer->name, Name("peers/gw1"));
}

// CCE-18: over TLS each member is reached on its secure port.
TEST_F(ResolverRoutesTest, ServerGroupsGiveTheirServers) {
  Pattern("9.!");
  plan_.peers[0].server_group = Name("serverGroups/g");
  plan_.server_groups = {{Name("serverGroups/g"),
                          {{"b.t.test", 5070, 5071, 20, 0, false},
                           {"192.0.2.9", 0, 0, 10, 0, false},
                           {"c.t.test", 0, 0, 5, 0, true}},
                          {}}};
  const Resolution r = Route("9123");
  EXPECT_THAT(TargetsOf(r),
              ElementsAre("192.0.2.9:5061 9123", "b.t.test:5071 9123"));
  EXPECT_THAT(r.targets[0].subjects(), ElementsAre("gw1.t.test"));
  plan_.peers[0].transport = SipTransport::kTcp;
  EXPECT_THAT(TargetsOf(Route("9123")),
              ElementsAre("192.0.2.9:5060 9123", "b.t.test:5070 9123"));
  for (ServerGroupMember& m : plan_.server_groups[0].members) m.disabled = true;
  EXPECT_EQ(Route("9123").reason, "NO_TARGET");
}

TEST_F(ResolverRoutesTest, TransformationsOfTheDestination) {
  Pattern("9.!").transformation.discard = DiscardDigits::kPreDot;
  CalledPartyTransformationEntry called;
  called.name = Name("calledPartyTransformations/national");
  called.pattern = "1.XXXXXXXXXX";
  called.partition = Name("partitions/outside");
  called.transformation.discard = DiscardDigits::kPreDot;
  called.transformation.called_prefix = "+1";
  plan_.called_party_transformations = {called};
  CallingPartyTransformationEntry calling;
  calling.name = Name("callingPartyTransformations/all");
  calling.pattern = "4XXX";
  calling.transformation.use_external_mask = true;
  calling.transformation.restrict_presentation = true;
  plan_.calling_party_transformations = {calling};
  query_.calling = "4002";
  Resolution r = Route("912025550123", "users/bob");
  EXPECT_EQ(r.targets[0].called, "12025550123");  // the peer asks for nothing
  EXPECT_EQ(r.targets[0].calling, "4002");
  plan_.peers[0].called_transformation_space = Name("callingSearchSpaces/out");
  plan_.peers[0].calling_transformation_space = Name("callingSearchSpaces/out");
  r = Route("912025550123", "users/bob");
  EXPECT_EQ(r.targets[0].called, "+12025550123");
  EXPECT_EQ(r.targets[0].calling, "+12015554002");
  EXPECT_TRUE(r.targets[0].restrict_presentation);
  // Seen by the destination only.
  EXPECT_EQ(r.called, "12025550123");
  EXPECT_EQ(r.calling, "4002");
  EXPECT_FALSE(r.restrict_presentation);
  EXPECT_EQ(explained_.lookups[0].steps.back().resource, calling.name);
}

// ------------------------------------------------------------------ policy

TEST_F(ResolverRoutesTest, Um12DiallingRestrictions) {
  Pattern("9.1!").toll_class = TollClass::kNational;
  Pattern("9.011!").toll_class = TollClass::kInternational;
  Pattern("9.911").toll_class = TollClass::kEmergency;
  EXPECT_EQ(Route("91202").reason, "DIALLING_RESTRICTED");
  plan_.dialling_restrictions = {
      {Name("diallingRestrictions/national"),
       {TollClass::kNational},
       {{"premium", "9.1900!", false}, {"nobody", "9911", false}}}};
  plan_.dial_plans[0].dialling_restriction =
      Name("diallingRestrictions/national");
  EXPECT_EQ(Route("91202").outcome, Outcome::kPeer);
  EXPECT_THAT(explained_.detail, HasSubstr("national"));
  EXPECT_EQ(Route("919001").reason, "DIALLING_RESTRICTED");
  EXPECT_EQ(Route("901144").reason, "DIALLING_RESTRICTED");
  // A call for help goes through, whatever a rule says.
  EXPECT_EQ(Route("9911").outcome, Outcome::kPeer);
  plan_.users[0].dialling_restriction = "tenants/t/diallingRestrictions/gone";
  EXPECT_EQ(Route("9911").outcome, Outcome::kPeer);
  EXPECT_EQ(Route("91202").reason, "DIALLING_RESTRICTED");
  // What is dialled counts, not what a translation makes of it.
  plan_.users[0].dialling_restriction.clear();
  Translation("51202", "all").transformation.called_mask = "919001";
  EXPECT_EQ(Route("51202").outcome, Outcome::kPeer);
}

// ------------------------------------------------------- lines and forwards

TEST_F(ResolverRoutesTest, LinesAndTheirUsers) {
  Resolution r = Route("4002");
  EXPECT_EQ(r.outcome, Outcome::kLine);
  EXPECT_EQ(r.line->name, Name("lines/4002"));
  ASSERT_EQ(r.users.size(), 1u);
  EXPECT_EQ(r.users[0]->username, "bob");
  EXPECT_EQ(r.destination_mode, SecurityMode::kSecured);
  plan_.lines[1].users.push_back(Name("users/cat"));
  plan_.users[1].disabled = true;
  r = Route("4002");
  ASSERT_EQ(r.users.size(), 1u);
  EXPECT_EQ(r.user->username, "cat");
  plan_.users[2].disabled = true;
  EXPECT_EQ(Route("4002").reason, "USER_DISABLED");
}

TEST_F(ResolverRoutesTest, ForwardAllIsAnotherLookup) {
  plan_.lines[1].forward_all.number = "4003";
  plan_.lines[1].forward_all.calling_search_space =
      Name("callingSearchSpaces/in");
  Resolution r = Route("4002");
  EXPECT_EQ(r.outcome, Outcome::kLine);
  EXPECT_EQ(r.line->name, Name("lines/4003"));
  EXPECT_EQ(r.called, "4003");
  ASSERT_EQ(r.redirections.size(), 1u);
  EXPECT_EQ(r.redirections[0].number, "4002");
  EXPECT_EQ(r.redirections[0].reason, ForwardReason::kAll);
  EXPECT_EQ(explained_.lookups.size(), 2u);
  // 4003 back to 4002: a circle.
  plan_.lines[2].forward_all.number = "4002";
  plan_.lines[2].forward_all.calling_search_space =
      Name("callingSearchSpaces/in");
  EXPECT_EQ(Route("4002").reason, "FORWARD_LOOP");
}

// UM-12: a forward must not dial what the forwarding user may not.
TEST_F(ResolverRoutesTest, AForwardIsTheForwardersCall) {
  Pattern("9.1!").toll_class = TollClass::kNational;
  plan_.dialling_restrictions = {
      {Name("diallingRestrictions/r"), {TollClass::kNational}, {}}};
  plan_.lines[1].forward_all.number = "91202";
  plan_.lines[1].forward_all.calling_search_space =
      Name("callingSearchSpaces/out");
  plan_.users[0].dialling_restriction = Name("diallingRestrictions/r");
  EXPECT_EQ(Route("91202").outcome, Outcome::kPeer);  // ann may herself
  EXPECT_EQ(Route("4002").reason, "DIALLING_RESTRICTED");
  plan_.users[0].dialling_restriction.clear();
  plan_.users[1].dialling_restriction = Name("diallingRestrictions/r");
  EXPECT_EQ(Route("4002").outcome, Outcome::kPeer);
  plan_.lines[1].forward_all.calling_search_space =
      Name("callingSearchSpaces/in");
  EXPECT_EQ(Route("4002").reason, "ROUTE_NOT_FOUND");
}

TEST_F(ResolverRoutesTest, ForwardsOnBusyNoAnswerAndUnregistered) {
  plan_.lines[1].forward_busy.number = "4001";
  plan_.lines[1].forward_no_answer.number = "4003";
  for (LineEntry& line : plan_.lines) {
    line.calling_search_space = Name("callingSearchSpaces/in");
  }
  query_.forwarded_by = Name("lines/4002");
  query_.forward = ForwardReason::kBusy;
  Resolution r = Route("4002");
  EXPECT_EQ(r.line->name, Name("lines/4001"));
  EXPECT_EQ(r.redirections[0].reason, ForwardReason::kBusy);
  EXPECT_EQ(r.redirections[0].resource, Name("lines/4002"));
  query_.forward = ForwardReason::kNoAnswer;
  EXPECT_EQ(Route("4002").line->name, Name("lines/4003"));
  query_.forward = ForwardReason::kUnregistered;
  EXPECT_EQ(Route("4002").reason, "NOT_FORWARDED");
  query_.forwarded_by = "tenants/u/lines/4002";
  EXPECT_EQ(Route("4002").reason, "NOT_FORWARDED");
}

// CUC-33, CUC-34, CUC-35, CUC-49, CUC-51: a line's profile and its pilot decide
// where voicemail is, from the next call on.
TEST_F(ResolverRoutesTest, VoicemailByPilotAndProfile) {
  plan_.voicemail_pilots = {
      {.name = Name("voicemailPilots/p"),
       .number = "8000",
       .calling_search_space = Name("callingSearchSpaces/out")}};
  plan_.voicemail_profiles = {{.name = Name("voicemailProfiles/p"),
                               .voicemail_pilot = Name("voicemailPilots/p"),
                               .mailbox_mask = "201555XXXX",
                               .is_default = true}};
  Pattern("8000", "gw2");
  plan_.lines[1].forward_no_answer.voicemail = true;
  query_.forwarded_by = Name("lines/4002");
  query_.forward = ForwardReason::kNoAnswer;
  Resolution r = Route("4002");
  EXPECT_EQ(r.outcome, Outcome::kPeer);
  EXPECT_EQ(r.targets[0].peer->name, Name("peers/gw2"));
  EXPECT_EQ(r.called, "8000");
  EXPECT_EQ(r.mailbox, "2015554002");
  // Two forwards: the first redirecting number, or the last if so set.
  query_ = RouteQuery();
  plan_.lines[2].forward_all.number = "4002";
  plan_.lines[2].forward_all.calling_search_space =
      Name("callingSearchSpaces/in");
  plan_.lines[1].forward_all.voicemail = true;
  EXPECT_EQ(Route("4003").mailbox, "2015554003");
  EXPECT_EQ(explained_.redirections.size(), 2u);
  plan_.voicemail_profiles[0].use_last_redirecting_number = true;
  EXPECT_EQ(Route("4003").mailbox, "2015554002");
  plan_.voicemail_profiles.clear();
  EXPECT_EQ(Route("4002").reason, "VOICEMAIL_NOT_CONFIGURED");
  // A default pilot will do.
  plan_.voicemail_pilots[0].is_default = true;
  EXPECT_EQ(Route("4002").mailbox, "4002");
}

TEST_F(ResolverRoutesTest, HuntsAreGivenInOrder) {
  LineGroupEntry group;
  group.name = Name("lineGroups/a");
  group.lines = {Name("lines/4002"), Name("lines/4001")};
  group.algorithm = HuntAlgorithm::kCircular;
  LineGroupEntry second;
  second.name = Name("lineGroups/b");
  second.lines = {Name("lines/4003")};
  LineGroupEntry empty;
  empty.name = Name("lineGroups/c");
  plan_.line_groups = {group, second, empty};
  plan_.hunt_lists = {
      {Name("huntLists/h"), {group.name, second.name}, false, false}};
  HuntPilotEntry pilot;
  pilot.name = Name("huntPilots/p");
  pilot.pattern = "5000";
  pilot.hunt_list = Name("huntLists/h");
  pilot.forward_no_answer.number = "4003";
  pilot.forward_no_answer.calling_search_space = Name("callingSearchSpaces/in");
  plan_.hunt_pilots = {pilot};
  Resolution r = Route("5000");
  EXPECT_EQ(r.outcome, Outcome::kHunt);
  EXPECT_EQ(r.hunt_pilot->name, pilot.name);
  ASSERT_EQ(r.hunt.size(), 2u);
  EXPECT_EQ(r.hunt[0].group->algorithm, HuntAlgorithm::kCircular);
  EXPECT_EQ(r.hunt[0].lines[0]->directory_number, "4002");
  // protocols.md section 12: members' own forwards are ignored while hunting.
  plan_.lines[1].forward_all.number = "4003";
  EXPECT_EQ(Route("5000").hunt[0].lines.size(), 2u);
  // An empty line group stops the hunt.
  plan_.hunt_lists[0].line_groups = {group.name, empty.name, second.name};
  EXPECT_EQ(Route("5000").hunt.size(), 1u);
  plan_.hunt_lists[0].line_groups = {empty.name, second.name};
  EXPECT_EQ(Route("5000").reason, "NO_TARGET");
  plan_.hunt_lists[0].disabled = true;
  EXPECT_EQ(Route("5000").reason, "HUNT_LIST_DISABLED");
  query_.forwarded_by = pilot.name;
  query_.forward = ForwardReason::kNoAnswer;
  EXPECT_EQ(Route("5000").line->name, Name("lines/4003"));
  query_.forward = ForwardReason::kBusy;
  EXPECT_EQ(Route("5000").reason, "NOT_FORWARDED");
}

// CUC-48.
TEST_F(ResolverRoutesTest, MessageWaitingNumbers) {
  plan_.message_waiting_numbers = {
      {.name = Name("messageWaitingNumbers/on"), .number = "8001"},
      {.name = Name("messageWaitingNumbers/off"),
       .number = "8002",
       .lights = false}};
  Resolution r = Route("8001");
  EXPECT_EQ(r.outcome, Outcome::kMessageWaiting);
  EXPECT_TRUE(r.message_waiting->lights);
  EXPECT_FALSE(Route("8002").message_waiting->lights);
}

// ----------------------------------------------------------------- overlap

// protocols.md section 11.2: wait as long as a longer match is possible; on
// T302 take the best so far; urgent ones at once.
TEST_F(ResolverRoutesTest, OverlapWaitsAndSaysWhatWouldHappen) {
  Pattern("91XX");
  Pattern("9.!", "gw2");
  Pattern("9911", "gw3").urgent_priority = true;
  plan_.dial_plans[0].interdigit_timeout = absl::Seconds(5);
  query_.overlap = true;
  Resolution r = Route("9");
  EXPECT_TRUE(r.incomplete);
  EXPECT_EQ(r.reason, "ROUTE_NOT_FOUND");
  EXPECT_EQ(r.interdigit_timeout, absl::Seconds(5));
  r = Route("912");
  EXPECT_TRUE(r.incomplete);
  EXPECT_EQ(r.outcome, Outcome::kPeer);  // if no digit comes
  EXPECT_EQ(r.targets[0].peer->name, Name("peers/gw2"));
  r = Route("9123");
  EXPECT_TRUE(r.incomplete);  // 9.! goes on
  EXPECT_EQ(r.targets[0].peer->name, Name("peers/gw1"));
  // Urgent: at once, and what is dialled behind it is not heard.
  r = Route("9911");
  EXPECT_FALSE(r.incomplete);
  EXPECT_EQ(r.targets[0].peer->name, Name("peers/gw3"));
  bool told = false;
  for (const RouteCandidate& c : explained_.lookups[0].candidates) {
    told = told || c.verdict == Verdict::kUrgentTaken;
  }
  EXPECT_FALSE(told);  // 9.! matches too; nothing needs more digits
  r = Route("99115551234");
  EXPECT_EQ(r.called, "9911");
  EXPECT_EQ(r.targets[0].peer->name, Name("peers/gw3"));
  // En bloc it is the whole number that counts, urgent or not.
  query_.overlap = false;
  r = Route("99115551234");
  EXPECT_FALSE(r.incomplete);
  EXPECT_EQ(r.targets[0].peer->name, Name("peers/gw2"));
}

TEST_F(ResolverRoutesTest, OverlapEndsWhenNothingLongerCanMatch) {
  Pattern("9XXX");
  Pattern("9XXXXXX", "gw2", "inside").urgent_priority = true;
  plan_.route_patterns[1].disabled = true;
  query_.overlap = true;
  EXPECT_TRUE(Route("912").incomplete);
  Resolution r = Route("9123");
  EXPECT_FALSE(r.incomplete);
  EXPECT_EQ(r.outcome, Outcome::kPeer);
  EXPECT_EQ(Route("91234").called, "9123");  // the fifth digit was not needed
  r = Route("7");
  EXPECT_FALSE(r.incomplete);
  EXPECT_EQ(r.reason, "ROUTE_NOT_FOUND");
  // "urgent: even if longer patterns are possible".
  plan_.route_patterns[1].disabled = false;
  EXPECT_TRUE(Route("9123").incomplete);
  plan_.route_patterns[0].urgent_priority = true;
  r = Route("9123");
  EXPECT_FALSE(r.incomplete);
  EXPECT_EQ(explained_.lookups[0].candidates[1].verdict, Verdict::kUrgentTaken);
}

// ---------------------------------------------------- numbers and SIP URIs

TEST_F(ResolverRoutesTest, TheNumberingPlan) {
  RoutePatternEntry& at = Pattern("9.@");
  at.transformation.discard = DiscardDigits::kPreDot11dTo10d;
  Pattern("9.1900!").action = PatternAction::kBlock;
  // UM-12: '@' is no way around the toll classes, nor in the way of help.
  EXPECT_EQ(Route("919725551234").reason, "DIALLING_RESTRICTED");
  EXPECT_EQ(Route("9911").outcome, Outcome::kPeer);
  EXPECT_EQ(explained_.toll_class, TollClass::kEmergency);
  plan_.dialling_restrictions = {{Name("diallingRestrictions/r"),
                                  {TollClass::kLocal, TollClass::kNational},
                                  {}}};
  plan_.dial_plans[0].dialling_restriction = Name("diallingRestrictions/r");
  EXPECT_EQ(Route("9011442079460000").reason, "DIALLING_RESTRICTED");
  EXPECT_EQ(explained_.toll_class, TollClass::kInternational);
  plan_.route_patterns[1].disabled = true;
  EXPECT_EQ(Route("919005551234").reason, "DIALLING_RESTRICTED");
  EXPECT_EQ(explained_.toll_class, TollClass::kPremium);
  plan_.route_patterns[1].disabled = false;
  plan_.dialling_restrictions[0].allowed.push_back(TollClass::kInternational);
  Resolution r = Route("919725551234");
  EXPECT_EQ(r.toll_class, TollClass::kNational);
  EXPECT_EQ(r.called, "9725551234");
  EXPECT_EQ(r.pattern, "9.@");
  EXPECT_THAT(explained_.lookups[0].candidates[0].detail,
              HasSubstr("(long distance, direct)"));
  EXPECT_EQ(Route("919005551234").reason, "PATTERN_BLOCKED");
  EXPECT_EQ(Route("9911").called, "911");
  EXPECT_EQ(Route("9123").reason, "ROUTE_NOT_FOUND");
  plan_.route_patterns[0].transformation.discard =
      DiscardDigits::kPreDotIntlTollBypassTrailingPound;
  EXPECT_EQ(Route("9011331234#").called, "1234");
}

TEST_F(ResolverRoutesTest, E164) {
  RoutePatternEntry& p = Pattern("\\+!");
  p.transformation.called_prefix.clear();
  EXPECT_EQ(Route("+44 20").reason, "ROUTE_NOT_FOUND");  // a blank is no number
  const Resolution r = Route("+44-20-7946-0000");
  EXPECT_EQ(r.outcome, Outcome::kPeer);
  EXPECT_EQ(r.called, "+442079460000");
  EXPECT_EQ(Route("442079460000").reason, "ROUTE_NOT_FOUND");
}

TEST_F(ResolverRoutesTest, SipUrisByTheirHost) {
  RoutePatternEntry& partner = Pattern("", "gw2");
  partner.sip_domain = ".partner.test";
  RoutePatternEntry& exact = Pattern("", "gw3");
  exact.sip_domain = "eu.partner.test";
  query_.domain = "US.Partner.test";
  Resolution r = Route("alice");
  EXPECT_EQ(r.outcome, Outcome::kPeer);
  EXPECT_EQ(r.targets[0].peer->name, Name("peers/gw2"));
  EXPECT_EQ(r.called, "alice");
  EXPECT_EQ(r.called_domain, "us.partner.test");
  EXPECT_EQ(r.pattern, ".partner.test");
  query_.domain = "eu.partner.test";
  EXPECT_EQ(Route("alice").targets[0].peer->name, Name("peers/gw3"));
  // Not by those who do not reach the partition; not for a toll class that
  // nothing allows.
  EXPECT_EQ(Route("alice", "peers/gw1").reason, "ROUTE_NOT_FOUND");
  plan_.route_patterns[1].toll_class = TollClass::kInternational;
  EXPECT_EQ(Route("alice").reason, "DIALLING_RESTRICTED");
  query_.domain = "partner.test";
  EXPECT_EQ(Route("alice").reason, "ROUTE_NOT_FOUND");
  // One of our own domains: our users first, then on to where they might be.
  query_.domain = "t.test";
  EXPECT_EQ(Route("bob").outcome, Outcome::kUser);
  EXPECT_EQ(Route("4002").outcome, Outcome::kLine);
  EXPECT_EQ(Route("zoe").reason, "ROUTE_NOT_FOUND");
  plan_.route_patterns[0].sip_domain = "t.test";
  EXPECT_EQ(Route("zoe").targets[0].peer->name, Name("peers/gw2"));
  EXPECT_EQ(Route("bob").outcome, Outcome::kUser);
}

}  // namespace
}  // namespace sallyport
