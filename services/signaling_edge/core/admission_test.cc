#include "services/signaling_edge/core/admission.h"

#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

SocketAddress At(std::string_view ip) { return *SocketAddress::FromIp(ip, 1); }

class AdmissionTest : public testing::Test {
 protected:
  static EdgeOptions Options() {
    EdgeOptions options;
    options.max_connections = 10;
    options.max_connections_per_source = 3;
    options.requests_per_second_per_source = 5;
    options.connections_per_second_per_source = 2;
    return options;
  }

  int Allowed(std::string_view ip, int tries, bool is_peer = false) {
    int allowed = 0;
    for (int i = 0; i < tries; ++i) {
      allowed += admission_.OnMessage(At(ip), is_peer, now_).ok() ? 1 : 0;
    }
    return allowed;
  }

  FakeRandom random_;
  Admission admission_{Options(), random_};
  MonoTime now_ = MonoTime::FromOrigin(absl::Hours(1));
};

TEST_F(AdmissionTest, OneSourceDoesNotTouchAnother) {
  EXPECT_EQ(Allowed("192.0.2.1", 100), 20);  // four seconds at once
  EXPECT_EQ(Allowed("192.0.2.2", 10), 10);
  EXPECT_EQ(ReasonOf(admission_.OnMessage(At("192.0.2.1"), false, now_)),
            "RATE_LIMITED");
  now_ += absl::Seconds(1);
  EXPECT_EQ(Allowed("192.0.2.1", 100), 5);
}

TEST_F(AdmissionTest, AnIpv6SourceIsItsPrefix) {
  EXPECT_EQ(Allowed("2001:db8:0:1::1", 100), 20);
  EXPECT_EQ(Allowed("2001:db8:0:1:ffff::2", 100), 0);
  EXPECT_EQ(Allowed("2001:db8:0:2::1", 100), 20);
  EXPECT_EQ(Allowed("::ffff:192.0.2.9", 15), 15);
  EXPECT_EQ(Allowed("192.0.2.9", 15), 5);
}

TEST_F(AdmissionTest, AConfiguredPeerHasMoreRoom) {
  EXPECT_EQ(Allowed("192.0.2.1", 100), 20);
  EXPECT_EQ(Allowed("192.0.2.1", 2000, true), 1000);
}

TEST_F(AdmissionTest, ConnectionsAreCappedAndPaced) {
  EXPECT_EQ(ReasonOf(admission_.OnConnection(At("192.0.2.1"), 10, 0, now_)),
            "CONNECTION_LIMIT");
  EXPECT_EQ(ReasonOf(admission_.OnConnection(At("192.0.2.1"), 3, 3, now_)),
            "CONNECTION_LIMIT");
  for (int i = 0; i < 8; ++i) {
    EXPECT_TRUE(admission_.OnConnection(At("192.0.2.1"), 0, 0, now_).ok());
  }
  EXPECT_EQ(ReasonOf(admission_.OnConnection(At("192.0.2.1"), 0, 0, now_)),
            "RATE_LIMITED");
}

// From however many addresses a user's password is tried, and nobody is told
// apart from who is not there.
TEST_F(AdmissionTest, WrongPasswordsOfAUserAreCountedOverAllSources) {
  int tried = 0;
  while (admission_.MayGuess("bob@d.test", now_).ok() && tried < 1000) {
    admission_.OnWrongPassword("bob@d.test", now_);
    ++tried;
  }
  EXPECT_EQ(tried, 30);
  EXPECT_EQ(ReasonOf(admission_.MayGuess("bob@d.test", now_)),
            "USER_RATE_LIMITED");
  EXPECT_EQ(admission_.MayGuess("alice@d.test", now_), absl::OkStatus());
  now_ += absl::Seconds(2);
  EXPECT_EQ(admission_.MayGuess("bob@d.test", now_), absl::OkStatus());
  now_ += absl::Minutes(1);
  for (int i = 0; i < 30; ++i) admission_.OnWrongPassword("bob@d.test", now_);
  EXPECT_NE(admission_.MayGuess("bob@d.test", now_), absl::OkStatus());
}

class TenantAdmissionTest : public AdmissionTest {
 protected:
  // Of so many calls, those that are allowed when the plan says `most`.
  int Calls(int tries, uint32_t most, std::string_view tenant = "tenants/t") {
    int allowed = 0;
    for (int i = 0; i < tries; ++i) {
      allowed += by_plan_.OnTenantInvite(tenant, most, now_).ok() ? 1 : 0;
    }
    return allowed;
  }
  static EdgeOptions Configured() {
    EdgeOptions options = Options();
    options.invites_per_second_per_tenant = 5;
    return options;
  }

  Admission by_plan_{Options(), random_};
};

TEST_F(TenantAdmissionTest, ASecondsWorthOfThePlansCallsMayComeAtOnce) {
  EXPECT_EQ(Calls(100, 10), 10);
  EXPECT_EQ(ReasonOf(by_plan_.OnTenantInvite("tenants/t", 10, now_)),
            "TENANT_RATE_LIMITED");
  EXPECT_EQ(Calls(100, 10, "tenants/u"), 10);
  now_ += absl::Milliseconds(500);
  EXPECT_EQ(Calls(100, 10), 5);
  now_ += absl::Minutes(1);
  EXPECT_EQ(Calls(100, 10), 10);
  EXPECT_EQ(Calls(100, 0), 100);  // no bound
  EXPECT_EQ(Calls(3, 1, "tenants/v"), 1);
}

// What was taken by the number before counts for the one after.
TEST_F(TenantAdmissionTest, AnotherNumberHoldsAtOnce) {
  EXPECT_EQ(Calls(100, 10), 10);
  EXPECT_EQ(Calls(100, 5), 0);
  now_ += absl::Milliseconds(400);
  EXPECT_EQ(Calls(100, 5), 2);
  EXPECT_EQ(Calls(100, 100), 0);
  now_ += absl::Milliseconds(100);
  EXPECT_EQ(Calls(100, 100), 10);
}

TEST_F(TenantAdmissionTest, TheStricterOfPlanAndConfigurationHolds) {
  Admission both(Configured(), random_);
  const auto calls = [&](int tries, uint32_t most) {
    int allowed = 0;
    for (int i = 0; i < tries; ++i) {
      allowed += both.OnTenantInvite("tenants/t", most, now_).ok() ? 1 : 0;
    }
    return allowed;
  };
  // What the plan refuses takes nothing of the configured twenty at once.
  EXPECT_EQ(calls(100, 8), 8);
  EXPECT_EQ(calls(100, 0), 12);
  now_ += absl::Minutes(1);
  // And what the configuration refuses nothing of the plan's.
  EXPECT_EQ(calls(100, 100), 20);
  now_ += absl::Milliseconds(200);
  EXPECT_EQ(calls(100, 2), 1);
}

TEST_F(TenantAdmissionTest, CallsForHelpCount) {
  for (int i = 0; i < 4; ++i) {
    by_plan_.OnTenantCallForHelp("tenants/t", 10, now_);
  }
  EXPECT_EQ(Calls(100, 10), 6);
  // Those that are too many keep nobody from what comes after.
  for (int i = 0; i < 100; ++i) {
    by_plan_.OnTenantCallForHelp("tenants/t", 10, now_);
  }
  now_ += absl::Milliseconds(500);
  EXPECT_EQ(Calls(100, 10), 5);
}

}  // namespace
}  // namespace sallyport::signaling_edge
