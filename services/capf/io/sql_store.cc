#include "services/capf/io/sql_store.h"

#include <exception>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/capf/io/authority_rows.h"
#include "services/capf/io/store_rows.h"
#include "services/capf/io/store_schema.h"
#include "services/common/bytes/string_view.h"
#include "services/common/sql/sql_migration.h"
#include "services/common/sql/sql_statements.h"
#include "services/common/sql/sql_status.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr size_t kAuditPage = 10000;

absl::Status Exists(std::string_view reason) {
  return MakeError(absl::StatusCode::kAlreadyExists, reason,
                   "it is already there");
}

bool ChangesTrust(const StoreChange& change) {
  if (!change.insert_trusted.empty() || !change.delete_trusted.empty() ||
      !change.put_fetched_lists.empty()) {
    return true;
  }
  for (const CertificateUpdate& update : change.update_certificates) {
    if (update.record.state == CertificateState::kRevoked) return true;
  }
  return false;
}

// All rows of `text`, each by `read`.
template <typename Read, typename... Values>
auto All(SqlStatements& sql, Read read, std::string_view text,
         const Values&... values) {
  std::vector<decltype(read(std::declval<const soci::row&>()))> all;
  sql.Query(
      text, [&](const soci::row& row) { all.push_back(read(row)); }, values...);
  return all;
}

// The first of them.
template <typename Read, typename... Values>
auto First(SqlStatements& sql, Read read, std::string_view text,
           const Values&... values) {
  std::optional<decltype(read(std::declval<const soci::row&>()))> first;
  sql.Query(
      text,
      [&](const soci::row& row) {
        if (!first.has_value()) first = read(row);
      },
      values...);
  return first;
}

bool Any(SqlStatements& sql, std::string_view where, const std::string& value) {
  long long count = 0;
  sql.Fetch(std::tie(count),
            absl::StrCat("SELECT COUNT(*) FROM ", AbslView(where), " = :v"),
            value);
  return count > 0;
}

void AddSteps(SqlStatements& sql, Procedure& procedure) {
  procedure.steps = All(sql, ReadProcedureStep,
                        "SELECT * FROM procedure_steps"
                        " WHERE procedure_name = :n ORDER BY position",
                        procedure.name);
}

// Which of the rows that `change` inserts is there already.
absl::Status DuplicateOf(SqlStatements& sql, const StoreChange& change) {
  for (const Enrollment& e : change.insert_enrollments) {
    if (Any(sql, "enrollments WHERE name", e.name)) {
      return Exists("ENROLLMENT_EXISTS");
    }
    if (Any(sql, "enrollments WHERE device_name", e.device_name)) {
      return Exists("DEVICE_EXISTS");
    }
    if (!e.request_key.empty() &&
        Any(sql, "enrollments WHERE request_key", e.request_key)) {
      return Exists("REQUEST_EXISTS");
    }
  }
  for (const CertificateRecord& c : change.insert_certificates) {
    if (Any(sql, "certificates WHERE serial", c.serial)) {
      return Exists("SERIAL_EXISTS");
    }
    if (!c.request_key.empty() &&
        Any(sql, "certificates WHERE state <> 5 AND request_key",
            c.request_key)) {
      return Exists("REQUEST_EXISTS");
    }
  }
  for (const Procedure& p : change.put_procedures) {
    if (p.version != 0) continue;
    if (Any(sql, "procedures WHERE name", p.name)) {
      return Exists("PROCEDURE_EXISTS");
    }
    if (Any(sql, "procedures WHERE state IN (1, 2) AND slot",
            SlotOf(p.kind, p.tenant))) {
      return Exists("PROCEDURE_RUNNING");
    }
    return Exists("REQUEST_EXISTS");
  }
  return Exists("TRUSTED_EXISTS");
}

