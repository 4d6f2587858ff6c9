#include "services/capf/core/enrollment.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "services/capf/core/certificate_names.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

constexpr absl::Duration kLongestNullStringWindow = absl::Hours(24);
// More operations than anybody sets on one phone in the life of its key.
constexpr size_t kMaxUsedProofs = 32;
constexpr absl::Duration kShortestLsc = absl::Hours(24);
constexpr absl::Duration kLongestLsc = absl::Hours(24 * 3560);

void Fail(Enrollment& enrollment, FailureReason reason, absl::Time now) {
  enrollment.status = {.outcome = OperationStatus::Outcome::kFailed,
                       .operation = enrollment.operation,
                       .reason = reason};
  enrollment.update_time = now;
}

void Succeed(Enrollment& enrollment, absl::Time now) {
  enrollment.status = {.outcome = OperationStatus::Outcome::kSuccess,
                       .operation = enrollment.operation};
  enrollment.operation = Operation::kNone;
  enrollment.string_spent = true;
  enrollment.failed_attempts = 0;
  enrollment.completes_by = absl::InfiniteFuture();
  enrollment.update_time = now;
}

// A wrong string: counted, and at the limit the door is locked.
void CountFailure(Enrollment& enrollment, uint32_t limit, absl::Time now) {
  ++enrollment.failed_attempts;
  enrollment.last_contact_time = now;
  enrollment.update_time = now;
  if (enrollment.operation != Operation::kNone) {
    Fail(enrollment, FailureReason::kInvalidAuthenticationString, now);
  }
  if (enrollment.failed_attempts < limit) return;
  enrollment.locked = true;
  enrollment.operation = Operation::kNone;
}

// A refusal by certificate: nobody guesses a key, so nothing is locked, and
// the same refusal again writes nothing.
bool RefuseIdentity(Enrollment& enrollment, FailureReason reason,
                    absl::Time now) {
  const OperationStatus wanted{.outcome = OperationStatus::Outcome::kFailed,
                               .operation = enrollment.operation,
                               .reason = reason};
  if (enrollment.operation != Operation::kNone && enrollment.status != wanted) {
    Fail(enrollment, reason, now);
  }
  return false;
}

// Whether the certificate that was shown lets its device in. With precedence
// to one kind, the other counts only while we know of none of the first.
bool AdmitIdentity(Enrollment& enrollment, const Claim& claim, absl::Time now) {
  if (!claim.identity.has_value()) return false;
  const ProvenIdentity& identity = *claim.identity;
  if (identity.fault != FailureReason::kNone) {
    return RefuseIdentity(enrollment, identity.fault, now);
  }
  const bool wants_mic = enrollment.mode == AuthenticationMode::kByExistingMic;
  if (identity.is_mic != wants_mic) {
    const bool has_lsc =
        !enrollment.lsc_serial.empty() && enrollment.lsc_expire_time > now;
    const bool has_first = wants_mic ? !enrollment.mic_der.empty() : has_lsc;
    if (has_first) {
      return RefuseIdentity(
          enrollment,
          wants_mic ? FailureReason::kInvalidMic : FailureReason::kInvalidLsc,
          now);
    }
  }
  // What was signed is the same each time, so a proof that went by once may be
  // anybody's by now; only one that is bound to its session is not.
  const bool used =
      std::find(enrollment.used_proofs.begin(), enrollment.used_proofs.end(),
                identity.proof_sha256) != enrollment.used_proofs.end();
  if (used && !identity.bound_to_session) {
    return RefuseIdentity(enrollment, FailureReason::kInvalidCredentials, now);
  }
  if (enrollment.operation != Operation::kNone) {
    enrollment.current_proof = identity.proof_sha256;
  }
  if (identity.is_mic) enrollment.mic_der = identity.der;
  return true;
}

}  // namespace

