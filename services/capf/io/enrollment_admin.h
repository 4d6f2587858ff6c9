// What operators do with enrollments and certificates.

#ifndef SALLYPORT_SERVICES_CAPF_IO_ENROLLMENT_ADMIN_H_
#define SALLYPORT_SERVICES_CAPF_IO_ENROLLMENT_ADMIN_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/capf/core/authentication_string.h"
#include "services/capf/core/certificate_record.h"
#include "services/capf/core/enrollment.h"
#include "services/capf/io/ledger.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/random_source.h"

namespace sallyport::capf {

// An enrollment with its string, which is told this once.
struct EnrollmentWithString {
  Enrollment enrollment;
  Secret string;  // empty if none was set
};

// Thread-compatible.
class EnrollmentAdmin {
 public:
  // All must outlive this object.
  EnrollmentAdmin(const StringHasher& strings, Ledger& ledger,
                  RandomSource& random)
      : strings_(strings), ledger_(ledger), random_(random) {}

  // FIPS mode: null strings are FAILED_PRECONDITION, reason
  // NOT_ALLOWED_IN_FIPS_MODE, from now on.
  void RefuseWhatIsNotApproved() { approved_only_ = true; }

  // Stores a new enrollment. With an operation pending by string, `string` is
  // its string; empty: one of eight digits is made. INVALID_ARGUMENT
  // AUTHENTICATION_STRING_INVALID if it is not 4 to 16 digits. A repeat of a
  // request id returns what was made then, without its string.
  absl::StatusOr<EnrollmentWithString> Create(Enrollment enrollment,
                                              Secret string,
                                              const std::string& actor,
                                              bool validate_only);

  // Stores `enrollment`, read at its version and then changed. With `arm` its
  // operation begins afresh, with a string as in Create().
  absl::StatusOr<EnrollmentWithString> Update(Enrollment enrollment, bool arm,
                                              Secret string,
                                              const std::string& actor,
                                              bool validate_only);

  // Says yes to the pending operation. FAILED_PRECONDITION, reason
  // NOTHING_TO_APPROVE, if none waits for it; ABORTED ETAG_MISMATCH. Twice is
  // no error.
  absl::StatusOr<Enrollment> Approve(const std::string& name, int64_t version,
                                     const std::string& actor);

  absl::Status Delete(const std::string& name, int64_t version,
                      const std::string& actor, bool validate_only);

  // The enrollment as it stands now: a deadline that has passed shows.
  absl::StatusOr<Enrollment> Get(const std::string& name);

  // Revokes at once and everywhere. Twice is no error, and changes nothing.
  absl::StatusOr<CertificateRecord> Revoke(const std::string& tenant,
                                           const std::string& serial,
                                           RevocationReason reason,
                                           const std::string& actor,
                                           bool validate_only);

 private:
  absl::Status CheckApproved(const Enrollment& enrollment) const;
  // Sets or makes the string of a pending operation.
  absl::StatusOr<Secret> SetString(Enrollment& enrollment, Secret string);

  const StringHasher& strings_;
  Ledger& ledger_;
  RandomSource& random_;
  bool approved_only_ = false;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_ENROLLMENT_ADMIN_H_
