#include "services/capf/io/sql_store.h"

#include <limits>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/capf/io/authority_rows.h"
#include "services/capf/io/store_query.h"
#include "services/capf/io/store_rows.h"
#include "services/capf/io/store_schema.h"
#include "services/common/sql/sql_migration.h"
#include "services/common/sql/sql_statements.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr size_t kAuditPage = 10000;

void AddSteps(SqlStatements& sql, Procedure& procedure) {
  procedure.steps = All(sql, ReadProcedureStep,
                        "SELECT * FROM procedure_steps"
                        " WHERE procedure_name = :n ORDER BY position",
                        procedure.name);
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
  // Nearly always nothing is refused, and then no change needs a frame.
  bool refused = false;
  absl::StatusOr<StoreApplied> applied =
      ApplyBy(&ApplyOne, changes, now, &refused);
  return refused ? ApplyBy(&ApplyGuarded, changes, now, nullptr) : applied;
}

absl::StatusOr<StoreApplied> SqlStore::ApplyBy(
    Applier apply, absl::Span<const StoreChange* const> changes, absl::Time now,
    bool* refused) {
  StoreApplied out;
  const auto body = [&](SqlStatements& sql) -> absl::Status {
    out = StoreApplied();
    if (refused != nullptr) *refused = false;
    out.trust_version = LockVersion(sql, database_.is_postgres());
    ChainEnd end;
    sql.Fetch(std::tie(end.sequence, end.hash),
              "SELECT sequence, hash FROM audit"
              " ORDER BY sequence DESC LIMIT 1");
    bool changes_trust = false;
    bool tells = false;
    for (const StoreChange* const change : changes) {
      out.results.push_back(apply(sql, *change, now, end, out.audit));
      if (!out.results.back().ok()) {
        if (refused == nullptr) continue;
        *refused = true;
        return out.results.back();
      }
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
        if (page.tenant.empty()) {
          return All(sql, ReadCertificate,
                     "SELECT * FROM certificates WHERE serial > :a"
                     " AND state <> 0 AND state <> 5"
                     " ORDER BY serial LIMIT :l",
                     page.after, limit);
        }
        // Before all of them, unless there was a page before.
        long long time = std::numeric_limits<long long>::min();
        if (!page.after.empty()) {
          sql.Fetch(std::tie(time),
                    "SELECT COALESCE(MAX(create_time), :m) FROM certificates"
                    " WHERE serial = :a",
                    std::numeric_limits<long long>::max(), page.after);
        }
        return All(sql, ReadCertificate,
                   "SELECT * FROM certificates WHERE tenant = :t"
                   " AND (create_time, serial) > (:c, :a)"
                   " AND state <> 0 AND state <> 5"
                   " ORDER BY create_time, serial LIMIT :l",
                   page.tenant, time, page.after, limit);
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

absl::StatusOr<std::optional<SignedListHead>> SqlStore::OldestListInForce(
    const std::string& authority, absl::Time now) {
  return ReadIn<std::optional<SignedListHead>>(
      database_, [&](SqlStatements& sql) -> std::optional<SignedListHead> {
        const long long at = ToColumn(now);
        return First(sql, ReadSignedList,
                     "SELECT * FROM signed_lists WHERE authority = :a"
                     " AND next_update > :n ORDER BY number LIMIT 1",
                     authority, at);
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
        sql, [](const SqlRow& row) { return row.Text("tenant"); },
        "SELECT tenant FROM phone_clusters ORDER BY tenant");
  });
}

absl::StatusOr<std::vector<ListSigner>> SqlStore::ListSigners(
    const std::string& tenant) {
  return ReadIn<std::vector<ListSigner>>(database_, [&](SqlStatements& sql) {
    return All(sql, ReadSigner,
               "SELECT * FROM list_signers WHERE tenant = :t OR :a = ''"
               " ORDER BY create_time, id",
               tenant, tenant);
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
