// The store in SQLite or PostgreSQL.

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
#include "absl/types/span.h"
#include "services/capf/io/enrollment_store.h"
#include "services/capf/io/store_apply.h"
#include "services/common/sql/sql_database.h"

namespace sallyport::capf {

// What ApplyAll() said is done survives kill -9 and a power cut. Replicas that
// share a database write one after the other, so the audit is one chain.
// Thread-safe.
class SqlStore final : public EnrollmentStore {
 public:
  // Told on, with PostgreSQL, at each change of trust or of published lists.
  static constexpr char kChannel[] = "capf_changes";

  // Brings the schema up to date, and checks the whole audit chain: DATA_LOSS,
  // reason AUDIT_BROKEN, if a record was changed or is missing. Otherwise as
  // Migrate(). `database` must outlive it.
  static absl::StatusOr<std::unique_ptr<SqlStore>> Open(SqlDatabase& database);

  // The number of that name, which is `value` if there was none: who comes
  // first is right.
  absl::StatusOr<int64_t> ClaimNumber(const std::string& name, int64_t value);

  absl::StatusOr<StoreApplied> ApplyAll(
      absl::Span<const StoreChange* const> changes, absl::Time now) override;
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
  absl::StatusOr<std::optional<SignedListHead>> OldestListInForce(
      const std::string& authority, absl::Time now) override;
  absl::StatusOr<std::vector<CertificateRecord>> ListExpiring(
      absl::Time until) override;
  absl::StatusOr<std::vector<TrustedCertificate>> ListTrusted() override;
  absl::StatusOr<int64_t> TrustVersion() override;
  absl::StatusOr<std::vector<PublishedList>> ListPublished(
      const std::string& tenant, TrustListKind kind, size_t limit) override;
  absl::StatusOr<std::vector<PhoneLists>> ListPhoneLists(
      const std::string& tenant) override;
  absl::StatusOr<std::optional<PhoneLists>> GetPhoneLists(
      const std::string& device) override;
  absl::StatusOr<std::optional<PhoneCluster>> GetCluster(
      const std::string& tenant) override;
  absl::StatusOr<std::vector<std::string>> ListClusters() override;
  absl::StatusOr<std::vector<ListSigner>> ListSigners(
      const std::string& tenant) override;
  absl::StatusOr<std::optional<Procedure>> GetProcedure(
      const std::string& name) override;
  absl::StatusOr<std::optional<Procedure>> FindProcedureRequest(
      const std::string& request_key) override;
  absl::StatusOr<std::vector<Procedure>> ListProcedures(
      const Page& page) override;
  absl::StatusOr<std::vector<AuthorityGeneration>> ListAuthorities() override;
  absl::StatusOr<int64_t> CountLive(const LiveCertificates& which,
                                    absl::Time now) override;
  absl::StatusOr<std::vector<CertificateRecord>> ListLive(
      const LiveCertificates& which, absl::Time now, const std::string& after,
      size_t limit) override;
  absl::StatusOr<std::vector<KnownConsumer>> ListConsumers() override;
  absl::StatusOr<std::vector<Procedure>> ListAutomaticProcedures() override;
  absl::StatusOr<int64_t> FipsMode() override;
  absl::StatusOr<std::vector<CertificateEvent>> ListEvents(
      const std::string& tenant, int64_t after, int64_t before,
      size_t limit) override;
  absl::StatusOr<std::vector<ExpiryProgress>> ListProgress() override;
  absl::StatusOr<std::vector<PeerChain>> ListPeerChains(
      const std::string& store) override;
  absl::StatusOr<std::vector<FetchedList>> ListFetchedLists() override;
  absl::StatusOr<std::optional<FetchedList>> GetFetchedList(
      const std::string& url) override;
  absl::StatusOr<std::vector<AuditRecord>> ReadAudit(int64_t sequence,
                                                     size_t limit) override;

 private:
  explicit SqlStore(SqlDatabase& database) : database_(database) {}

  // As ApplyOne().
  using Applier = absl::Status (*)(SqlStatements& sql,
                                   const StoreChange& change, absl::Time now,
                                   ChainEnd& end,
                                   std::vector<AuditRecord>& audit);

  absl::Status CheckAudit();
  // The first change that is refused ends it, and nothing is written, if
  // `refused` is there to say so.
  absl::StatusOr<StoreApplied> ApplyBy(
      Applier apply, absl::Span<const StoreChange* const> changes,
      absl::Time now, bool* refused);

  SqlDatabase& database_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_SQL_STORE_H_
