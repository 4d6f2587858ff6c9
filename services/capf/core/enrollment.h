// One device's standing with us: what it may do next, and how the last attempt
// went. Every rule about who is let in is here.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_ENROLLMENT_H_
#define SALLYPORT_SERVICES_CAPF_CORE_ENROLLMENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/capf/core/authentication_string.h"
#include "services/capf/core/operation_status.h"
#include "services/capf/core/public_key.h"

namespace sallyport::capf {

// Which kind of key the phone is to make.
enum class KeyOrder { kRsaOnly, kEcOnly, kEcPreferredRsaBackup };

// Wrong strings before an operation is locked, unless configured: five tries
// at 10 000 strings of four digits are a chance of 0.05 %.
inline constexpr uint32_t kMaxFailedAttempts = 5;

// The record of one device. A value; the transitions below are the only
// writers of its state. Thread-compatible.
struct Enrollment {
  std::string name;  // tenants/{tenant}/enrollments/{enrollment}
  std::string device_name;
  // "CP-8861", as an operator says; empty: not known. Decides which files the
  // phone can verify.
  std::string model;
  // Id of the authority that its LSC is to be by; empty: as is the rule.
  std::string authority;

  Operation operation = Operation::kNone;
  AuthenticationMode mode = AuthenticationMode::kByString;
  StringVerifier verifier;  // empty unless kByString
  // True once the string has done its work: it proves nothing any more.
  bool string_spent = false;
  KeyOrder key_order = KeyOrder::kEcPreferredRsaBackup;
  int rsa_bits = 2048;
  KeyKind curve = KeyKind::kEcP256;
  absl::Duration validity;  // of the LSC; zero is the profile's default
  // "Operation Completes By"; InfiniteFuture() is no deadline.
  absl::Time completes_by = absl::InfiniteFuture();

  OperationStatus status;
  uint32_t failed_attempts = 0;
  // Locked by too many wrong strings until an operator arms it again.
  bool locked = false;
  // Hex serials: the LSC that the phone confirmed, and one that was issued
  // and sent but never confirmed.
  std::string lsc_serial;
  std::string unconfirmed_serial;
  absl::Time lsc_expire_time = absl::InfinitePast();
  absl::Time last_contact_time = absl::InfinitePast();
  uint8_t protocol_version = 0;  // that the phone spoke last

  // The certificate is signed only after an operator approved this operation.
  bool approval_required = false;
  bool approved = false;
  // The manufacturer's certificate, as last proven or fetched; DER.
  std::string mic_der;
  // SHA-256 in hex of the proofs by certificate that opened former operations,
  // and of the one that opened this one.
  std::vector<std::string> used_proofs;
  std::string current_proof;

  // Tenant and request id of the caller that made it; may be empty. Unique.
  std::string request_key;

  absl::Time create_time = absl::UnixEpoch();
  absl::Time update_time = absl::UnixEpoch();
  int64_t version = 0;  // rises with every write; the etag

  bool operator==(const Enrollment&) const = default;
};

// What an operator sets. kInvalidArgument, reason ENROLLMENT_INVALID, names
// every fault: a device name that is none; a string mode without a verifier
// while an operation is pending; a null string without a deadline at most 24
// hours ahead (an open door must close by itself); a deadline in the past; a
// key size outside what is certified; a validity outside 1 to 3560 days.
absl::Status CheckEnrollment(const Enrollment& enrollment, absl::Time now);

// Arms `operation` afresh: pending, not approved, no failed attempt, not
// locked. The proof that opened the last one opens nothing again.
void Arm(Enrollment& enrollment, Operation operation, absl::Time now);

// Lets the deadline act; true if it ended the operation.
bool Expire(Enrollment& enrollment, absl::Time now);

// A certificate that a device showed with its proof, already judged by itself:
// signatures, name, issuer, dates, revocation.
struct ProvenIdentity {
  bool is_mic = false;
  // OK: kNone. Otherwise what is told of the operation.
  FailureReason fault = FailureReason::kNone;
  std::string proof_sha256;  // hex, of what was signed and the signatures
  bool bound_to_session = false;
  std::string der;
};

// What a device said of itself, with its string already judged: whether it
// matched the verifier, in time that does not depend on the answer.
struct Claim {
  bool string_given = false;  // and not empty
  bool string_matches = false;
  uint8_t protocol_version = 3;
  // Wrong strings before the door is locked.
  uint32_t max_failed_attempts = kMaxFailedAttempts;
  std::optional<ProvenIdentity> identity;  // of a device that showed one
};

enum class Verdict {
  kRefused,         // nobody learns why
  kUnknownDevice,   // looks like kRefused from outside
  kNothingPending,  // said only to a device that proved itself
  kInstall,
  kDelete,
  kTroubleshoot,
  kAwaitsApproval,  // proved itself; the operator has not said yes
};

// Judges a claim and counts it; the result of counting must be durable before
// anything is answered. `enrollment` is null for a device that nobody knows,
// and is left as it was by a refusal that counts nothing: whoever knocks at a
// locked door causes no write.
Verdict Judge(Enrollment* enrollment, const Claim& claim, absl::Time now);

// The key that is asked of the phone.
struct KeyChoice {
  KeyKind kind = KeyKind::kRsa;
  int rsa_bits = 2048;

  bool operator==(const KeyChoice&) const = default;
};

// nullopt if none fits: an elliptic key only, and a phone that speaks version
// 2, which knows none.
std::optional<KeyChoice> ChooseKey(const Enrollment& enrollment,
                                   uint8_t protocol_version);

// The key that came is the one asked for.
bool KeyIsAsChosen(const Enrollment& enrollment, uint8_t protocol_version,
                   const PublicKey& key);

// A certificate was issued and goes out; nothing is a success yet.
void OnLscIssued(Enrollment& enrollment, const std::string& serial,
                 absl::Time now);
// The phone has stored it. Returns the serial that it replaces, if any.
std::string OnLscStored(Enrollment& enrollment, absl::Time expire_time,
                        absl::Time now);
// The phone has deleted its LSC. Returns its serial, if we know one.
std::string OnLscDeleted(Enrollment& enrollment, absl::Time now);
// The phone has told what it holds; both may be empty. Returns true if it holds
// the certificate that was issued and never confirmed, which is confirmed by
// it.
bool OnCertificatesFetched(Enrollment& enrollment, bool holds_unconfirmed,
                           bool holds_any, const std::string& mic_der,
                           absl::Time now);
// The operation did not come to its end. It stays pending, so that the phone's
// own retries work; the former LSC stays usable (CCE-55).
void OnOperationFailed(Enrollment& enrollment, FailureReason reason,
                       absl::Time now);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_ENROLLMENT_H_
