#include "services/capf/core/enrollment.h"

#include "gtest/gtest.h"
#include "services/capf/core/test_keys.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1795255200);
constexpr Claim kRight{.string_given = true, .string_matches = true};
constexpr Claim kWrong{.string_given = true, .string_matches = false};
constexpr Claim kSilent{};

Enrollment Pending(Operation operation = Operation::kInstallUpgrade) {
  FakeRandom random(1);
  Enrollment e;
  e.name = "tenants/a/enrollments/SEP1";
  e.device_name = "SEP1";
  e.verifier = StringHasher(Secret::Take(std::string(32, 'k')))
                   .Make(Secret::CopyOf("123456"), random);
  Arm(e, operation, kNow);
  return e;
}

TEST(EnrollmentTest, InstallRunsToSuccessOnlyWhenThePhoneConfirms) {
  Enrollment e = Pending();
  EXPECT_EQ(StatusName(e.status), "Operation Pending");
  EXPECT_EQ(Judge(&e, kRight, kNow), Verdict::kInstall);
  OnLscIssued(e, "01aa", kNow);
  // pki.md 2.9.7: the open server is "issued, operation none" already here.
  EXPECT_EQ(StatusName(e.status), "Operation Pending");
  EXPECT_EQ(e.operation, Operation::kInstallUpgrade);
  EXPECT_EQ(e.lsc_serial, "");
  EXPECT_EQ(e.unconfirmed_serial, "01aa");
  EXPECT_EQ(OnLscStored(e, kNow + absl::Hours(1), kNow), "");
  EXPECT_EQ(StatusName(e.status), "Upgrade Success");
  EXPECT_EQ(OperationName(e.operation), "No Pending Operation");
  EXPECT_EQ(e.lsc_serial, "01aa");
  EXPECT_EQ(e.unconfirmed_serial, "");
}

TEST(EnrollmentTest, AStringWorksOnce) {
  Enrollment e = Pending();
  OnLscIssued(e, "01aa", kNow);
  OnLscStored(e, kNow, kNow);
  EXPECT_TRUE(e.string_spent);
  EXPECT_EQ(Judge(&e, kRight, kNow), Verdict::kNothingPending);
  EXPECT_EQ(Judge(&e, kWrong, kNow), Verdict::kRefused);
}

TEST(EnrollmentTest, ASecondInstallNamesWhatItReplaces) {
  Enrollment e = Pending();
  OnLscIssued(e, "01aa", kNow);
  OnLscStored(e, kNow, kNow);
  Arm(e, Operation::kInstallUpgrade, kNow);
  OnLscIssued(e, "01bb", kNow);
  EXPECT_EQ(e.lsc_serial, "01aa");  // the former stays usable (CCE-55)
  EXPECT_EQ(OnLscStored(e, kNow, kNow), "01aa");
  EXPECT_EQ(e.lsc_serial, "01bb");
}

TEST(EnrollmentTest, DeleteForgetsTheLsc) {
  Enrollment e = Pending();
  OnLscIssued(e, "01aa", kNow);
  OnLscStored(e, kNow, kNow);
  Arm(e, Operation::kDelete, kNow);
  EXPECT_EQ(Judge(&e, kRight, kNow), Verdict::kDelete);
  EXPECT_EQ(OnLscDeleted(e, kNow), "01aa");
  EXPECT_EQ(StatusName(e.status), "Delete Success");
  EXPECT_EQ(e.lsc_serial, "");
}

// pki.md 2.9.5: unlimited attempts in the open server.
TEST(EnrollmentTest, FiveWrongStringsLockTheDoor) {
  Enrollment e = Pending();
  for (uint32_t i = 1; i <= kMaxFailedAttempts; ++i) {
    EXPECT_EQ(Judge(&e, kWrong, kNow), Verdict::kRefused);
    EXPECT_EQ(e.failed_attempts, i);
    EXPECT_EQ(StatusName(e.status),
              "Upgrade Failed: Invalid Authentication String");
  }
  EXPECT_TRUE(e.locked);
  // The right string comes too late, and no count goes on.
  EXPECT_EQ(Judge(&e, kRight, kNow), Verdict::kRefused);
  EXPECT_EQ(e.failed_attempts, kMaxFailedAttempts);
  Arm(e, Operation::kInstallUpgrade, kNow);
  EXPECT_EQ(Judge(&e, kRight, kNow), Verdict::kInstall);
}

TEST(EnrollmentTest, GuessingASpentStringLocksToo) {
  Enrollment e = Pending();
  OnLscIssued(e, "01aa", kNow);
  OnLscStored(e, kNow, kNow);
  for (uint32_t i = 0; i < kMaxFailedAttempts; ++i) Judge(&e, kWrong, kNow);
  EXPECT_TRUE(e.locked);
  EXPECT_EQ(StatusName(e.status), "Upgrade Success");
  EXPECT_EQ(e.lsc_serial, "01aa");
}

