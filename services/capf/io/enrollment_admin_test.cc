#include "services/capf/io/enrollment_admin.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/core/test_keys.h"
#include "services/capf/io/test_capf.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

class EnrollmentAdminTest : public testing::Test {
 protected:
  Enrollment New(const std::string& device) {
    Enrollment e;
    e.name = "tenants/a/enrollments/" + device;
    e.device_name = device;
    e.operation = Operation::kInstallUpgrade;
    e.completes_by = capf.clock.Now() + absl::Hours(1);
    return e;
  }
  absl::StatusOr<EnrollmentWithString> Create(const Enrollment& e,
                                              std::string_view string = "") {
    return capf.enrollments->Create(e, Secret::CopyOf(string), "ann", false);
  }

  TestCapf capf{NewTestFolder()};
};

TEST_F(EnrollmentAdminTest, AStringIsMadeAndToldOnce) {
  SP_ASSERT_OK_AND_ASSIGN(const EnrollmentWithString made, Create(New("SEP1")));
  EXPECT_EQ(made.string.size(), 8u);
  EXPECT_EQ(made.enrollment.version, 1);
  EXPECT_EQ(capf.Get("SEP1"), made.enrollment);
  CapfMessage claim =
      TestCapf::ClaimOf("SEP1", std::string(made.string.DangerousText()));
  EXPECT_EQ(capf.registration->Admit(claim).verdict, Verdict::kInstall);
}

TEST_F(EnrollmentAdminTest, ARepeatOfARequestTellsNoString) {
  Enrollment e = New("SEP1");
  e.request_key = "a/r1";
  SP_ASSERT_OK_AND_ASSIGN(const EnrollmentWithString first, Create(e));
  SP_ASSERT_OK_AND_ASSIGN(const EnrollmentWithString again, Create(e));
  EXPECT_EQ(first.enrollment, again.enrollment);
  EXPECT_TRUE(again.string.empty());
  e.request_key = "a/r2";
  EXPECT_THAT(Create(e), HasReason("ENROLLMENT_EXISTS"));
  e = New("SEP1");
  e.name = "tenants/b/enrollments/other";
  EXPECT_THAT(Create(e), HasReason("DEVICE_EXISTS"));
}

TEST_F(EnrollmentAdminTest, BadInputStoresNothing) {
  EXPECT_THAT(Create(New("SEP1"), "12"),
              HasReason("AUTHENTICATION_STRING_INVALID"));
  EXPECT_THAT(Create(New("not a name")), HasReason("ENROLLMENT_INVALID"));
  EXPECT_THAT(capf.enrollments->Create(New("SEP1"), Secret(), "ann", true),
              IsOk());
  EXPECT_THAT(capf.enrollments->Get("tenants/a/enrollments/SEP1"),
              HasReason("ENROLLMENT_NOT_FOUND"));
}

TEST_F(EnrollmentAdminTest, UpdateUnlocksAndChecksTheVersion) {
  SP_ASSERT_OK_AND_ASSIGN(EnrollmentWithString made,
                          Create(New("SEP1"), "111111"));
  for (int i = 0; i < 5; ++i) {
    CapfMessage claim = TestCapf::ClaimOf("SEP1", "999999");
    capf.registration->Admit(claim);
  }
  EXPECT_TRUE(capf.Get("SEP1").locked);
  // The version read before the attempts is old.
  EXPECT_THAT(capf.enrollments->Update(made.enrollment, true,
                                       Secret::CopyOf("222222"), "ann", false),
              HasReason("ETAG_MISMATCH"));
  Enrollment e = capf.Get("SEP1");
  e.operation = Operation::kInstallUpgrade;
  SP_ASSERT_OK_AND_ASSIGN(
      made, capf.enrollments->Update(e, true, Secret::CopyOf("222222"), "ann",
                                     false));
  EXPECT_EQ(capf.Get("SEP1"), made.enrollment);
  CapfMessage claim = TestCapf::ClaimOf("SEP1", "222222");
  EXPECT_EQ(capf.registration->Admit(claim).verdict, Verdict::kInstall);
}

TEST_F(EnrollmentAdminTest, APassedDeadlineShowsWithoutAnyContact) {
  ASSERT_THAT(Create(New("SEP1")), IsOk());
  capf.clock.Advance(absl::Hours(2));
  SP_ASSERT_OK_AND_ASSIGN(const Enrollment e,
                          capf.enrollments->Get("tenants/a/enrollments/SEP1"));
  EXPECT_EQ(StatusName(e.status),
            "Upgrade Failed: User Initiated Request Late/Timedout");
}

TEST_F(EnrollmentAdminTest, DeleteChecksTheVersion) {
  ASSERT_THAT(Create(New("SEP1")), IsOk());
  const std::string name = "tenants/a/enrollments/SEP1";
  EXPECT_THAT(capf.enrollments->Delete(name, 9, "ann", false),
              HasReason("ETAG_MISMATCH"));
  EXPECT_THAT(capf.enrollments->Delete(name, 1, "ann", true), IsOk());
  EXPECT_THAT(capf.enrollments->Delete(name, 1, "ann", false), IsOk());
  EXPECT_THAT(capf.enrollments->Delete(name, 0, "ann", false),
              HasReason("ENROLLMENT_NOT_FOUND"));
}

TEST_F(EnrollmentAdminTest, RevokingIsForTheTenantAndIdempotent) {
  ASSERT_THAT(Create(New("SEP1")), IsOk());
  SP_ASSERT_OK_AND_ASSIGN(const IssuedLsc lsc,
                          capf.registration->IssueLsc(
                              "tenants/a/enrollments/SEP1", 3,
                              TestSpki(NewTestKey(KeyKind::kEcP256).get())));
  const auto revoke = [&](const std::string& tenant, bool validate_only) {
    return capf.enrollments->Revoke(tenant, lsc.serial,
                                    RevocationReason::kSuperseded, "ann",
                                    validate_only);
  };
  EXPECT_THAT(revoke("b", false), HasReason("CERTIFICATE_NOT_FOUND"));
  EXPECT_THAT(revoke("a", true), IsOk());
  EXPECT_EQ(capf.store->TrustVersion().value(), 0);
  SP_ASSERT_OK_AND_ASSIGN(const CertificateRecord first, revoke("a", false));
  EXPECT_EQ(first.state, CertificateState::kRevoked);
  capf.clock.Advance(absl::Hours(1));
  SP_ASSERT_OK_AND_ASSIGN(const CertificateRecord second, revoke("a", false));
  EXPECT_EQ(first, second);
  EXPECT_EQ(capf.store->TrustVersion().value(), 1);
}

}  // namespace
}  // namespace sallyport::capf
