// Everything of capf's io on a folder of the test's own.

#ifndef SALLYPORT_SERVICES_CAPF_IO_TEST_CAPF_H_
#define SALLYPORT_SERVICES_CAPF_IO_TEST_CAPF_H_

#include <memory>
#include <optional>
#include <string>

#include "services/capf/core/authentication_string.h"
#include "services/capf/core/capf_message.h"
#include "services/capf/core/enrollment.h"
#include "services/capf/io/audit_file.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/enrollment_admin.h"
#include "services/capf/io/file_signer.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/registration_authority.h"
#include "services/capf/io/sql_store.h"
#include "services/capf/io/trust_admin.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/system_random.h"
#include "services/common/sql/sql_database.h"
#include "services/common/time/fake_clock.h"

namespace sallyport::capf {

// A fresh folder below TEST_TMPDIR.
std::string NewTestFolder();

// The store, the audit file, the key and all that uses them. Making a second
// one on the same folder after the first is gone is a restart. Any failure
// ends the test process. Thread-compatible.
struct TestCapf {
  explicit TestCapf(const std::string& folder,
                    RegistrationOptions registration = {});
  // The same over another store: a replica, if others have it too.
  TestCapf(const std::string& folder, SqlOptions store,
           RegistrationOptions registration = {});

  // A pending install by `string`, in tenants/a, stored.
  Enrollment AddEnrollment(const std::string& device,
                           const std::string& string = "123456");
  Enrollment Get(const std::string& device);
  // AUTH_RESPONSE of that device.
  static CapfMessage ClaimOf(const std::string& device,
                             const std::string& string);

  std::string folder;
  // Of every key in files and in the store.
  const Secret wrapping = Secret::Take(std::string(64, 'k'));
  FakeClock clock{absl::FromUnixSeconds(1795255200)};
  SystemRandom random;
  std::unique_ptr<SqlDatabase> database;
  std::unique_ptr<SqlStore> store;
  std::unique_ptr<AuditFile> audit;
  std::optional<Ledger> ledger;
  std::unique_ptr<FileSigner> signer;
  std::unique_ptr<CertificateAuthority> authority;
  const StringHasher strings{Secret::Take(std::string(32, 'k'))};
  std::optional<RegistrationAuthority> registration;
  std::optional<EnrollmentAdmin> enrollments;
  std::optional<TrustAdmin> trust;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_TEST_CAPF_H_