TEST(EnrollmentTest, AskingWithoutAStringIsNoGuess) {
  Enrollment e = Pending();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Judge(&e, kSilent, kNow), Verdict::kRefused);
  }
  EXPECT_FALSE(e.locked);
  EXPECT_EQ(e.failed_attempts, 0u);
}

TEST(EnrollmentTest, KnockingAtALockedDoorChangesNothing) {
  Enrollment e = Pending();
  for (uint32_t i = 0; i < kMaxFailedAttempts; ++i) Judge(&e, kWrong, kNow);
  const Enrollment locked = e;
  Judge(&e, kWrong, kNow + absl::Hours(1));
  Judge(&e, kRight, kNow + absl::Hours(2));
  EXPECT_EQ(e, locked);
  Enrollment silent = Pending();
  const Enrollment before = silent;
  Judge(&silent, kSilent, kNow + absl::Hours(1));
  EXPECT_EQ(silent, before);
}

TEST(EnrollmentTest, UnknownDevice) {
  EXPECT_EQ(Judge(nullptr, kRight, kNow), Verdict::kUnknownDevice);
}

// CCE-50: what is not done by then lapses.
TEST(EnrollmentTest, OperationCompletesBy) {
  Enrollment e = Pending();
  e.completes_by = kNow + absl::Hours(1);
  EXPECT_EQ(Judge(&e, kRight, kNow + absl::Minutes(59)), Verdict::kInstall);
  EXPECT_NE(Judge(&e, kRight, kNow + absl::Hours(1)), Verdict::kInstall);
  EXPECT_EQ(StatusName(e.status),
            "Upgrade Failed: User Initiated Request Late/Timedout");
  EXPECT_EQ(e.operation, Operation::kNone);
}

TEST(EnrollmentTest, NullStringOpensOnlyItsWindow) {
  Enrollment e = Pending();
  e.mode = AuthenticationMode::kByNullString;
  e.verifier = {};
  EXPECT_EQ(ReasonOf(CheckEnrollment(e, kNow)), "ENROLLMENT_INVALID");
  e.completes_by = kNow + absl::Hours(1);
  EXPECT_TRUE(CheckEnrollment(e, kNow).ok());
  EXPECT_EQ(Judge(&e, kSilent, kNow), Verdict::kInstall);
  EXPECT_EQ(Judge(&e, kWrong, kNow), Verdict::kRefused);
  EXPECT_EQ(Judge(&e, kSilent, kNow + absl::Hours(1)), Verdict::kRefused);
}

// CAPF v3 brought elliptic keys (pki.md 2.7).
TEST(EnrollmentTest, KeyOrderMeetsTheVersion) {
  Enrollment e = Pending();
  const KeyChoice rsa{KeyKind::kRsa, 2048};
  const KeyChoice ec{KeyKind::kEcP256, 0};
  EXPECT_EQ(ChooseKey(e, 3), ec);
  EXPECT_EQ(ChooseKey(e, 2), rsa);
  e.key_order = KeyOrder::kRsaOnly;
  EXPECT_EQ(ChooseKey(e, 3), rsa);
  e.key_order = KeyOrder::kEcOnly;
  EXPECT_EQ(ChooseKey(e, 3), ec);
  EXPECT_EQ(ChooseKey(e, 2), std::nullopt);
  Claim old = kRight;
  old.protocol_version = 2;
  EXPECT_EQ(Judge(&e, old, kNow), Verdict::kRefused);
  EXPECT_EQ(StatusName(e.status),
            "Upgrade Failed: No Support for EC only in CAPF version 3");
  EXPECT_EQ(e.operation, Operation::kInstallUpgrade);
}

TEST(EnrollmentTest, OnlyTheKeyAskedForIsTaken) {
  Enrollment e = Pending();
  const auto make = [](KeyKind kind, int bits = 2048) {
    return *PublicKey::FromSpki(AsBytes(TestSpki(NewTestKey(kind, bits).get())),
                                KeyPolicy{});
  };
  const PublicKey p256 = make(KeyKind::kEcP256);
  const PublicKey p384 = make(KeyKind::kEcP384);
  const PublicKey rsa = make(KeyKind::kRsa);
  EXPECT_TRUE(KeyIsAsChosen(e, 3, p256));
  EXPECT_TRUE(KeyIsAsChosen(e, 3, rsa));  // the backup
  EXPECT_FALSE(KeyIsAsChosen(e, 3, p384));
  EXPECT_FALSE(KeyIsAsChosen(e, 2, p256));
  EXPECT_TRUE(KeyIsAsChosen(e, 2, rsa));
  e.key_order = KeyOrder::kEcOnly;
  EXPECT_FALSE(KeyIsAsChosen(e, 3, rsa));
  EXPECT_FALSE(KeyIsAsChosen(e, 2, p256));
  e.key_order = KeyOrder::kRsaOnly;
  EXPECT_FALSE(KeyIsAsChosen(e, 3, p256));
  e.rsa_bits = 3072;
  EXPECT_FALSE(KeyIsAsChosen(e, 3, rsa));
}

