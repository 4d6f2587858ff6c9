#include "services/capf/io/registration_authority.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/core/test_keys.h"
#include "services/capf/io/test_capf.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using testing::IsEmpty;

class RegistrationAuthorityTest : public testing::Test {
 protected:
  Verdict Admit(const std::string& device, const std::string& string) {
    CapfMessage claim = TestCapf::ClaimOf(device, string);
    return capf.registration->Admit(claim).verdict;
  }
  static std::string NewSpki(KeyKind kind = KeyKind::kEcP256) {
    return TestSpki(NewTestKey(kind).get());
  }
  CertificateState StateOf(const std::string& serial) {
    return capf.store->GetCertificate(serial).value()->state;
  }

  TestCapf capf{NewTestFolder()};
  const std::string name = "tenants/a/enrollments/sep1";
};

// CCE-44, CCE-53: the LSC is for the phone's own key, by our authority, and
// there is none before.
TEST_F(RegistrationAuthorityTest, WholeInstall) {
  capf.AddEnrollment("SEP1");
  CapfMessage claim = TestCapf::ClaimOf("SEP1", "123456");
  const Admission admission = capf.registration->Admit(claim);
  EXPECT_EQ(admission.verdict, Verdict::kInstall);
  EXPECT_EQ(admission.enrollment, name);
  EXPECT_EQ(admission.key.kind, KeyKind::kEcP256);
  // The string does not stay in memory.
  EXPECT_EQ(claim.authentication_string, "");

  const std::string spki = NewSpki();
  SP_ASSERT_OK_AND_ASSIGN(const IssuedLsc lsc,
                          capf.registration->IssueLsc(name, 3, spki));
  const auto info = ParseCertificate(AsBytes(lsc.der));
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->common_names, std::vector<std::string>{"SEP1"});
  EXPECT_THAT(info->alt_names, IsEmpty());
  EXPECT_EQ(info->serial_hex, lsc.serial);
  EXPECT_EQ(StateOf(lsc.serial), CertificateState::kPending);
  EXPECT_EQ(StatusName(capf.Get("SEP1").status), "Operation Pending");

  ASSERT_THAT(capf.registration->RecordStored(name, lsc.serial), IsOk());
  EXPECT_EQ(StateOf(lsc.serial), CertificateState::kActive);
  EXPECT_EQ(StatusName(capf.Get("SEP1").status), "Upgrade Success");
  EXPECT_EQ(capf.Get("SEP1").lsc_serial, lsc.serial);
  // Told twice by a loop that was answered late.
  EXPECT_THAT(capf.registration->RecordStored(name, lsc.serial), IsOk());
  // One use: the string does nothing more.
  EXPECT_EQ(Admit("SEP1", "123456"), Verdict::kNothingPending);
}

TEST_F(RegistrationAuthorityTest, WrongStringsAreCountedAcrossARestart) {
  capf.AddEnrollment("SEP1");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Admit("SEP1", "000000"), Verdict::kRefused);
  }
  EXPECT_EQ(capf.Get("SEP1").failed_attempts, 3u);
  const std::string folder = capf.folder;
  capf.~TestCapf();
  new (&capf) TestCapf(folder);
  EXPECT_EQ(Admit("SEP1", "000000"), Verdict::kRefused);
  EXPECT_EQ(Admit("SEP1", "000000"), Verdict::kRefused);
  EXPECT_TRUE(capf.Get("SEP1").locked);
  EXPECT_EQ(Admit("SEP1", "123456"), Verdict::kRefused);
  EXPECT_EQ(Admit("NOBODY", "123456"), Verdict::kUnknownDevice);
}

TEST_F(RegistrationAuthorityTest, ALockedDoorCostsNoWrite) {
  capf.AddEnrollment("SEP1");
  for (int i = 0; i < 5; ++i) Admit("SEP1", "000000");
  const int64_t written = capf.audit->sequence();
  for (int i = 0; i < 20; ++i) Admit("SEP1", "000000");
  for (int i = 0; i < 20; ++i) Admit("NOBODY", "000000");
  EXPECT_EQ(capf.audit->sequence(), written);
}