// pki.md 9.2: one key, one name. Nobody else writes meanwhile, so this holds
// whoever asked at the same time.
absl::Status CheckKeyMayBeCertified(SqlStatements& sql,
                                    const CertificateRecord& c) {
  const auto revoked = static_cast<long long>(CertificateState::kRevoked);
  const auto reason = static_cast<long long>(RevocationReason::kKeyCompromise);
  long long others = 0;
  long long compromised = 0;
  sql.Fetch(std::tie(others, compromised),
            "SELECT COALESCE(SUM(CASE WHEN tenant <> :t OR common_name <> :c"
            " THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN state = :s AND"
            " revocation_reason = :r THEN 1 ELSE 0 END), 0)"
            " FROM certificates WHERE key_sha256 = :k",
            c.tenant, c.common_name, revoked, reason, c.key_sha256);
  if (compromised > 0) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "KEY_COMPROMISED",
                     "the key is known to others");
  }
  if (others > 0) {
    return MakeError(absl::StatusCode::kAlreadyExists, "KEY_REUSED",
                     "the key is certified for another name");
  }
  return absl::OkStatus();
}

absl::Status ApplyRows(SqlStatements& sql, const StoreChange& change) {
  for (const Enrollment& e : change.insert_enrollments) {
    InsertEnrollment(sql, e);
  }
  for (const Enrollment& e : change.update_enrollments) {
    SP_RETURN_IF_ERROR(UpdateEnrollment(sql, e));
  }
  for (const VersionedName& which : change.delete_enrollments) {
    SP_RETURN_IF_ERROR(DeleteEnrollment(sql, which));
  }
  for (const CertificateRecord& c : change.insert_certificates) {
    SP_RETURN_IF_ERROR(CheckMayIssue(sql, c));
    SP_RETURN_IF_ERROR(CheckKeyMayBeCertified(sql, c));
    InsertCertificate(sql, c);
  }
  for (const CertificateUpdate& update : change.update_certificates) {
    SP_RETURN_IF_ERROR(UpdateCertificate(sql, update));
  }
  for (const TrustedCertificate& t : change.insert_trusted) {
    InsertTrusted(sql, t);
  }
  for (const TrustedCertificate& t : change.delete_trusted) {
    SP_RETURN_IF_ERROR(DeleteTrusted(sql, t));
  }
  for (const PublishedList& list : change.insert_lists) {
    InsertPublished(sql, list);
  }
  for (const PhoneLists& lists : change.put_phone_lists) {
    PutPhoneLists(sql, lists);
  }
  for (const CertificateEvent& event : change.insert_events) {
    InsertEvent(sql, event);
  }
  for (const ExpiryProgress& progress : change.put_progress) {
    PutProgress(sql, progress);
  }
  for (const PeerChain& chain : change.put_peer_chains) {
    PutPeerChain(sql, chain);
  }
  for (const FetchedList& list : change.put_fetched_lists) {
    PutFetched(sql, list);
  }
  for (const PhoneCluster& cluster : change.put_clusters) {
    SP_RETURN_IF_ERROR(PutCluster(sql, cluster));
  }
  for (const ListSigner& signer : change.insert_signers) {
    InsertSigner(sql, signer);
  }
  for (const ListSigner& signer : change.update_signers) {
    SP_RETURN_IF_ERROR(UpdateSigner(sql, signer));
  }
  for (const Procedure& procedure : change.put_procedures) {
    SP_RETURN_IF_ERROR(PutProcedure(sql, procedure));
  }
  for (const AuthorityGeneration& one : change.put_authorities) {
    SP_RETURN_IF_ERROR(PutAuthority(sql, one));
  }
  for (const KnownConsumer& consumer : change.put_consumers) {
    PutConsumer(sql, consumer);
  }
  if (change.set_fips_mode.has_value()) {
    const long long mode = *change.set_fips_mode;
    sql.Execute("UPDATE counters SET value = :v WHERE name = 'fips_mode'",
                mode);
  }
  return absl::OkStatus();
}

// Where the chain ends.
struct ChainEnd {
  long long sequence = 0;
  std::string hash;
};

absl::Status ApplyRecorded(SqlStatements& sql, const StoreChange& change,
                           absl::Time now, ChainEnd& end,
                           std::vector<AuditRecord>& audit) {
  SP_RETURN_IF_ERROR(ApplyRows(sql, change));
  for (const AuditEvent& event : change.audit) {
    AuditRecord record = ChainAudit(end.sequence + 1, end.hash, now, event);
    InsertAudit(sql, record);
    end = {record.sequence, record.hash};
    audit.push_back(std::move(record));
  }
  return absl::OkStatus();
}