absl::Status CheckEnrollment(const Enrollment& enrollment, absl::Time now) {
  std::vector<FieldViolation> faults;
  if (!IsDeviceName(enrollment.device_name)) {
    faults.push_back({"device_name",
                      "is not 1 to 64 letters, digits, hyphens, underscores"});
  }
  const bool pending = enrollment.operation != Operation::kNone;
  if (pending && enrollment.mode == AuthenticationMode::kByString &&
      enrollment.verifier.empty()) {
    faults.push_back({"authentication_string", "is missing"});
  }
  if (pending && enrollment.mode == AuthenticationMode::kByNullString &&
      enrollment.completes_by > now + kLongestNullStringWindow) {
    faults.push_back({"operation_completes_by_time",
                      "must be within 24 hours for a null string"});
  }
  if (pending && enrollment.completes_by <= now) {
    faults.push_back({"operation_completes_by_time", "is in the past"});
  }
  if (enrollment.rsa_bits != 2048 && enrollment.rsa_bits != 3072 &&
      enrollment.rsa_bits != 4096) {
    faults.push_back({"rsa_key_size", "is not 2048, 3072 or 4096"});
  }
  if (enrollment.curve == KeyKind::kRsa) {
    faults.push_back({"ec_key_size", "is not 256, 384 or 521"});
  }
  if (enrollment.validity != absl::ZeroDuration() &&
      (enrollment.validity < kShortestLsc ||
       enrollment.validity > kLongestLsc)) {
    faults.push_back({"validity", "is not 1 to 3560 days"});
  }
  if (faults.empty()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInvalidArgument, "ENROLLMENT_INVALID",
                   "the enrollment has faults", faults);
}

void Arm(Enrollment& enrollment, Operation operation, absl::Time now) {
  enrollment.operation = operation;
  enrollment.status = {};
  if (operation != Operation::kNone) {
    enrollment.status = {.outcome = OperationStatus::Outcome::kPending,
                         .operation = operation};
  }
  enrollment.string_spent = false;
  enrollment.failed_attempts = 0;
  enrollment.locked = false;
  enrollment.approved = false;
  if (!enrollment.current_proof.empty()) {
    enrollment.used_proofs.push_back(
        std::exchange(enrollment.current_proof, {}));
    if (enrollment.used_proofs.size() > kMaxUsedProofs) {
      enrollment.used_proofs.erase(enrollment.used_proofs.begin());
    }
  }
  enrollment.update_time = now;
}

bool Expire(Enrollment& enrollment, absl::Time now) {
  if (enrollment.operation == Operation::kNone ||
      now < enrollment.completes_by) {
    return false;
  }
  Fail(enrollment, FailureReason::kUserInitiatedRequestLate, now);
  enrollment.operation = Operation::kNone;
  enrollment.string_spent = true;
  return true;
}

Verdict Judge(Enrollment* enrollment, const Claim& claim, absl::Time now) {
  if (enrollment == nullptr) return Verdict::kUnknownDevice;
  Expire(*enrollment, now);
  if (enrollment->locked) return Verdict::kRefused;

  switch (enrollment->mode) {
    case AuthenticationMode::kByString:
      if (!claim.string_matches || enrollment->verifier.empty()) {
        // A phone that merely asks, without a string, is not guessing.
        if (claim.string_given) {
          CountFailure(*enrollment, claim.max_failed_attempts, now);
        }
        return Verdict::kRefused;
      }
      break;
    case AuthenticationMode::kByNullString:
      // Proves nothing, so only an open window lets it in, and without one
      // it is not told that there is nothing to do.
      if (enrollment->operation == Operation::kNone || claim.string_given) {
        return Verdict::kRefused;
      }
      break;
    case AuthenticationMode::kByExistingLsc:
    case AuthenticationMode::kByExistingMic:
      if (!AdmitIdentity(*enrollment, claim, now)) return Verdict::kRefused;
      break;
  }

  enrollment->last_contact_time = now;
  enrollment->protocol_version = claim.protocol_version;
  if (enrollment->operation != Operation::kNone) {
    enrollment->status = {.outcome = OperationStatus::Outcome::kPending,
                          .operation = enrollment->operation};
  }
  switch (enrollment->operation) {
    case Operation::kInstallUpgrade:
      if (!ChooseKey(*enrollment, claim.protocol_version).has_value()) {
        Fail(*enrollment, FailureReason::kNoSupportForEcOnly, now);
        return Verdict::kRefused;
      }
      if (enrollment->approval_required && !enrollment->approved) {
        return Verdict::kAwaitsApproval;
      }
      return Verdict::kInstall;
    case Operation::kDelete:
      return Verdict::kDelete;
    case Operation::kTroubleshoot:
      return Verdict::kTroubleshoot;
    case Operation::kNone:
      break;
  }
  return Verdict::kNothingPending;
}

