#include "services/signaling_edge/core/given_leg.h"

#include <string>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::signaling_edge {
namespace {

const MonoTime kHere = MonoTime::FromOrigin(absl::Hours(5));
const MonoTime kThere = MonoTime::FromOrigin(absl::Hours(1));

GivenLeg Example() {
  Dialog::Parts dialog;
  dialog.id = {"c2", "ours", "theirs"};
  dialog.caller = true;
  dialog.secure = true;
  dialog.local = "<sip:a@d.test>;tag=ours";
  dialog.remote = "<sip:b@d.test>;tag=theirs";
  dialog.remote_target = "sip:b@192.0.2.20";
  dialog.routes = {"<sip:p1;lr>", "<sip:p2;lr>"};
  dialog.local_cseq = 7;
  dialog.remote_cseq = 9;
  SessionTimer::Parts timer;
  timer.agreed = timer.we_refresh = true;
  timer.interval = absl::Minutes(30);
  timer.refresh_at = kHere + absl::Minutes(15);
  GivenLeg out{.leg = {.party = {},
                       .flow = {},
                       .contact = "",
                       .dialog = Dialog::FromParts(dialog),
                       .timer = SessionTimer::FromParts(timer),
                       .allows_update = true,
                       .offer = "v=0"},
               .flow = {{3, 1},
                        77,
                        SipTransport::kTls,
                        5061,
                        *SocketAddress::Parse("[2001:db8::7]:49153")},
               .called = "1",
               .calling = "2",
               .matched_resource = "r",
               .matched_pattern = "9.!"};
  out.leg.party.kind = Party::Kind::kPeer;
  out.leg.party.resource = "tenants/t/peers/gw";
  out.leg.party.tenant = "tenants/t";
  out.leg.party.dial_plan = "tenants/t/dialPlans/d";
  out.leg.party.mode = SecurityMode::kSipSecured;
  out.leg.party.authentication = Authentication::kPeerCertificate;
  return out;
}

TEST(GivenLegTest, ComesAsItWent) {
  const auto got = ReadLegGiven(WriteLegGiven(Example(), kHere), kThere);
  ASSERT_THAT(got.status(), IsOk());
  EXPECT_EQ(got->flow, Example().flow);
  EXPECT_EQ(got->leg.party.resource, "tenants/t/peers/gw");
  EXPECT_EQ(got->leg.party.kind, Party::Kind::kPeer);
  EXPECT_EQ(got->leg.party.mode, SecurityMode::kSipSecured);
  EXPECT_EQ(got->leg.party.authentication, Authentication::kPeerCertificate);
  const Dialog::Parts dialog = got->leg.dialog.parts();
  EXPECT_EQ(dialog.id, (DialogId{"c2", "ours", "theirs"}));
  EXPECT_TRUE(dialog.caller && dialog.secure);
  EXPECT_EQ(dialog.routes.size(), 2u);
  EXPECT_EQ(dialog.remote_target, "sip:b@192.0.2.20");
  EXPECT_EQ(dialog.local_cseq, 7u);
  EXPECT_EQ(dialog.remote_cseq, 9u);
  EXPECT_EQ(got->leg.dialog.state(), Dialog::State::kConfirmed);
  // By the receiver's clock.
  EXPECT_EQ(got->leg.timer.refresh_at(), kThere + absl::Minutes(15));
  EXPECT_EQ(got->leg.timer.expires_at(), MonoTime::InfiniteFuture());
  EXPECT_TRUE(got->leg.allows_update);
  EXPECT_EQ(got->leg.offer, "v=0");
  EXPECT_EQ(got->matched_pattern, "9.!");
}

TEST(GivenLegTest, ARefusalKeepsItsReason) {
  const auto got = ReadLegGiven(
      WriteLegGiven(
          MakeError(absl::StatusCode::kNotFound, "DIALOG_NOT_FOUND", "none"),
          kHere),
      kThere);
  EXPECT_EQ(got.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(got.status(), HasReason("DIALOG_NOT_FOUND"));
}

TEST(GivenLegTest, NothingElseIsRead) {
  const std::string whole = WriteLegGiven(Example(), kHere);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(ReadLegGiven(whole.substr(0, size), kThere).status(),
                HasReason("CLUSTER_FRAME_INVALID"))
        << size;
  }
  EXPECT_FALSE(ReadLegGiven(whole + "x", kThere).ok());
  const LegWanted wanted = {"c2;to-tag=a;from-tag=b", "tenants/t/peers/gw"};
  const std::string asked = WriteLegWanted(wanted);
  EXPECT_EQ(ReadLegWanted(asked)->replaces, wanted.replaces);
  EXPECT_EQ(ReadLegWanted(asked)->resource, wanted.resource);
  EXPECT_FALSE(ReadLegWanted(asked.substr(1)).ok());
  EXPECT_FALSE(ReadLegWanted("").ok());
}

}  // namespace
}  // namespace sallyport::signaling_edge
