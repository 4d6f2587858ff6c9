#include "services/credential_issuer/io/sql_issuer_store.h"

#include <soci/soci.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/secret.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/credential_issuer/core/revocation_list.h"
#include "services/credential_issuer/io/issuer_schema.h"

namespace sallyport::credential_issuer {
namespace {

// In activate_us.
constexpr long long kNotActivated = -1;
constexpr absl::Duration kKeepReports = absl::Hours(24);
// Ids of the ring begin at 1.
constexpr uint32_t kSubjectKeyId = 0;

long long ToColumn(absl::Time time) {
  return time == absl::InfiniteFuture() ? kNotActivated
                                        : absl::ToUnixMicros(time);
}

absl::Time FromColumn(long long micros) {
  return micros == kNotActivated ? absl::InfiniteFuture()
                                 : absl::FromUnixMicros(micros);
}

absl::StatusOr<std::vector<RingKey>> LoadKeys(soci::session& sql,
                                              const KeySealer& sealer) {
  long long id, create_us, not_before_us, not_after_us, activate_us,
      made_version, version;
  int revoked;
  std::string sealed, request_id;
  soci::statement rows =
      (sql.prepare << "SELECT id, sealed, create_us, not_before_us,"
                      " not_after_us, activate_us, revoked, made_version,"
                      " version, request_id FROM keys ORDER BY id",
       soci::into(id), soci::into(sealed), soci::into(create_us),
       soci::into(not_before_us), soci::into(not_after_us),
       soci::into(activate_us), soci::into(revoked), soci::into(made_version),
       soci::into(version), soci::into(request_id));
  rows.execute();
  std::vector<RingKey> out;
  while (rows.fetch()) {
    RingKey key;
    key.id = static_cast<uint32_t>(id);
    SP_ASSIGN_OR_RETURN(const std::string bytes, HexDecode(sealed));
    SP_ASSIGN_OR_RETURN(Secret secret, sealer.Open(key.id, bytes));
    key.secret = std::make_shared<const Secret>(std::move(secret));
    key.create_time = FromColumn(create_us);
    key.not_before = FromColumn(not_before_us);
    key.not_after = FromColumn(not_after_us);
    key.activate_time = FromColumn(activate_us);
    key.revoked = revoked != 0;
    key.made_version = made_version;
    key.version = version;
    key.request_id = request_id;
    out.push_back(std::move(key));
  }
  return out;
}

std::vector<Revocation> LoadRevocations(soci::session& sql) {
  Revocation row;
  int kind;
  long long create_us, expire_us, version;
  soci::statement rows =
      (sql.prepare << "SELECT id, tenant, kind, target, reason, create_us,"
                      " expire_us, version FROM revocations"
                      " ORDER BY version, id",
       soci::into(row.id), soci::into(row.tenant), soci::into(kind),
       soci::into(row.target), soci::into(row.reason), soci::into(create_us),
       soci::into(expire_us), soci::into(version));
  rows.execute();
  std::vector<Revocation> out;
  while (rows.fetch()) {
    row.kind = static_cast<RevocationKind>(kind);
    row.create_time = FromColumn(create_us);
    row.expire_time = FromColumn(expire_us);
    row.version = version;
    out.push_back(row);
  }
  return out;
}

long long ReadVersion(soci::session& sql) {
  long long version = 0;
  sql << "SELECT version FROM state", soci::into(version);
  return sql.got_data() ? version : 0;
}

// Moves the state row on, if it is still at `current`: of two replicas that
// try, PostgreSQL lets one wait for the other and then find nothing to update.
absl::Status Advance(soci::session& sql, const IssuerState& current,
                     const IssuerState& next) {
  const long long version = next.version;
  const long long version_us = ToColumn(next.version_time);
  const long long next_key_id = next.ring.next_id();
  const long long from = current.version;
  if (from == 0 && ReadVersion(sql) == 0) {
    // Not the row of another replica that was first meanwhile: that one is a
    // duplicate (Save).
    sql << "DELETE FROM state WHERE version = 0";
    sql << "INSERT INTO state (only_row, version, version_us, next_key_id)"
           " VALUES (1, :version, :time, :next)",
        soci::use(version), soci::use(version_us), soci::use(next_key_id);
    return absl::OkStatus();
  }
  soci::statement update =
      (sql.prepare << "UPDATE state SET version = :version,"
                      " version_us = :time, next_key_id = :next"
                      " WHERE only_row = 1 AND version = :from",
       soci::use(version), soci::use(version_us), soci::use(next_key_id),
       soci::use(from));
  update.execute(true);
  if (update.get_affected_rows() == 1) return absl::OkStatus();
  return MakeError(absl::StatusCode::kAborted, "STATE_CHANGED",
                   "another replica changed the keys at the same time");
}

void SaveKeys(soci::session& sql, const KeyRing& ring, const KeySealer& sealer,
              RandomSource& random) {
  // A ring is few keys: all of them, so that the table is the ring.
  sql << "DELETE FROM keys";
  for (const RingKey& key : ring.keys()) {
    const long long id = key.id;
    const std::string sealed =
        HexEncode(AsBytes(sealer.Seal(key.id, *key.secret, random)));
    const long long create_us = ToColumn(key.create_time);
    const long long not_before_us = ToColumn(key.not_before);
    const long long not_after_us = ToColumn(key.not_after);
    const long long activate_us = ToColumn(key.activate_time);
    const int revoked = key.revoked ? 1 : 0;
    const long long made_version = key.made_version;
    const long long version = key.version;
    sql << "INSERT INTO keys (id, sealed, create_us, not_before_us,"
           " not_after_us, activate_us, revoked, made_version, version,"
           " request_id) VALUES (:id, :sealed, :c, :b, :a, :u, :r, :m, :v, :q)",
        soci::use(id), soci::use(sealed), soci::use(create_us),
        soci::use(not_before_us), soci::use(not_after_us),
        soci::use(activate_us), soci::use(revoked), soci::use(made_version),
        soci::use(version), soci::use(key.request_id);
  }
}

// Revocations can be many: only what changed.
void SaveRevocations(soci::session& sql, const IssuerState& current,
                     const IssuerState& next) {
  const long long gone_us =
      ToColumn(next.version_time - RevocationList::kKeepExpired);
  if (next.revocations.all().size() < current.revocations.all().size()) {
    sql << "DELETE FROM revocations WHERE expire_us <= :gone",
        soci::use(gone_us);
  }
  for (const Revocation& r : next.revocations.all()) {
    if (r.version <= current.version) continue;
    const int kind = static_cast<int>(r.kind);
    const long long create_us = ToColumn(r.create_time);
    const long long expire_us = ToColumn(r.expire_time);
    const long long version = r.version;
    sql << "INSERT INTO revocations (id, tenant, kind, target, reason,"
           " create_us, expire_us, version)"
           " VALUES (:id, :tenant, :kind, :target, :reason, :c, :e, :v)",
        soci::use(r.id), soci::use(r.tenant), soci::use(kind),
        soci::use(r.target), soci::use(r.reason), soci::use(create_us),
        soci::use(expire_us), soci::use(version);
  }
}

struct SealedKey {
  uint32_t id = 0;
  std::string sealed;  // octets
};

// Of the ring, those of the smallest ids first.
absl::StatusOr<std::vector<SealedKey>> LoadSealed(soci::session& sql) {
  long long id;
  std::string sealed;
  soci::statement rows =
      (sql.prepare << "SELECT id, sealed FROM keys ORDER BY id", soci::into(id),
       soci::into(sealed));
  rows.execute();
  std::vector<SealedKey> out;
  while (rows.fetch()) {
    SP_ASSIGN_OR_RETURN(std::string bytes, HexDecode(sealed));
    out.push_back({static_cast<uint32_t>(id), std::move(bytes)});
  }
  return out;
}

// How many were sealed by another key than the sealer's own.
absl::StatusOr<int> ResealKeys(soci::session& sql, const KeySealer& sealer,
                               RandomSource& random) {
  SP_ASSIGN_OR_RETURN(const std::vector<SealedKey> keys, LoadSealed(sql));
  int resealed = 0;
  for (const SealedKey& key : keys) {
    if (sealer.IsCurrent(key.id, key.sealed)) continue;
    SP_ASSIGN_OR_RETURN(const Secret secret, sealer.Open(key.id, key.sealed));
    const std::string anew =
        HexEncode(AsBytes(sealer.Seal(key.id, secret, random)));
    const long long id = key.id;
    sql << "UPDATE keys SET sealed = :sealed WHERE id = :id", soci::use(anew),
        soci::use(id);
    ++resealed;
  }
  return resealed;
}

absl::StatusOr<std::optional<std::string>> LoadSealedSubjectKey(
    soci::session& sql) {
  std::string text;
  sql << "SELECT sealed FROM subject_key", soci::into(text);
  if (!sql.got_data()) return std::nullopt;
  SP_ASSIGN_OR_RETURN(std::string sealed, HexDecode(text));
  return sealed;
}

// Sealed under the master key by the time it returns.
absl::StatusOr<Secret> LoadOrMakeSubjectKey(soci::session& sql,
                                            const KeySealer& sealer,
                                            RandomSource& random) {
  const auto seal = [&](const Secret& key) {
    return HexEncode(AsBytes(sealer.Seal(kSubjectKeyId, key, random)));
  };
  SP_ASSIGN_OR_RETURN(std::optional<std::string> sealed,
                      LoadSealedSubjectKey(sql));
  if (!sealed) {
    // A store of before has one in use: that of its master key.
    SP_ASSIGN_OR_RETURN(const std::vector<SealedKey> keys, LoadSealed(sql));
    Secret made = Secret::Random(random, kKeyBytes);
    if (!keys.empty()) {
      SP_ASSIGN_OR_RETURN(
          made, sealer.DerivedSubjectKey(keys.front().id, keys.front().sealed));
    }
    const std::string text = seal(made);
    // Of two replicas that start at once, the first one's.
    sql << "INSERT INTO subject_key (only_row, sealed) VALUES (1, :sealed)"
           " ON CONFLICT (only_row) DO NOTHING",
        soci::use(text);
    SP_ASSIGN_OR_RETURN(sealed, LoadSealedSubjectKey(sql));
  }
  SP_ASSIGN_OR_RETURN(Secret key, sealer.Open(kSubjectKeyId, *sealed));
  if (!sealer.IsCurrent(kSubjectKeyId, *sealed)) {
    const std::string text = seal(key);
    sql << "UPDATE subject_key SET sealed = :sealed", soci::use(text);
  }
  return key;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqlIssuerStore>> SqlIssuerStore::Open(
    SqlDatabase& database, const KeySealer& sealer, RandomSource& random) {
  SP_RETURN_IF_ERROR(MigrateIssuer(database));
  Secret subject_key;
  int resealed = 0;
  SP_RETURN_IF_ERROR(
      database.Write("write", [&](soci::session& sql) -> absl::Status {
        // Waits for a replica that saves at this moment.
        sql << "UPDATE state SET version = version";
        // First, as it may come from the master key that sealed the ring.
        SP_ASSIGN_OR_RETURN(subject_key,
                            LoadOrMakeSubjectKey(sql, sealer, random));
        SP_ASSIGN_OR_RETURN(resealed, ResealKeys(sql, sealer, random));
        return absl::OkStatus();
      }));
  if (resealed > 0) {
    LogInfo("keys are sealed under the new master key", {{"keys", resealed}});
  }
  return std::unique_ptr<SqlIssuerStore>(
      new SqlIssuerStore(database, sealer, random, std::move(subject_key)));
}

absl::StatusOr<IssuerState> SqlIssuerStore::Load(const KeyRingPolicy& policy) {
  IssuerState out{0, absl::UnixEpoch(), KeyRing(policy, 1, {}),
                  RevocationList()};
  SP_RETURN_IF_ERROR(
      database_.Read("read", [&](soci::session& sql) -> absl::Status {
        long long version = 0;
        long long version_us = 0;
        long long next_key_id = 1;
        sql << "SELECT version, version_us, next_key_id FROM state",
            soci::into(version), soci::into(version_us),
            soci::into(next_key_id);
        SP_ASSIGN_OR_RETURN(std::vector<RingKey> keys, LoadKeys(sql, sealer_));
        out = {version, FromColumn(version_us),
               KeyRing(policy, static_cast<uint32_t>(next_key_id),
                       std::move(keys)),
               RevocationList(LoadRevocations(sql))};
        return absl::OkStatus();
      }));
  return out;
}

absl::StatusOr<int64_t> SqlIssuerStore::Version() {
  int64_t out = 0;
  SP_RETURN_IF_ERROR(database_.Read("read", [&](soci::session& sql) {
    out = ReadVersion(sql);
    return absl::OkStatus();
  }));
  return out;
}

absl::Status SqlIssuerStore::Save(const IssuerState& current,
                                  const IssuerState& next) {
  const absl::Status saved =
      database_.Write("write", [&](soci::session& sql) -> absl::Status {
        SP_RETURN_IF_ERROR(Advance(sql, current, next));
        SaveKeys(sql, next.ring, sealer_, random_);
        SaveRevocations(sql, current, next);
        if (database_.is_postgres()) sql << "NOTIFY " + std::string(kChannel);
        return absl::OkStatus();
      });
  // Two replicas that make the first version at once.
  if (ReasonOf(saved) == "STORE_DUPLICATE") {
    return MakeError(absl::StatusCode::kAborted, "STATE_CHANGED",
                     "another replica changed the keys at the same time");
  }
  return saved;
}

absl::Status SqlIssuerStore::SaveReports(
    const std::vector<StoredReport>& reports, absl::Time now) {
  return database_.Write("write", [&](soci::session& sql) {
    std::string relay, body;
    long long report_us;
    soci::statement upsert =
        (sql.prepare << "INSERT INTO relays (relay, body, report_us)"
                        " VALUES (:relay, :body, :time)"
                        " ON CONFLICT (relay) DO UPDATE SET"
                        " body = excluded.body,"
                        " report_us = excluded.report_us"
                        " WHERE relays.report_us <= excluded.report_us",
         soci::use(relay), soci::use(body), soci::use(report_us));
    for (const StoredReport& report : reports) {
      relay = report.relay;
      body = HexEncode(AsBytes(report.body));
      report_us = ToColumn(report.time);
      upsert.execute(true);
    }
    const long long gone_us = ToColumn(now - kKeepReports);
    sql << "DELETE FROM relays WHERE report_us < :gone", soci::use(gone_us);
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<StoredReport>> SqlIssuerStore::LoadReports(
    absl::Time since) {
  std::vector<StoredReport> out;
  SP_RETURN_IF_ERROR(
      database_.Read("read", [&](soci::session& sql) -> absl::Status {
        out.clear();
        StoredReport row;
        std::string body;
        long long report_us;
        const long long since_us = ToColumn(since);
        soci::statement rows =
            (sql.prepare << "SELECT relay, body, report_us FROM relays"
                            " WHERE report_us > :since",
             soci::use(since_us), soci::into(row.relay), soci::into(body),
             soci::into(report_us));
        rows.execute();
        while (rows.fetch()) {
          SP_ASSIGN_OR_RETURN(row.body, HexDecode(body));
          row.time = FromColumn(report_us);
          out.push_back(row);
        }
        return absl::OkStatus();
      }));
  return out;
}

}  // namespace sallyport::credential_issuer
