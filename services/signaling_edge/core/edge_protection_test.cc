// Scanners, walks and guesses get reasons and no bans; what is too much is
// refused before queues grow, strangers first, calls for help never.
#include <string>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kStranger[] = "198.51.100.9:5060";

EdgeOptions Limited() {
  EdgeOptions options = EdgeHarness::Options();
  options.invites_per_second_per_source = 2;
  options.registrations_per_second_per_source = 50;
  options.invites_per_second_per_tenant = 5;
  options.max_handshakes = 20;
  return options;
}

class EdgeProtectionTest : public EdgeCoreTest {
 protected:
  EdgeProtectionTest() : EdgeProtectionTest(EdgeHarness::Options()) {}
  explicit EdgeProtectionTest(const EdgeOptions& options)
      : EdgeCoreTest(options) {
    auto plan = TestPlan();
    const auto route = [](std::string name, std::string pattern,
                          TollClass toll_class) {
      RoutePatternEntry entry{.name = "tenants/t/routePatterns/" + name,
                              .pattern = std::move(pattern),
                              .peer = "tenants/t/peers/gw"};
      entry.toll_class = toll_class;
      return entry;
    };
    plan->route_patterns.push_back(route("help", "911", TollClass::kEmergency));
    plan->route_patterns.push_back(
        route("world", "00!", TollClass::kInternational));
    plan->dialling_restrictions = {
        {"tenants/t/diallingRestrictions/world",
         {TollClass::kInternal, TollClass::kInternational},
         {},
         {{.toll_classes = {TollClass::kInternational},
           .calls_per_caller = 1}}}};
    for (DialPlanEntry& each : plan->dial_plans) {
      each.dialling_restriction = "tenants/t/diallingRestrictions/world";
    }
    ResolveDefaults(*plan);
    edge_.Load(plan);
    edge_.events.clear();
  }

  std::string FromStranger(std::string_view method, std::string_view user,
                           std::string_view more = "",
                           std::string_view number = "95551234") {
    ++last_;
    return Cat(method, " sip:", number, "@d.test SIP/2.0\n",
               "Via: SIP/2.0/UDP 198.51.100.9:5060;branch=z9hG4bKs", last_,
               "\nMax-Forwards: 70\nFrom: <sip:", user,
               "@d.test>;tag=s\nTo: <sip:", user, "@d.test>\nCall-ID: s", last_,
               "\nCSeq: 1 ", method, "\nContact: <sip:", user, "@198.51.100.9>",
               more);
  }
  // The code of the answer, 0 if there is none.
  int Ask(const std::string& request, std::string_view from = kStranger) {
    edge_.Forget();
    edge_.ReceiveUdp(from, request);
    int code = 0;
    while (!edge_.Idle()) {
      const auto answer = edge_.TakeToUdp(from);
      if (!answer.has_value()) break;
      code = answer->message.status_code();
      last_answer_ = answer;
      if (code > 100) break;
    }
    edge_.Forget();
    return code;
  }
  int PbxCalls(std::string_view number) {
    const std::string id = Cat("c", ++last_);
    return Ask(PbxInvite(number, TestSdp("192.0.2.10", 4000, false), id, id),
               kPbx);
  }
  int CountReported(std::string_view reason) const {
    int count = 0;
    for (const EdgeEvent& event : edge_.events) {
      count += event.type == EdgeEvent::Type::kRefused && event.reason == reason
                   ? 1
                   : 0;
    }
    return count;
  }
  void Overload(int samples) {
    for (int i = 0; i < samples; ++i) {
      edge_.Advance(absl::Milliseconds(50));
      edge_.Perform(
          edge_.core().OnLoad({.lag = absl::Milliseconds(500)}, edge_.now()));
    }
  }

  int last_ = 0;
  std::optional<Sent> last_answer_;
};

TEST_F(EdgeProtectionTest, AScannerThatSaysSoGetsNoAnswerAndOneReport) {
  for (const char* method : {"OPTIONS", "REGISTER", "INVITE"}) {
    EXPECT_EQ(
        Ask(FromStranger(method, "100", "\nUser-Agent: friendly-scanner")), 0);
  }
  EXPECT_EQ(CountReported("SCANNER_USER_AGENT"), 1);
  EXPECT_EQ(edge_.core().stats().refusals.at("SCANNER_USER_AGENT"), 3u);
  EXPECT_EQ(edge_.core().transactions(), 0u);
  // A peer may call itself what it likes.
  EXPECT_EQ(
      Ask(WithHeaders(PbxInvite("41", ""), "User-Agent: sipcli/v1"), kPbx),
      404);
}

TEST_F(EdgeProtectionTest, AWalkThroughUsersIsReportedAndSlowedDown) {
  int answered = 0;
  for (int i = 0; i < 300; ++i) {
    answered += Ask(FromStranger("REGISTER", Cat(100 + i))) == 401 ? 1 : 0;
  }
  EXPECT_EQ(CountReported("SCANNER_USER_WALK"), 1);
  EXPECT_LT(answered, 60);  // of 300, and of a limit of 400
  EXPECT_GT(answered, 20);
  // Others are as before, and it is itself after a while.
  EXPECT_EQ(Ask(FromStranger("REGISTER", "bob"), "198.51.100.10:5060"), 401);
  edge_.Advance(absl::Seconds(70));
  EXPECT_EQ(Ask(FromStranger("REGISTER", "bob")), 401);
}