// pki.md 2.9.7: the phone went away after STORE_CERT_REQUEST, and comes again.
TEST_F(RegistrationAuthorityTest, TheSameKeyGetsTheSameCertificateAgain) {
  capf.AddEnrollment("SEP1");
  const std::string spki = NewSpki();
  SP_ASSERT_OK_AND_ASSIGN(const IssuedLsc first,
                          capf.registration->IssueLsc(name, 3, spki));
  ASSERT_THAT(capf.registration->RecordFailure(
                  name, "", FailureReason::kPhoneCommunicationFailure),
              IsOk());
  EXPECT_EQ(StatusName(capf.Get("SEP1").status),
            "Upgrade Failed: Phone Communication Failure");
  EXPECT_EQ(Admit("SEP1", "123456"), Verdict::kInstall);
  SP_ASSERT_OK_AND_ASSIGN(const IssuedLsc second,
                          capf.registration->IssueLsc(name, 3, spki));
  EXPECT_EQ(first.der, second.der);
  ASSERT_THAT(capf.registration->RecordStored(name, second.serial), IsOk());
  EXPECT_EQ(capf.authority->issued_count(), 1u);
}

TEST_F(RegistrationAuthorityTest, AnotherKeyVoidsTheUnconfirmedCertificate) {
  capf.AddEnrollment("SEP1");
  SP_ASSERT_OK_AND_ASSIGN(const IssuedLsc first,
                          capf.registration->IssueLsc(name, 3, NewSpki()));
  SP_ASSERT_OK_AND_ASSIGN(const IssuedLsc second,
                          capf.registration->IssueLsc(name, 3, NewSpki()));
  EXPECT_NE(first.serial, second.serial);
  EXPECT_EQ(StateOf(first.serial), CertificateState::kRevoked);
  // A late confirmation of the void one is none.
  EXPECT_THAT(capf.registration->RecordStored(name, first.serial),
              HasReason("NOT_ISSUED"));
  EXPECT_THAT(capf.registration->RecordStored(name, second.serial), IsOk());
}

TEST_F(RegistrationAuthorityTest, ARefusedCertificateIsRevoked) {
  capf.AddEnrollment("SEP1");
  SP_ASSERT_OK_AND_ASSIGN(const IssuedLsc lsc,
                          capf.registration->IssueLsc(name, 3, NewSpki()));
  ASSERT_THAT(capf.registration->RecordFailure(name, lsc.serial,
                                               FailureReason::kInvalidLsc),
              IsOk());
  EXPECT_EQ(StateOf(lsc.serial), CertificateState::kRevoked);
  EXPECT_EQ(StatusName(capf.Get("SEP1").status), "Upgrade Failed: Invalid LSC");
}

// CCE-55: the former LSC stays usable until the new one is confirmed.
TEST_F(RegistrationAuthorityTest, UpgradeSupersedesOnlyAtTheEnd) {
  capf.AddEnrollment("SEP1");
  SP_ASSERT_OK_AND_ASSIGN(const IssuedLsc first,
                          capf.registration->IssueLsc(name, 3, NewSpki()));
  ASSERT_THAT(capf.registration->RecordStored(name, first.serial), IsOk());
  Enrollment e = capf.Get("SEP1");
  e.operation = Operation::kInstallUpgrade;
  e.completes_by = capf.clock.Now() + absl::Hours(1);
  ASSERT_THAT(
      capf.enrollments->Update(e, true, Secret::CopyOf("222222"), "ann", false),
      IsOk());
  EXPECT_EQ(Admit("SEP1", "123456"), Verdict::kRefused);
  EXPECT_EQ(Admit("SEP1", "222222"), Verdict::kInstall);
  SP_ASSERT_OK_AND_ASSIGN(const IssuedLsc second,
                          capf.registration->IssueLsc(name, 3, NewSpki()));
  EXPECT_EQ(StateOf(first.serial), CertificateState::kActive);
  ASSERT_THAT(capf.registration->RecordStored(name, second.serial), IsOk());
  EXPECT_EQ(StateOf(first.serial), CertificateState::kSuperseded);
}

