// Decides about phones, by the rules of core/enrollment, and keeps the answers
// durable before they are given.

#ifndef SALLYPORT_SERVICES_CAPF_IO_REGISTRATION_AUTHORITY_H_
#define SALLYPORT_SERVICES_CAPF_IO_REGISTRATION_AUTHORITY_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/capf/core/capf_message.h"
#include "services/capf/core/capf_session.h"
#include "services/capf/core/enrollment.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/ledger.h"

namespace sallyport::capf {

struct RegistrationOptions {
  // PBKDF2 rounds for strings; also what a device that nobody knows costs.
  uint32_t string_iterations = 4096;
  // Phones' RSA keys below 2048 bits.
  bool allow_weak_keys = false;
  absl::Duration lsc_validity;  // when the enrollment names none
  uint32_t max_failed_attempts = kMaxFailedAttempts;
  bool accept_repeated_proofs = false;
};

// What somebody else changed meanwhile is read and judged again. Thread-safe.
class RegistrationAuthority {
 public:
  // Both must outlive this object.
  RegistrationAuthority(const RegistrationOptions& options,
                        CertificateAuthority& authority, Ledger& ledger)
      : options_(options), authority_(authority), ledger_(ledger) {}

  // Judges a claim. A failure of the store is a refusal. Cleanses the string
  // in `claim`.
  Admission Admit(CapfMessage& claim);

  // Issues for an admitted phone. The key of a certificate that was issued
  // and never confirmed gets that certificate again; another key makes the
  // unconfirmed one void. Failures are recorded in the enrollment.
  absl::StatusOr<IssuedLsc> IssueLsc(const std::string& enrollment,
                                     uint8_t protocol_version,
                                     const std::string& spki);

  // The phone confirmed. Doing it twice is no error.
  absl::Status RecordStored(const std::string& enrollment,
                            const std::string& serial);
  absl::Status RecordDeleted(const std::string& enrollment);
  // What a phone under Troubleshoot holds. The certificate that waits for its
  // confirmation is confirmed by being there.
  absl::Status RecordFetched(const std::string& enrollment,
                             const std::string& lsc_der,
                             const std::string& mic_der);
  // `serial` was refused by the phone: revoked. Empty: none.
  absl::Status RecordFailure(const std::string& enrollment,
                             const std::string& serial, FailureReason reason);

 private:
  // What the certificate and the proof in a claim are worth: for an LSC our
  // record decides, for a MIC the manufacturers' roots in CAPF-trust.
  absl::StatusOr<ProvenIdentity> JudgeIdentity(const CapfMessage& claim,
                                               const Enrollment& enrollment,
                                               absl::Time now);
  absl::StatusOr<bool> IsGoodMic(const std::string& tenant,
                                 const std::string& der, absl::Time now);
  absl::StatusOr<Enrollment> Read(const std::string& name);
  absl::StatusOr<Admission> TryAdmit(const CapfMessage& claim,
                                     const std::string& string);
  absl::Status TryRecordStored(const std::string& enrollment,
                               const std::string& serial);
  absl::Status TryRecordDeleted(const std::string& enrollment);
  absl::Status TryRecordFailure(const std::string& enrollment,
                                const std::string& serial,
                                FailureReason reason);
  absl::StatusOr<IssuedLsc> TryIssue(Enrollment& enrollment,
                                     uint8_t protocol_version,
                                     const std::string& spki);

  const RegistrationOptions options_;
  CertificateAuthority& authority_;
  Ledger& ledger_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_REGISTRATION_AUTHORITY_H_