std::optional<KeyChoice> ChooseKey(const Enrollment& enrollment,
                                   uint8_t protocol_version) {
  const KeyChoice rsa{.kind = KeyKind::kRsa, .rsa_bits = enrollment.rsa_bits};
  const KeyChoice ec{.kind = enrollment.curve, .rsa_bits = 0};
  const bool knows_ec = protocol_version >= 3;
  switch (enrollment.key_order) {
    case KeyOrder::kRsaOnly:
      return rsa;
    case KeyOrder::kEcOnly:
      if (!knows_ec) return std::nullopt;
      return ec;
    case KeyOrder::kEcPreferredRsaBackup:
      return knows_ec ? ec : rsa;
  }
  return std::nullopt;
}

bool KeyIsAsChosen(const Enrollment& enrollment, uint8_t protocol_version,
                   const PublicKey& key) {
  const std::optional<KeyChoice> choice =
      ChooseKey(enrollment, protocol_version);
  if (!choice.has_value()) return false;
  const bool rsa_fits = key.is_rsa() && key.bits() == enrollment.rsa_bits;
  // "RSA backup": a phone that cannot make the curve may answer with RSA.
  if (enrollment.key_order == KeyOrder::kEcPreferredRsaBackup && rsa_fits) {
    return true;
  }
  if (choice->kind == KeyKind::kRsa) return rsa_fits;
  return key.kind() == choice->kind;
}

void OnLscIssued(Enrollment& enrollment, const std::string& serial,
                 absl::Time now) {
  enrollment.unconfirmed_serial = serial;
  enrollment.update_time = now;
}

std::string OnLscStored(Enrollment& enrollment, absl::Time expire_time,
                        absl::Time now) {
  std::string replaced = std::exchange(
      enrollment.lsc_serial, std::exchange(enrollment.unconfirmed_serial, {}));
  enrollment.lsc_expire_time = expire_time;
  Succeed(enrollment, now);
  return replaced;
}

std::string OnLscDeleted(Enrollment& enrollment, absl::Time now) {
  std::string deleted = std::exchange(enrollment.lsc_serial, {});
  enrollment.lsc_expire_time = absl::InfinitePast();
  Succeed(enrollment, now);
  return deleted;
}

bool OnCertificatesFetched(Enrollment& enrollment, bool holds_unconfirmed,
                           bool holds_any, const std::string& mic_der,
                           absl::Time now) {
  if (!mic_der.empty()) enrollment.mic_der = mic_der;
  if (!holds_any && mic_der.empty()) {
    // A phone without any certificate has nothing to look at.
    Fail(enrollment, FailureReason::kNone, now);
    enrollment.operation = Operation::kNone;
    return false;
  }
  Succeed(enrollment, now);
  return holds_unconfirmed;
}

void OnOperationFailed(Enrollment& enrollment, FailureReason reason,
                       absl::Time now) {
  if (enrollment.operation == Operation::kNone) return;
  Fail(enrollment, reason, now);
}

}  // namespace sallyport::capf