TEST_F(RegistrationAuthorityTest, DeleteRevokesWhatThePhoneDropped) {
  capf.AddEnrollment("SEP1");
  SP_ASSERT_OK_AND_ASSIGN(const IssuedLsc lsc,
                          capf.registration->IssueLsc(name, 3, NewSpki()));
  ASSERT_THAT(capf.registration->RecordStored(name, lsc.serial), IsOk());
  Enrollment e = capf.Get("SEP1");
  e.operation = Operation::kDelete;
  e.completes_by = capf.clock.Now() + absl::Hours(1);
  ASSERT_THAT(
      capf.enrollments->Update(e, true, Secret::CopyOf("222222"), "ann", false),
      IsOk());
  EXPECT_EQ(Admit("SEP1", "222222"), Verdict::kDelete);
  ASSERT_THAT(capf.registration->RecordDeleted(name), IsOk());
  EXPECT_EQ(StatusName(capf.Get("SEP1").status), "Delete Success");
  EXPECT_EQ(StateOf(lsc.serial), CertificateState::kRevoked);
}

TEST_F(RegistrationAuthorityTest, ASharedKeyIsRefused) {
  capf.AddEnrollment("SEP1");
  capf.AddEnrollment("SEP2");
  const std::string spki = NewSpki();
  SP_ASSERT_OK_AND_ASSIGN(const IssuedLsc lsc,
                          capf.registration->IssueLsc(name, 3, spki));
  EXPECT_THAT(
      capf.registration->IssueLsc("tenants/a/enrollments/sep2", 3, spki),
      HasReason("KEY_REUSED"));
  EXPECT_EQ(StatusName(capf.Get("SEP2").status),
            "Upgrade Failed: CA Rejected Connection");
}

TEST_F(RegistrationAuthorityTest, OnlyTheKeyThatWasAskedFor) {
  capf.AddEnrollment("SEP1");
  EXPECT_THAT(capf.registration->IssueLsc(name, 3, NewSpki(KeyKind::kEcP384)),
              HasReason("KEY_NOT_AS_ASKED"));
  EXPECT_EQ(StatusName(capf.Get("SEP1").status),
            "Upgrade Failed: Key Generation Failed/Timeout");
  EXPECT_THAT(capf.registration->IssueLsc(name, 3, "garbage"),
              HasReason("KEY_MALFORMED"));
  EXPECT_THAT(capf.registration->IssueLsc(
                  name, 3, TestSpki(NewTestKey(KeyKind::kRsa, 1024).get())),
              HasReason("KEY_SIZE"));
  EXPECT_THAT(capf.registration->IssueLsc(name, 3, NewSpki(KeyKind::kRsa)),
              IsOk());
}

// Key generation takes long; the deadline or the operator may come first.
TEST_F(RegistrationAuthorityTest, WhatHeldAtTheStartMustHoldAtTheEnd) {
  capf.AddEnrollment("SEP1");
  EXPECT_EQ(Admit("SEP1", "123456"), Verdict::kInstall);
  capf.clock.Advance(absl::Hours(25));
  EXPECT_THAT(capf.registration->IssueLsc(name, 3, NewSpki()),
              HasReason("OPERATION_NOT_PENDING"));
  EXPECT_EQ(capf.authority->issued_count(), 0u);
  EXPECT_THAT(capf.registration->IssueLsc("tenants/a/enrollments/x", 3, ""),
              HasReason("ENROLLMENT_NOT_FOUND"));
}

}  // namespace
}  // namespace sallyport::capf