TEST_F(EdgeProtectionTest, AnOfficeThatHasProvenSomethingIsNotSlowedDown) {
  edge_.ReceiveUdp(kStranger, FromStranger("REGISTER", "bob"));
  const auto challenge = edge_.TakeToUdp(kStranger);
  ASSERT_TRUE(challenge.has_value());
  EXPECT_EQ(
      Ask(EdgeHarness::WithDigest(FromStranger("REGISTER", "bob"), *challenge,
                                  "bob", "REGISTER", "sip:95551234@d.test")),
      200);
  for (int i = 0; i < 100; ++i) {
    EXPECT_NE(Ask(FromStranger("REGISTER", Cat(100 + i))), 0);
  }
  EXPECT_EQ(CountReported("SCANNER_USER_WALK"), 1);
}

TEST_F(EdgeProtectionTest, GuessesOfPasswordsAreReported) {
  edge_.ReceiveUdp(kStranger, FromStranger("REGISTER", "bob"));
  const auto challenge = edge_.TakeToUdp(kStranger);
  ASSERT_TRUE(challenge.has_value());
  for (int i = 0; i < 40; ++i) {
    std::string guess =
        EdgeHarness::WithDigest(FromStranger("REGISTER", "bob"), *challenge,
                                "bob", "REGISTER", "sip:95551234@d.test");
    guess.replace(guess.find("response=\"") + 10, 4, "0bad");
    Ask(guess);
  }
  EXPECT_EQ(CountReported("PASSWORD_GUESSING"), 1);
  EXPECT_LT(CountReported("DIGEST_FAILED"), 40);  // it is slowed down
}

TEST_F(EdgeProtectionTest, StrangersAreRefusedBeforeAnybodyElse) {
  EXPECT_EQ(Ask(FromStranger("REGISTER", "bob")), 401);
  Overload(7);
  int refused = 0;
  for (int i = 0; i < 40; ++i) {
    if (Ask(FromStranger("REGISTER", "bob")) != 503) continue;
    ++refused;
    EXPECT_FALSE(last_answer_->message.Value(HeaderId::kRetryAfter).empty());
  }
  EXPECT_GE(refused, 35);
  EXPECT_LE(CountReported("OVERLOADED"), 1);  // not one for each
  EXPECT_GE(edge_.core().stats().refusals.at("OVERLOADED"), 35u);
  EXPECT_EQ(PbxCalls("41"), 404);  // a trusted peer's call is routed
  EXPECT_EQ(edge_.core().transactions(), 1u);  // that one, until its ACK
}

TEST_F(EdgeProtectionTest, CallsThatStandAndCallsForHelpAreNeverRefused) {
  Sent invite;
  const Sent ok = Established(invite);
  Overload(40);
  int refused = 0;
  for (int i = 0; i < 20; ++i) refused += PbxCalls("95551234") == 503 ? 1 : 0;
  EXPECT_GE(refused, 10);
  EXPECT_FALSE(last_answer_->message.Value(HeaderId::kRetryAfter).empty());
  for (int i = 0; i < 20; ++i) EXPECT_NE(PbxCalls("911"), 503);
  // Even of one who must be challenged first.
  EXPECT_EQ(Ask(FromStranger("INVITE", "bob", "", "911")), 407);
  EXPECT_EQ(Ask(FromStranger("INVITE", "bob", "", "95551234")), 503);
  EXPECT_EQ(Ask(FromStranger("INVITE", "nobody", "", "911")), 503);
  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, Tag(ok)));
  const auto bye = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(bye.has_value());
  EXPECT_EQ(bye->message.status_code(), 200);
}

TEST_F(EdgeProtectionTest, StrangersConnectionsAreRefusedWhenThereIsTooMuch) {
  const SocketAddress stranger = *SocketAddress::Parse("198.51.100.9:40000");
  edge_.ConnectTls("gw.d.test", "", "198.51.100.77");
  Overload(8);
  int taken = 0;
  int known = 0;
  for (int i = 0; i < 10; ++i) {
    taken +=
        edge_.core().OnAccepted(EdgeHarness::kTls, stranger, edge_.now()) != 0;
    known += edge_.core().OnAccepted(
                 EdgeHarness::kTls,
                 *SocketAddress::Parse(Cat("198.51.100.77:", 40000 + i)),
                 edge_.now()) != 0;
  }
  EXPECT_EQ(taken, 0);
  EXPECT_GT(known, 2);
}

TEST_F(EdgeProtectionTest, TollCallsOfACallerAreCounted) {
  EXPECT_EQ(PbxCalls("0049301234"), 100);
  EXPECT_EQ(PbxCalls("0049301234"), 403);
  EXPECT_EQ(CountReported("TOLL_CALL_LIMIT"), 1);
  EXPECT_EQ(PbxCalls("95551234"), 100);  // another class
}

