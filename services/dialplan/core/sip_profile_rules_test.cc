#include "services/dialplan/core/sip_profile_rules.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/dialplan/core/plan_checker.h"
#include "services/dialplan/core/plan_rules_fixture.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SipProfileRulesTest : public PlanRulesTest {
 protected:
  static SipProfileEntry Profile(const std::string& id) {
    SipProfileEntry out;
    out.name = "tenants/t/sipProfiles/" + id;
    return out;
  }
  PeerEntry Resolved(PeerEntry peer) {
    Add(peer);
    return plan_.Effective(*plan_.Get<PeerEntry>(peer.name));
  }
};

TEST_F(SipProfileRulesTest, SessionTimersInRange) {
  SipProfileEntry profile = Profile("p");
  profile.settings.session_expires = absl::Seconds(89);
  profile.settings.min_session_expires = absl::Hours(2);
  EXPECT_THAT(
      Check(profile),
      ElementsAre("sip_profile.session_expires VALUE_OUT_OF_RANGE",
                  "sip_profile.min_session_expires VALUE_OUT_OF_RANGE"));
  profile.settings.session_expires = absl::Minutes(5);
  profile.settings.min_session_expires = absl::Minutes(6);
  EXPECT_THAT(Check(profile),
              ElementsAre("sip_profile.min_session_expires VALUE_CONFLICT"));
  profile.settings.min_session_expires = absl::Minutes(5);
  EXPECT_THAT(Check(profile), IsEmpty());
}

// CUC-25: a standard one exists, and stays what it is.
TEST_F(SipProfileRulesTest, TheStandardProfileIsThereAndStaysAsItIs) {
  PeerEntry peer = TestPeer("gw", "secured");
  peer.sip_profile = "tenants/t/sipProfiles/standard";
  EXPECT_THAT(Check(peer), IsEmpty());
  peer.sip_profile = "tenants/t/sipProfiles/other";
  EXPECT_THAT(Check(peer), ElementsAre("peer.sip_profile REFERENCE_NOT_FOUND"));
  SipProfileEntry standard = Profile("standard");
  EXPECT_THAT(Check(standard), IsEmpty());  // as it was exported
  standard.monitoring.enabled = true;
  EXPECT_THAT(Check(standard),
              ElementsAre("sip_profile.name STANDARD_PROFILE_IMMUTABLE"));
}

// CUC-25: a custom profile is selectable; what a peer sets itself goes before
// it.
TEST_F(SipProfileRulesTest, ThePeersOwnMonitoringGoesBeforeTheProfiles) {
  SipProfileEntry profile = Profile("p");
  profile.monitoring.enabled = true;
  profile.monitoring.interval = absl::Seconds(30);
  profile.settings.rel1xx = Rel1xx::kDisabled;
  profile.settings.long_requests = LongRequestsBy::kUdp;
  Add(profile);
  PeerEntry peer = TestPeer("gw", "secured");
  peer.sip_profile = profile.name;
  PeerEntry out = Resolved(peer);
  EXPECT_TRUE(out.monitoring.enabled);
  EXPECT_EQ(out.monitoring.interval, absl::Seconds(30));
  EXPECT_EQ(out.monitoring.out_of_service_interval, absl::Seconds(120));
  EXPECT_EQ(out.sip.rel1xx, Rel1xx::kDisabled);
  EXPECT_EQ(out.sip.long_requests, LongRequestsBy::kUdp);
  peer.own_monitoring = true;  // and nothing in it: not asked at all
  out = Resolved(peer);
  EXPECT_FALSE(out.monitoring.enabled);
  EXPECT_EQ(out.monitoring.interval, absl::Seconds(60));
  EXPECT_EQ(out.sip.rel1xx, Rel1xx::kDisabled);
}

// CUC-30: three search spaces, each of which stands in for the next.
TEST_F(SipProfileRulesTest, OutOfDialogReferHasASearchSpaceOfItsOwn) {
  PeerEntry peer = TestPeer("gw", "secured");
  peer.calling_search_space = "in";
  EXPECT_EQ(Resolved(peer).outside_refer_search_space, "in");
  peer.rerouting_search_space = "rerouting";
  EXPECT_EQ(Resolved(peer).outside_refer_search_space, "rerouting");
  peer.outside_refer_search_space = "outside";
  EXPECT_EQ(Resolved(peer).outside_refer_search_space, "outside");
  EXPECT_EQ(Resolved(peer).rerouting_search_space, "rerouting");
}

}  // namespace
}  // namespace sallyport::dialplan
