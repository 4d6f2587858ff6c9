#include "services/signaling_edge/core/trunk_rights.h"

#include <memory>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport::signaling_edge {
namespace {

constexpr TrunkRight kAll[] = {TrunkRight::kOutOfDialogRefer,
                               TrunkRight::kUnsolicitedNotification,
                               TrunkRight::kReplaces};

class TrunkRightsTest : public testing::Test {
 protected:
  TrunkRightsTest() {
    PeerEntry peer;
    peer.name = "tenants/t/peers/cucm";
    peer.trunk_security_profile = "tenants/t/trunkSecurityProfiles/p";
    peer.digest_user = "tenants/t/users/application";
    plan_.peers = {peer};
    TrunkSecurityProfileEntry profile;
    profile.name = peer.trunk_security_profile;
    plan_.trunk_security_profiles = {profile};
    UserEntry user;
    user.name = peer.digest_user;
    plan_.users = {user};
    party_.kind = Party::Kind::kPeer;
    party_.resource = peer.name;
  }

  bool May(TrunkRight right) const {
    return TrunkMay(right, party_,
                    PlanIndex(std::make_shared<const PlanSnapshot>(plan_)));
  }
  TrunkSecurityProfileEntry& profile() {
    return plan_.trunk_security_profiles[0];
  }

  PlanSnapshot plan_;
  Party party_;
};

TEST_F(TrunkRightsTest, EachIsOffUnlessItsOwnSettingIsOn) {  // CUC-23
  for (const TrunkRight right : kAll) EXPECT_FALSE(May(right));
  profile().accept_out_of_dialog_refer = true;
  EXPECT_TRUE(May(TrunkRight::kOutOfDialogRefer));
  EXPECT_FALSE(May(TrunkRight::kUnsolicitedNotification));
  EXPECT_FALSE(May(TrunkRight::kReplaces));
  profile() = {.name = profile().name, .accept_unsolicited_notification = true};
  EXPECT_FALSE(May(TrunkRight::kOutOfDialogRefer));
  EXPECT_TRUE(May(TrunkRight::kUnsolicitedNotification));
  EXPECT_FALSE(May(TrunkRight::kReplaces));
  profile() = {.name = profile().name, .accept_replaces = true};
  EXPECT_FALSE(May(TrunkRight::kOutOfDialogRefer));
  EXPECT_FALSE(May(TrunkRight::kUnsolicitedNotification));
  EXPECT_TRUE(May(TrunkRight::kReplaces));
}

// protocols.md section 8: the trunk comes first, then the application.
TEST_F(TrunkRightsTest, WithApplicationLevelBothMustAllowIt) {
  profile().accept_out_of_dialog_refer = true;
  profile().accept_unsolicited_notification = true;
  profile().accept_replaces = true;
  profile().application_level_authorization = true;
  for (const TrunkRight right : kAll) EXPECT_FALSE(May(right));
  UserEntry& user = plan_.users[0];
  user.accept_out_of_dialog_refer = true;
  EXPECT_TRUE(May(TrunkRight::kOutOfDialogRefer));
  EXPECT_FALSE(May(TrunkRight::kUnsolicitedNotification));
  user.accept_unsolicited_notification = true;
  EXPECT_TRUE(May(TrunkRight::kUnsolicitedNotification));
  EXPECT_FALSE(May(TrunkRight::kReplaces));
  user.accept_replaces = true;
  EXPECT_TRUE(May(TrunkRight::kReplaces));
  // What only the application permits is not.
  profile().accept_replaces = false;
  EXPECT_FALSE(May(TrunkRight::kReplaces));
  plan_.users.clear();
  EXPECT_FALSE(May(TrunkRight::kOutOfDialogRefer));
}

TEST_F(TrunkRightsTest, WithoutAProfileOnlyWhatThePeerItselfGuards) {
  plan_.trunk_security_profiles.clear();
  EXPECT_FALSE(May(TrunkRight::kOutOfDialogRefer));
  EXPECT_TRUE(May(TrunkRight::kUnsolicitedNotification));
  EXPECT_FALSE(May(TrunkRight::kReplaces));
}

TEST_F(TrunkRightsTest, UsersAndStrangersHaveNone) {
  profile().accept_replaces = true;
  party_.resource = "tenants/t/peers/other";
  EXPECT_FALSE(May(TrunkRight::kReplaces));
  party_.kind = Party::Kind::kUser;
  party_.resource = "tenants/t/users/application";
  for (const TrunkRight right : kAll) EXPECT_FALSE(May(right));
}

}  // namespace
}  // namespace sallyport::signaling_edge