TEST(EnrollmentTest, AFailureLeavesTheOperationToTheNextTry) {
  Enrollment e = Pending();
  OnOperationFailed(e, FailureReason::kPhoneCommunicationFailure, kNow);
  EXPECT_EQ(StatusName(e.status),
            "Upgrade Failed: Phone Communication Failure");
  EXPECT_EQ(Judge(&e, kRight, kNow), Verdict::kInstall);
  // A failure after the end changes nothing.
  OnLscIssued(e, "01", kNow);
  OnLscStored(e, kNow, kNow);
  OnOperationFailed(e, FailureReason::kInvalidLsc, kNow);
  EXPECT_EQ(StatusName(e.status), "Upgrade Success");
}

// CCE-50: a time that has passed is refused.
TEST(EnrollmentTest, CheckNamesEveryFault) {
  Enrollment e;
  e.device_name = "not a name";
  e.operation = Operation::kInstallUpgrade;
  e.completes_by = kNow - absl::Seconds(1);
  e.rsa_bits = 512;
  e.curve = KeyKind::kRsa;
  e.validity = absl::Hours(1);
  const absl::Status status = CheckEnrollment(e, kNow);
  EXPECT_EQ(ReasonOf(status), "ENROLLMENT_INVALID");
  EXPECT_EQ(FieldViolationsOf(status).size(), 6u);
  EXPECT_TRUE(CheckEnrollment(Pending(Operation::kTroubleshoot), kNow).ok());
  Enrollment mic = Pending();
  mic.mode = AuthenticationMode::kByExistingMic;
  EXPECT_TRUE(CheckEnrollment(mic, kNow).ok());
  // A string is no certificate.
  EXPECT_EQ(Judge(&mic, kRight, kNow), Verdict::kRefused);
  EXPECT_TRUE(CheckEnrollment(Pending(), kNow).ok());
}

// research/pki.md 2.9, defect 4: what was signed is the same each time.
TEST(EnrollmentTest, AProofOpensOneOperation) {
  Enrollment e = Pending();
  e.mode = AuthenticationMode::kByExistingMic;
  Claim claim;
  claim.identity =
      ProvenIdentity{.is_mic = true, .proof_sha256 = "p1", .der = "mic"};
  EXPECT_EQ(Judge(&e, claim, kNow), Verdict::kInstall);
  EXPECT_EQ(Judge(&e, claim, kNow), Verdict::kInstall);  // a phone's own retry
  EXPECT_EQ(e.mic_der, "mic");
  Arm(e, Operation::kInstallUpgrade, kNow);
  EXPECT_EQ(Judge(&e, claim, kNow), Verdict::kRefused);
  EXPECT_EQ(StatusName(e.status), "Upgrade Failed: Invalid Credentials");
  EXPECT_FALSE(e.locked);
  claim.identity->proof_sha256 = "p2";
  EXPECT_EQ(Judge(&e, claim, kNow), Verdict::kInstall);
  Arm(e, Operation::kDelete, kNow);
  EXPECT_EQ(Judge(&e, claim, kNow), Verdict::kRefused);
  // What is bound to the session cannot be one that went by.
  Arm(e, Operation::kTroubleshoot, kNow);
  claim.identity->bound_to_session = true;
  EXPECT_EQ(Judge(&e, claim, kNow), Verdict::kTroubleshoot);
}

TEST(EnrollmentTest, PrecedenceOfCertificates) {
  Enrollment e = Pending();
  e.mode = AuthenticationMode::kByExistingLsc;
  Claim claim;
  claim.identity = ProvenIdentity{.is_mic = true, .proof_sha256 = "p"};
  // No LSC that we know of: the MIC will do.
  EXPECT_EQ(Judge(&e, claim, kNow), Verdict::kInstall);
  e.lsc_serial = "01";
  e.lsc_expire_time = kNow + absl::Hours(1);
  EXPECT_EQ(Judge(&e, claim, kNow), Verdict::kRefused);
  EXPECT_EQ(StatusName(e.status), "Upgrade Failed: Invalid LSC");
  // The same refusal again writes nothing.
  const Enrollment before = e;
  EXPECT_EQ(Judge(&e, claim, kNow + absl::Seconds(5)), Verdict::kRefused);
  EXPECT_EQ(e, before);
  claim.identity->is_mic = false;
  EXPECT_EQ(Judge(&e, claim, kNow), Verdict::kInstall);
  claim.identity->fault = FailureReason::kInvalidLsc;
  EXPECT_EQ(Judge(&e, claim, kNow), Verdict::kRefused);
}

TEST(EnrollmentTest, ApprovalIsOfOneOperation) {
  Enrollment e = Pending();
  e.approval_required = true;
  EXPECT_EQ(Judge(&e, kRight, kNow), Verdict::kAwaitsApproval);
  EXPECT_EQ(StatusName(e.status), "Operation Pending");
  e.approved = true;
  EXPECT_EQ(Judge(&e, kRight, kNow), Verdict::kInstall);
  Arm(e, Operation::kInstallUpgrade, kNow);
  EXPECT_FALSE(e.approved);
}

}  // namespace
}  // namespace sallyport::capf