class EdgeLimitsTest : public EdgeProtectionTest {
 protected:
  EdgeLimitsTest() : EdgeProtectionTest(Limited()) {}
};

TEST_F(EdgeLimitsTest, CallsOfOneSourceAndOfOneTenantAreLimited) {
  int challenged = 0;
  for (int i = 0; i < 30; ++i) {
    const int code = Ask(FromStranger("INVITE", "bob"));
    EXPECT_TRUE(code == 407 || code == 503) << code;
    challenged += code == 407 ? 1 : 0;
  }
  EXPECT_EQ(challenged, 8);  // four seconds' worth
  EXPECT_FALSE(last_answer_->message.Value(HeaderId::kRetryAfter).empty());
  int taken = 0;
  for (int i = 0; i < 50; ++i) taken += PbxCalls("95551234") == 100 ? 1 : 0;
  EXPECT_EQ(taken, 20);
  EXPECT_GE(CountReported("TENANT_RATE_LIMITED"), 1);
  EXPECT_EQ(PbxCalls("911"), 100);
}

TEST_F(EdgeLimitsTest, ConnectionsThatAreNeverReadyAreLimited) {
  int taken = 0;
  for (int i = 0; i < 60; ++i) {
    taken += edge_.core().OnAccepted(
                 EdgeHarness::kTls,
                 *SocketAddress::Parse(Cat("198.51.100.", i, ":4000")),
                 edge_.now()) != 0;
  }
  EXPECT_EQ(taken, 20);
  EXPECT_EQ(edge_.core().stats().refusals.at("HANDSHAKE_LIMIT"), 40u);
  edge_.Advance(absl::Seconds(10));  // they are given up
  EXPECT_NE(edge_.core().OnAccepted(EdgeHarness::kTls,
                                    *SocketAddress::Parse("198.51.100.9:4000"),
                                    edge_.now()),
            0u);
}

// One user's password is tried from very many addresses, with a guess or two
// from each (issue 5, 9): no source is suspicious, so the user is what counts.
TEST_F(EdgeProtectionTest, GuessesFromManySourcesAreLimitedByUser) {
  for (const char* const user : {"bob", "nobody"}) {
    SCOPED_TRACE(user);
    int answers[2] = {};
    for (int i = 0; i < 200; ++i) {
      const std::string from =
          Cat("198.51.", 101 + i / 100, ".", 1 + i % 100, ":5060");
      edge_.ReceiveUdp(from, FromStranger("REGISTER", user));
      const auto challenge = edge_.TakeToUdp(from);
      ASSERT_TRUE(challenge.has_value());
      std::string guess =
          EdgeHarness::WithDigest(FromStranger("REGISTER", user), *challenge,
                                  user, "REGISTER", "sip:95551234@d.test");
      guess.replace(guess.find("response=\"") + 10, 4, "0bad");
      const int code = Ask(guess, from);
      ASSERT_TRUE(code == 401 || code == 503) << code;
      ++answers[code == 503];
    }
    EXPECT_EQ(answers[0], 30);
    EXPECT_FALSE(last_answer_->message.Value(HeaderId::kRetryAfter).empty());
  }
  EXPECT_EQ(CountReported("PASSWORD_GUESSING"), 0);
  EXPECT_EQ(CountReported("USER_RATE_LIMITED"), 1);  // not one for each
  // Another user gets in from anywhere, this one after a while, and at once
  // where it has been before.
  const auto registers = [&](const std::string& user, const std::string& from) {
    edge_.ReceiveUdp(from, FromStranger("REGISTER", user));
    const auto challenge = edge_.TakeToUdp(from);
    if (!challenge.has_value()) return 0;
    return Ask(
        EdgeHarness::WithDigest(FromStranger("REGISTER", user), *challenge,
                                user, "REGISTER", "sip:95551234@d.test"),
        from);
  };
  EXPECT_EQ(registers("bob", "198.51.100.77:5060"), 503);
  edge_.Advance(absl::Seconds(3));
  EXPECT_EQ(registers("bob", "198.51.100.77:5060"), 200);
  for (int i = 0; i < 40; ++i) {
    const std::string from = Cat("198.51.105.", 1 + i, ":5060");
    edge_.ReceiveUdp(from, FromStranger("REGISTER", "bob"));
    const auto challenge = edge_.TakeToUdp(from);
    ASSERT_TRUE(challenge.has_value());
    std::string guess =
        EdgeHarness::WithDigest(FromStranger("REGISTER", "bob"), *challenge,
                                "bob", "REGISTER", "sip:95551234@d.test");
    guess.replace(guess.find("response=\"") + 10, 4, "0bad");
    Ask(guess, from);
  }
  EXPECT_EQ(registers("bob", "198.51.100.78:5060"), 503);
  EXPECT_EQ(registers("bob", "198.51.100.77:5060"), 200);
}

}  // namespace
}  // namespace sallyport::signaling_edge
