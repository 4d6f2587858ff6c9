// IssuerStore in SQLite or PostgreSQL.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_SQL_ISSUER_STORE_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_SQL_ISSUER_STORE_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/random_source.h"
#include "services/common/sql/sql_database.h"
#include "services/credential_issuer/core/issuer_state.h"
#include "services/credential_issuer/core/key_ring.h"
#include "services/credential_issuer/core/key_sealer.h"
#include "services/credential_issuer/io/issuer_store.h"

namespace sallyport::credential_issuer {

// Keys are sealed by KeySealer. With PostgreSQL each change is told to the
// other replicas on kChannel. Thread-safe.
class SqlIssuerStore final : public IssuerStore {
 public:
  static constexpr char kChannel[] = "credential_issuer_state";

  // Brings the tables up to date, and what is sealed under the master key: all
  // that one of the sealer's accepted keys had sealed is sealed anew. All must
  // outlive it; `random` is Thread-safe. Errors of Migrate; DATA_LOSS with
  // SEALED_KEY_UNUSABLE.
  static absl::StatusOr<std::unique_ptr<SqlIssuerStore>> Open(
      SqlDatabase& database, const KeySealer& sealer, RandomSource& random);

  // For OpaqueSubject; the same for all replicas and master keys.
  const Secret& subject_key() const { return subject_key_; }

  absl::StatusOr<IssuerState> Load(const KeyRingPolicy& policy) override;
  absl::StatusOr<int64_t> Version() override;
  absl::Status Save(const IssuerState& current,
                    const IssuerState& next) override;
  absl::Status SaveReports(const std::vector<StoredReport>& reports,
                           absl::Time now) override;
  absl::StatusOr<std::vector<StoredReport>> LoadReports(
      absl::Time since) override;

 private:
  SqlIssuerStore(SqlDatabase& database, const KeySealer& sealer,
                 RandomSource& random, Secret subject_key)
      : database_(database),
        sealer_(sealer),
        random_(random),
        subject_key_(std::move(subject_key)) {}

  SqlDatabase& database_;
  const KeySealer& sealer_;
  RandomSource& random_;
  const Secret subject_key_;
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_SQL_ISSUER_STORE_H_
