// Decides about phones, by the rules of core/enrollment, and keeps the answers
// durable before they are given.

#ifndef SALLYPORT_SERVICES_CAPF_IO_REGISTRATION_AUTHORITY_H_
#define SALLYPORT_SERVICES_CAPF_IO_REGISTRATION_AUTHORITY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/capf/core/authentication_string.h"
#include "services/capf/core/capf_message.h"
#include "services/capf/core/capf_session.h"
#include "services/capf/core/enrollment.h"
#include "services/capf/io/authorities.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/ledger_step.h"

namespace sallyport::capf {

struct RegistrationOptions {
  // Phones' RSA keys below 2048 bits.
  bool allow_weak_keys = false;
  // Nothing is believed that rests on SHA-1 alone (FIPS mode): proofs need a
  // SHA-2 signature, certificates of phones too.
  bool refuse_sha1 = false;
  absl::Duration lsc_validity;  // when the enrollment names none
  uint32_t max_failed_attempts = kMaxFailedAttempts;
};

// What somebody else changed meanwhile is read and judged again. Thread-safe.
class RegistrationAuthority {
 public:
  // All but `options` must outlive this object.
  RegistrationAuthority(const RegistrationOptions& options,
                        const StringHasher& strings,
                        CertificateAuthority& authority, Ledger& ledger)
      : options_(options),
        strings_(strings),
        authority_(authority),
        ledger_(ledger) {}

  // LSCs are by the authority that these choose for the phone. Must outlive
  // this object; before the first phone.
  void ChooseFrom(Authorities& authorities) { authorities_ = &authorities; }

  Ledger& ledger() { return ledger_; }

  // Judges a claim. A failure of the store is a refusal. Cleanses the string
  // in `claim`, which must live until `then`.
  LedgerStep Admit(CapfMessage& claim, Then<Admission> then);

  // Issues for an admitted phone. The key of a certificate that was issued
  // and never confirmed gets that certificate again; another key makes the
  // unconfirmed one void. Failures are recorded in the enrollment.
  LedgerStep IssueLsc(const std::string& enrollment, uint8_t protocol_version,
                      const std::string& spki,
                      Then<absl::StatusOr<IssuedLsc>> then);

  // The phone confirmed. Doing it twice is no error.
  LedgerStep RecordStored(const std::string& enrollment,
                          const std::string& serial, Then<absl::Status> then);

  // The same for who waits.
  Admission Admit(CapfMessage& claim);
  absl::StatusOr<IssuedLsc> IssueLsc(const std::string& enrollment,
                                     uint8_t protocol_version,
                                     const std::string& spki);
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
  // An enrollment, and the certificate that waits for its confirmation if we
  // have just issued it.
  struct Standing {
    Enrollment enrollment;
    std::optional<CertificateRecord> issued;
  };

  absl::StatusOr<Enrollment> Read(const std::string& name);
  // Runs `body` on what is known of a phone, or on what the store says if that
  // is nothing, or was not enough: another wrote, or an operator changed it.
  template <typename Answer>
  using OnStanding =
      std::function<LedgerStep(std::shared_ptr<Standing>, Then<Answer>)>;
  template <typename Answer>
  LedgerStep WithStanding(const std::string& name, OnStanding<Answer> body,
                          Then<Answer> then);
  // Of a phone whose next step comes soon: it saves a read, and every write
  // that follows from it is bound to its version.
  void Keep(Standing standing) ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<Standing> TakeKept(const std::string& name)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // What a claim comes to, once its change is durable; none: at once.
  struct Judged;
  absl::StatusOr<Judged> JudgeClaim(const CapfMessage& claim);
  LedgerStep TryAdmit(const CapfMessage& claim,
                      Then<absl::StatusOr<Admission>> then);
  // The change that confirms a certificate; nullopt if it is already.
  absl::StatusOr<std::optional<StoreChange>> StoredChange(
      Standing& standing, const std::string& serial);
  absl::Status TryRecordDeleted(const std::string& enrollment);
  absl::Status TryRecordFailure(const std::string& enrollment,
                                const std::string& serial,
                                FailureReason reason);
  // What is to be issued, or was and is to be delivered again.
  struct LscOrder;
  absl::StatusOr<LscOrder> OrderFor(Enrollment& enrollment,
                                    uint8_t protocol_version,
                                    const std::string& spki);
  LedgerStep TryIssue(std::shared_ptr<Standing> standing,
                      uint8_t protocol_version, const std::string& spki,
                      Then<absl::StatusOr<IssuedLsc>> then);

  const RegistrationOptions options_;
  const StringHasher& strings_;
  CertificateAuthority& authority_;  // if there is no choice
  Authorities* authorities_ = nullptr;
  Ledger& ledger_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Standing> kept_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_REGISTRATION_AUTHORITY_H_
