// IssuerStore in one SQLite file, and the audit beside it.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_SQLITE_ISSUER_STORE_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_SQLITE_ISSUER_STORE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/random/random_source.h"
#include "services/credential_issuer/core/key_sealer.h"
#include "services/credential_issuer/io/audit_log.h"
#include "services/credential_issuer/io/issuer_store.h"

namespace sallyport::credential_issuer {

// Keys are sealed by KeySealer; the file has mode 0600. Thread-compatible.
class SqliteIssuerStore final : public IssuerStore {
 public:
  // Makes the file and its folder if absent, and brings an older schema up to
  // date. `sealer` and `random` must outlive it. UNAVAILABLE with
  // STORE_UNAVAILABLE; FAILED_PRECONDITION with STORE_TOO_NEW for a schema of
  // a later release, or STORE_LOCKED while another process has it.
  static absl::StatusOr<std::unique_ptr<SqliteIssuerStore>> Open(
      const std::string& file, const KeySealer& sealer, RandomSource& random);
  ~SqliteIssuerStore() override;

  absl::StatusOr<IssuerState> Load(const KeyRingPolicy& policy) override;
  absl::Status Save(const IssuerState& current,
                    const IssuerState& next) override;

 private:
  struct Database;
  SqliteIssuerStore(std::unique_ptr<Database> database, const KeySealer& sealer,
                    RandomSource& random);

  std::unique_ptr<Database> database_;
  const KeySealer& sealer_;
  RandomSource& random_;
};

// Audit records in a SQLite file of their own beside the store, so that a flood
// of them never delays a change of keys. A record survives a crash of the
// process; the last ones may not survive one of the machine. Thread-safe.
class SqliteAuditLog final : public AuditLog {
 public:
  // Older records are removed as new ones come.
  static constexpr absl::Duration kKeep = absl::Hours(24 * 30);

  static absl::StatusOr<std::unique_ptr<SqliteAuditLog>> Open(
      const std::string& file);
  ~SqliteAuditLog() override;

  absl::Status Write(std::string_view line) override;

 private:
  struct Database;
  explicit SqliteAuditLog(std::unique_ptr<Database> database);

  std::unique_ptr<Database> database_;
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_SQLITE_ISSUER_STORE_H_
