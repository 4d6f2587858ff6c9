// The store in SQLite, through SOCI.

#ifndef SALLYPORT_SERVICES_CAPF_IO_SQL_STORE_H_
#define SALLYPORT_SERVICES_CAPF_IO_SQL_STORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/capf/io/enrollment_store.h"

namespace soci {
class session;
}  // namespace soci

namespace sallyport::capf {

// Write-ahead log with synchronous=FULL: what Apply() said is done survives
// kill -9 and a power cut. Thread-compatible.
class SqlStore final : public EnrollmentStore {
 public:
  // Opens the file, made with its folder and mode 0600 if absent, brings its
  // schema up to date, and checks the whole audit chain: DATA_LOSS, reason
  // AUDIT_BROKEN, if a record was changed or is missing. FAILED_PRECONDITION
  // STORE_SCHEMA_TOO_NEW or STORE_LOCKED (another process has it open).
  static absl::StatusOr<std::unique_ptr<SqlStore>> Open(
      const std::string& file);
  ~SqlStore() override;

  absl::Status Apply(const StoreChange& change, absl::Time now) override;
  absl::StatusOr<std::optional<Enrollment>> GetEnrollment(
      const std::string& name) override;
  absl::StatusOr<std::optional<Enrollment>> FindDevice(
      const std::string& device_name) override;
  absl::StatusOr<std::vector<Enrollment>> ListEnrollments(
      const Page& page) override;
  absl::StatusOr<int64_t> CountPendingEnrollments() override;
  absl::StatusOr<std::optional<CertificateRecord>> GetCertificate(
      const std::string& serial) override;
  absl::StatusOr<std::optional<CertificateRecord>> FindRequest(
      const std::string& request_key) override;
  absl::StatusOr<std::vector<CertificateRecord>> FindKey(
      const std::string& key_sha256) override;
  absl::StatusOr<std::vector<CertificateRecord>> ListCertificates(
      const Page& page) override;
  absl::StatusOr<std::vector<CertificateRecord>> ListIntents() override;
  absl::StatusOr<std::vector<CertificateRecord>> ListRevoked(
      absl::Time now) override;
  absl::StatusOr<std::vector<TrustedCertificate>> ListTrusted() override;
  absl::StatusOr<int64_t> TrustVersion() override;
  absl::StatusOr<std::vector<PublishedList>> ListPublished(
      const std::string& tenant, TrustListKind kind, size_t limit) override;
  absl::StatusOr<std::vector<PhoneLists>> ListPhoneLists(
      const std::string& tenant) override;
  absl::StatusOr<std::optional<PhoneLists>> GetPhoneLists(
      const std::string& device) override;
  absl::StatusOr<std::vector<AuditRecord>> ReadAudit(int64_t sequence,
                                                     size_t limit) override;

 private:
  explicit SqlStore(std::unique_ptr<soci::session> session);

  absl::Status Migrate();
  absl::Status CheckAudit();
  absl::Status ApplyRows(const StoreChange& change);
  void AppendAudit(const StoreChange& change, absl::Time now);

  std::unique_ptr<soci::session> session_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_SQL_STORE_H_