// One change in a frame of its own. What is wrong with the change itself is
// its result; what is wrong with the store is thrown.
absl::Status ApplyOne(SqlStatements& sql, const StoreChange& change,
                      absl::Time now, ChainEnd& end,
                      std::vector<AuditRecord>& audit) {
  const ChainEnd before = end;
  const size_t records = audit.size();
  sql.Execute("SAVEPOINT one_change");
  absl::Status result;
  bool duplicate = false;
  try {
    result = ApplyRecorded(sql, change, now, end, audit);
  } catch (const std::exception& e) {
    result = SqlStatus("change", e);
    duplicate = ReasonOf(result) == "STORE_DUPLICATE";
    if (!duplicate && ReasonOf(result) != "STORE_ERROR") throw;
  }
  if (result.ok()) {
    sql.Execute("RELEASE SAVEPOINT one_change");
    return result;
  }
  end = before;
  audit.resize(records);
  sql.Execute("ROLLBACK TO SAVEPOINT one_change");
  sql.Execute("RELEASE SAVEPOINT one_change");
  return duplicate ? DuplicateOf(sql, change) : result;
}

std::vector<AuditRecord> ReadAuditRows(SqlStatements& sql, int64_t sequence,
                                       size_t limit) {
  const long long after = sequence;
  const auto most = static_cast<long long>(limit);
  return All(sql, ReadAuditRow,
             "SELECT * FROM audit WHERE sequence > :a"
             " ORDER BY sequence LIMIT :l",
             after, most);
}

// The version, under a lock that all writers take: they follow each other, so
// the chain has no fork, and what one looked up holds until it commits.
int64_t LockVersion(SqlStatements& sql, bool is_postgres) {
  long long version = 0;
  constexpr std::string_view kQuery =
      "SELECT value FROM counters WHERE name = 'trust_version'";
  constexpr std::string_view kLocking =
      "SELECT value FROM counters WHERE name = 'trust_version' FOR UPDATE";
  sql.Fetch(std::tie(version), is_postgres ? kLocking : kQuery);
  return version;
}

// 1 and 2 are the states of a certificate that somebody uses.
constexpr char kLive[] =
    " WHERE authority IN (:a, :u) AND state IN (1, 2)"
    " AND (profile = 'lsc') = (CAST(:p AS BIGINT) = 1) AND not_after > :n";

struct LiveColumns {
  LiveColumns(const LiveCertificates& which, absl::Time at)
      : authority(which.authority),
        unnamed(which.unnamed ? std::string() : which.authority),
        lsc(which.lsc),
        now(ToColumn(at)) {}

  const std::string authority, unnamed;
  const long long lsc, now;
};

// What each query of ours reads, in one transaction.
template <typename T, typename Body>
absl::StatusOr<T> ReadIn(SqlDatabase& database, Body body) {
  T out{};
  SP_RETURN_IF_ERROR(database.Read("read", [&](SqlStatements& sql) {
    out = body(sql);
    return absl::OkStatus();
  }));
  return out;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqlStore>> SqlStore::Open(
    SqlDatabase& database) {
  SP_RETURN_IF_ERROR(Migrate(database, "capf", StoreMigrations()));
  std::unique_ptr<SqlStore> store(new SqlStore(database));
  SP_RETURN_IF_ERROR(store->CheckAudit());
  return store;
}

absl::Status SqlStore::CheckAudit() {
  int64_t sequence = 0;
  std::string hash;
  while (true) {
    SP_ASSIGN_OR_RETURN(const std::vector<AuditRecord> records,
                        ReadAudit(sequence, kAuditPage));
    for (const AuditRecord& record : records) {
      if (!AuditFollows(record, sequence, hash)) {
        return MakeError(
            absl::StatusCode::kDataLoss, "AUDIT_BROKEN",
            absl::StrCat("the audit chain breaks after record ", sequence));
      }
      sequence = record.sequence;
      hash = record.hash;
    }
    if (records.size() < kAuditPage) return absl::OkStatus();
  }
}

absl::StatusOr<int64_t> SqlStore::ClaimNumber(const std::string& name,
                                              int64_t value) {
  long long out = value;
  SP_RETURN_IF_ERROR(database_.Write("change", [&](SqlStatements& sql) {
    const long long wanted = value;
    sql.Execute(
        "INSERT INTO counters (name, value) VALUES (:n, :v)"
        " ON CONFLICT (name) DO NOTHING",
        name, wanted);
    sql.Fetch(std::tie(out), "SELECT value FROM counters WHERE name = :n",
              name);
    return absl::OkStatus();
  }));
  return out;
}

absl::StatusOr<StoreApplied> SqlStore::ApplyAll(
    absl::Span<const StoreChange* const> changes, absl::Time now) {
  StoreApplied out;
  const auto body = [&](SqlStatements& sql) -> absl::Status {
    out = StoreApplied();
    out.trust_version = LockVersion(sql, database_.is_postgres());
    ChainEnd end;
    sql.Fetch(std::tie(end.sequence, end.hash),
              "SELECT sequence, hash FROM audit"
              " ORDER BY sequence DESC LIMIT 1");
    bool changes_trust = false;
    bool tells = false;
    for (const StoreChange* const change : changes) {
      out.results.push_back(ApplyOne(sql, *change, now, end, out.audit));
      if (!out.results.back().ok()) continue;
      changes_trust = changes_trust || ChangesTrust(*change);
      tells = tells || changes_trust || !change->insert_lists.empty() ||
              !change->put_clusters.empty() ||
              !change->update_signers.empty() ||
              !change->put_authorities.empty();
    }
    if (changes_trust) {
      ++out.trust_version;
      sql.Execute(
          "UPDATE counters SET value = value + 1"
          " WHERE name = 'trust_version'");
    }
    if (tells && database_.is_postgres()) {
      sql.session() << absl::StrCat("NOTIFY ", kChannel);
    }
    return absl::OkStatus();
  };
  SP_RETURN_IF_ERROR(database_.Write("change", body));
  return out;
}

absl::StatusOr<std::optional<Enrollment>> SqlStore::GetEnrollment(
    const std::string& name) {
  return ReadIn<std::optional<Enrollment>>(
      database_, [&](SqlStatements& sql) -> std::optional<Enrollment> {
        return First(sql, ReadEnrollment,
                     "SELECT * FROM enrollments WHERE name = :n", name);
      });
}

absl::StatusOr<std::optional<Enrollment>> SqlStore::FindDevice(
    const std::string& device_name) {
  return ReadIn<std::optional<Enrollment>>(
      database_, [&](SqlStatements& sql) -> std::optional<Enrollment> {
        return First(sql, ReadEnrollment,
                     "SELECT * FROM enrollments WHERE device_name = :n",
                     device_name);
      });
}

absl::StatusOr<std::vector<Enrollment>> SqlStore::ListEnrollments(
    const Page& page) {
  return ReadIn<std::vector<Enrollment>>(database_, [&](SqlStatements& sql) {
    const auto limit = static_cast<long long>(page.limit);
    return All(sql, ReadEnrollment,
               "SELECT * FROM enrollments WHERE name > :a AND"
               " (CAST(:t AS TEXT) = '' OR tenant = :u)"
               " ORDER BY name LIMIT :l",
               page.after, page.tenant, page.tenant, limit);
  });
}

absl::StatusOr<int64_t> SqlStore::CountPendingEnrollments() {
  return ReadIn<int64_t>(database_, [&](SqlStatements& sql) {
    long long count = 0;
    sql.Fetch(std::tie(count),
              "SELECT COUNT(*) FROM enrollments WHERE operation <> 0");
    return count;
  });
}

absl::StatusOr<std::optional<CertificateRecord>> SqlStore::GetCertificate(
    const std::string& serial) {
  return ReadIn<std::optional<CertificateRecord>>(
      database_, [&](SqlStatements& sql) -> std::optional<CertificateRecord> {
        return First(sql, ReadCertificate,
                     "SELECT * FROM certificates WHERE serial = :s", serial);
      });
}

absl::StatusOr<std::optional<CertificateRecord>> SqlStore::FindRequest(
    const std::string& request_key) {
  return ReadIn<std::optional<CertificateRecord>>(
      database_, [&](SqlStatements& sql) -> std::optional<CertificateRecord> {
        return First(sql, ReadCertificate,
                     "SELECT * FROM certificates"
                     " WHERE request_key = :s AND state <> 5",
                     request_key);
      });
}

absl::StatusOr<std::vector<CertificateRecord>> SqlStore::FindKey(
    const std::string& key_sha256) {
  return ReadIn<std::vector<CertificateRecord>>(
      database_, [&](SqlStatements& sql) {
        return All(sql, ReadCertificate,
                   "SELECT * FROM certificates"
                   " WHERE key_sha256 = :s ORDER BY serial",
                   key_sha256);
      });
}

absl::StatusOr<std::vector<CertificateRecord>> SqlStore::ListCertificates(
    const Page& page) {
  return ReadIn<std::vector<CertificateRecord>>(
      database_, [&](SqlStatements& sql) {
        const auto limit = static_cast<long long>(page.limit);
        return All(sql, ReadCertificate,
                   "SELECT * FROM certificates WHERE serial > :a"
                   " AND (CAST(:t AS TEXT) = '' OR tenant = :u)"
                   " AND state <> 0 AND state <> 5"
                   " ORDER BY serial LIMIT :l",
                   page.after, page.tenant, page.tenant, limit);
      });
}

absl::StatusOr<std::vector<CertificateRecord>> SqlStore::ListIntents() {
  return ReadIn<std::vector<CertificateRecord>>(
      database_, [&](SqlStatements& sql) {
        return All(
            sql, ReadCertificate,
            "SELECT * FROM certificates WHERE state = 0 ORDER BY serial");
      });
}

absl::StatusOr<std::vector<CertificateRecord>> SqlStore::ListRevoked(
    absl::Time now) {
  return ReadIn<std::vector<CertificateRecord>>(
      database_, [&](SqlStatements& sql) {
        const long long at = ToColumn(now);
        return All(sql, ReadCertificate,
                   "SELECT * FROM certificates WHERE state = 4"
                   " AND not_after >= :n ORDER BY serial",
                   at);
      });
}

absl::StatusOr<std::vector<CertificateRecord>> SqlStore::ListExpiring(
    absl::Time until) {
  return ReadIn<std::vector<CertificateRecord>>(
      database_, [&](SqlStatements& sql) {
        const long long at = ToColumn(until);
        return All(sql, ReadCertificate,
                   "SELECT * FROM certificates WHERE state = 2"
                   " AND not_after <= :n ORDER BY serial",
                   at);
      });
}

absl::StatusOr<std::vector<CertificateEvent>> SqlStore::ListEvents(
    const std::string& tenant, int64_t after, int64_t before, size_t limit) {
  return ReadIn<std::vector<CertificateEvent>>(
      database_, [&](SqlStatements& sql) {
        const long long from = after;
        const long long to = before;
        const auto most = static_cast<long long>(limit);
        const std::string order = before > 0 ? "DESC" : "ASC";
        return All(sql, ReadEvent,
                   "SELECT * FROM certificate_events"
                   " WHERE sequence > :a AND"
                   " (CAST(:b AS BIGINT) = 0 OR sequence < :c) AND"
                   " (CAST(:t AS TEXT) = '' OR tenant = :u)"
                   " ORDER BY sequence " +
                       order + " LIMIT :l",
                   from, to, to, tenant, tenant, most);
      });
}

absl::StatusOr<std::vector<ExpiryProgress>> SqlStore::ListProgress() {
  return ReadIn<std::vector<ExpiryProgress>>(
      database_, [&](SqlStatements& sql) {
        return All(sql, ReadProgress,
                   "SELECT * FROM expiry_progress ORDER BY occasion");
      });
}

absl::StatusOr<std::vector<PeerChain>> SqlStore::ListPeerChains(
    const std::string& store) {
  return ReadIn<std::vector<PeerChain>>(database_, [&](SqlStatements& sql) {
    return All(sql, ReadPeerChain,
               "SELECT * FROM peer_chains WHERE store = :s"
               " ORDER BY peer",
               store);
  });
}

absl::StatusOr<std::vector<TrustedCertificate>> SqlStore::ListTrusted() {
  return ReadIn<std::vector<TrustedCertificate>>(
      database_, [&](SqlStatements& sql) {
        return All(sql, ReadTrusted,
                   "SELECT * FROM trusted_certificates"
                   " ORDER BY store, sha256");
      });
}

absl::StatusOr<int64_t> SqlStore::TrustVersion() {
  return ReadIn<int64_t>(
      database_, [&](SqlStatements& sql) { return LockVersion(sql, false); });
}

absl::StatusOr<std::vector<PublishedList>> SqlStore::ListPublished(
    const std::string& tenant, TrustListKind kind, size_t limit) {
  return ReadIn<std::vector<PublishedList>>(database_, [&](SqlStatements& sql) {
    const auto number = static_cast<long long>(kind);
    const auto most = static_cast<long long>(limit);
    return All(sql, ReadPublished,
               "SELECT * FROM trust_lists WHERE tenant = :t"
               " AND kind = :k ORDER BY sequence DESC LIMIT :l",
               tenant, number, most);
  });
}

absl::StatusOr<std::vector<PhoneLists>> SqlStore::ListPhoneLists(
    const std::string& tenant) {
  return ReadIn<std::vector<PhoneLists>>(database_, [&](SqlStatements& sql) {
    // Phones that nobody expects any more hold nothing back.
    return All(sql, ReadPhoneLists,
               "SELECT p.*, e.model AS model FROM phone_lists p"
               " JOIN enrollments e ON e.device_name = p.device"
               " WHERE p.tenant = :t ORDER BY p.device",
               tenant);
  });
}

absl::StatusOr<std::optional<PhoneLists>> SqlStore::GetPhoneLists(
    const std::string& device) {
  return ReadIn<std::optional<PhoneLists>>(
      database_, [&](SqlStatements& sql) -> std::optional<PhoneLists> {
        return First(sql, ReadPhoneLists,
                     "SELECT p.*, COALESCE(e.model, '') AS model"
                     " FROM phone_lists p"
                     " LEFT JOIN enrollments e ON e.device_name = p.device"
                     " WHERE p.device = :d",
                     device);
      });
}

absl::StatusOr<std::vector<FetchedList>> SqlStore::ListFetchedLists() {
  return ReadIn<std::vector<FetchedList>>(database_, [&](SqlStatements& sql) {
    return All(sql, ReadFetchedHead,
               "SELECT url, sha256, fetch_time FROM fetched_lists"
               " ORDER BY url");
  });
}

absl::StatusOr<std::optional<FetchedList>> SqlStore::GetFetchedList(
    const std::string& url) {
  return ReadIn<std::optional<FetchedList>>(
      database_, [&](SqlStatements& sql) -> std::optional<FetchedList> {
        return First(sql, ReadFetched,
                     "SELECT * FROM fetched_lists WHERE url = :u", url);
      });
}

absl::StatusOr<std::optional<PhoneCluster>> SqlStore::GetCluster(
    const std::string& tenant) {
  return ReadIn<std::optional<PhoneCluster>>(
      database_, [&](SqlStatements& sql) -> std::optional<PhoneCluster> {
        auto cluster =
            First(sql, ReadCluster,
                  "SELECT * FROM phone_clusters WHERE tenant = :t", tenant);
        if (cluster) {
          cluster->call_managers =
              All(sql, ReadClusterNode,
                  "SELECT * FROM phone_cluster_nodes WHERE tenant = :t"
                  " ORDER BY position",
                  tenant);
        }
        return cluster;
      });
}

absl::StatusOr<std::vector<std::string>> SqlStore::ListClusters() {
  return ReadIn<std::vector<std::string>>(database_, [&](SqlStatements& sql) {
    return All(
        sql, [](const soci::row& row) { return row.get<std::string>(0); },
        "SELECT tenant FROM phone_clusters ORDER BY tenant");
  });
}

absl::StatusOr<std::vector<ListSigner>> SqlStore::ListSigners(
    const std::string& tenant) {
  return ReadIn<std::vector<ListSigner>>(database_, [&](SqlStatements& sql) {
    return All(sql, ReadSigner,
               "SELECT * FROM list_signers WHERE tenant = :t"
               " ORDER BY create_time, id",
               tenant);
  });
}

absl::StatusOr<std::optional<Procedure>> SqlStore::GetProcedure(
    const std::string& name) {
  return ReadIn<std::optional<Procedure>>(
      database_, [&](SqlStatements& sql) -> std::optional<Procedure> {
        auto found = First(sql, ReadProcedure,
                           "SELECT * FROM procedures WHERE name = :n", name);
        if (found) AddSteps(sql, *found);
        return found;
      });
}

absl::StatusOr<std::optional<Procedure>> SqlStore::FindProcedureRequest(
    const std::string& request_key) {
  return ReadIn<std::optional<Procedure>>(
      database_, [&](SqlStatements& sql) -> std::optional<Procedure> {
        auto found = First(sql, ReadProcedure,
                           "SELECT * FROM procedures WHERE request_key = :r",
                           request_key);
        if (found) AddSteps(sql, *found);
        return found;
      });
}

absl::StatusOr<std::vector<Procedure>> SqlStore::ListProcedures(
    const Page& page) {
  return ReadIn<std::vector<Procedure>>(database_, [&](SqlStatements& sql) {
    const auto most = static_cast<long long>(page.limit);
    auto found = All(sql, ReadProcedure,
                     "SELECT * FROM procedures WHERE name > :n AND"
                     " (CAST(:t AS TEXT) = '' OR tenant = :u)"
                     " ORDER BY name LIMIT :l",
                     page.after, page.tenant, page.tenant, most);
    for (Procedure& one : found) AddSteps(sql, one);
    return found;
  });
}

absl::StatusOr<std::vector<Procedure>> SqlStore::ListAutomaticProcedures() {
  return ReadIn<std::vector<Procedure>>(database_, [&](SqlStatements& sql) {
    auto found = All(sql, ReadProcedure,
                     "SELECT * FROM procedures WHERE automatic = 1"
                     " AND state IN (1, 2) ORDER BY name");
    for (Procedure& one : found) AddSteps(sql, one);
    return found;
  });
}

absl::StatusOr<std::vector<AuthorityGeneration>> SqlStore::ListAuthorities() {
  return ReadIn<std::vector<AuthorityGeneration>>(
      database_, [&](SqlStatements& sql) {
        return All(sql, ReadAuthority,
                   "SELECT * FROM authority_generations"
                   " ORDER BY authority, generation");
      });
}

absl::StatusOr<int64_t> SqlStore::CountLive(const LiveCertificates& which,
                                            absl::Time now) {
  return ReadIn<int64_t>(database_, [&](SqlStatements& sql) -> int64_t {
    const LiveColumns c(which, now);
    long long count = 0;
    sql.Fetch(std::tie(count),
              absl::StrCat("SELECT COUNT(*) FROM certificates", kLive),
              c.authority, c.unnamed, c.lsc, c.now);
    return count;
  });
}

absl::StatusOr<std::vector<CertificateRecord>> SqlStore::ListLive(
    const LiveCertificates& which, absl::Time now, const std::string& after,
    size_t limit) {
  return ReadIn<std::vector<CertificateRecord>>(
      database_, [&](SqlStatements& sql) {
        const LiveColumns c(which, now);
        const auto most = static_cast<long long>(limit);
        return All(sql, ReadCertificate,
                   absl::StrCat("SELECT * FROM certificates", kLive,
                                " AND serial > :f ORDER BY serial LIMIT :l"),
                   c.authority, c.unnamed, c.lsc, c.now, after, most);
      });
}

absl::StatusOr<std::vector<KnownConsumer>> SqlStore::ListConsumers() {
  return ReadIn<std::vector<KnownConsumer>>(database_, [&](SqlStatements& sql) {
    return All(sql, ReadConsumer,
               "SELECT * FROM trust_consumers ORDER BY consumer");
  });
}

absl::StatusOr<int64_t> SqlStore::FipsMode() {
  return ReadIn<int64_t>(database_, [&](SqlStatements& sql) {
    long long mode = 0;
    sql.Fetch(std::tie(mode),
              "SELECT value FROM counters WHERE name = 'fips_mode'");
    return static_cast<int64_t>(mode);
  });
}

absl::StatusOr<std::vector<AuditRecord>> SqlStore::ReadAudit(int64_t sequence,
                                                             size_t limit) {
  return ReadIn<std::vector<AuditRecord>>(database_, [&](SqlStatements& sql) {
    return ReadAuditRows(sql, sequence, limit);
  });
}

}  // namespace sallyport::capf
