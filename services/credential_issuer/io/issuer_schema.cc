#include "services/credential_issuer/io/issuer_schema.h"

#include <array>
#include <string_view>

#include "services/common/sql/sql_migration.h"

namespace sallyport::credential_issuer {
namespace {

// A database of before schema versions were kept has these tables already.
constexpr std::array<std::string_view, 3> kFirst = {
    "CREATE TABLE IF NOT EXISTS state (only_row INTEGER PRIMARY KEY"
    " CHECK (only_row = 1), version BIGINT NOT NULL,"
    " version_us BIGINT NOT NULL, next_key_id BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS keys (id BIGINT PRIMARY KEY,"
    " sealed TEXT NOT NULL, create_us BIGINT NOT NULL,"
    " not_before_us BIGINT NOT NULL, not_after_us BIGINT NOT NULL,"
    " revoked INTEGER NOT NULL, version BIGINT NOT NULL,"
    " request_id TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS revocations (id TEXT PRIMARY KEY,"
    " tenant TEXT NOT NULL, kind INTEGER NOT NULL, target TEXT NOT NULL,"
    " reason TEXT NOT NULL, create_us BIGINT NOT NULL,"
    " expire_us BIGINT NOT NULL, version BIGINT NOT NULL)",
};

// activate_us is -1 while the key is pending.
constexpr std::array<std::string_view, 5> kSecond = {
    "ALTER TABLE keys ADD COLUMN activate_us BIGINT NOT NULL DEFAULT -1",
    "ALTER TABLE keys ADD COLUMN made_version BIGINT NOT NULL DEFAULT 0",
    "UPDATE keys SET activate_us = not_before_us, made_version = version",
    "CREATE TABLE relays (relay TEXT PRIMARY KEY, body TEXT NOT NULL,"
    " report_us BIGINT NOT NULL)",
    "CREATE INDEX relays_report ON relays (report_us)",
};

// What one record is, is in its line; the other columns find it.
constexpr std::array<std::string_view, 4> kThird = {
    "CREATE TABLE audit (id TEXT PRIMARY KEY, time_us BIGINT NOT NULL,"
    " tenant TEXT NOT NULL, credential_id TEXT NOT NULL,"
    " subject TEXT NOT NULL, line TEXT NOT NULL)",
    "CREATE INDEX audit_tenant ON audit (tenant, id)",
    "CREATE INDEX audit_credential ON audit (credential_id)",
    "CREATE INDEX audit_subject ON audit (subject, id)",
};

// What makes subjects opaque, sealed as a key of id 0: it stays when the master
// key changes.
constexpr std::array<std::string_view, 1> kFourth = {
    "CREATE TABLE subject_key (only_row INTEGER PRIMARY KEY"
    " CHECK (only_row = 1), sealed TEXT NOT NULL)",
};

constexpr std::array<SqlMigration, 4> kSteps = {
    SqlMigration{1, kFirst},
    SqlMigration{2, kSecond},
    SqlMigration{3, kThird},
    SqlMigration{4, kFourth},
};

}  // namespace

absl::Status MigrateIssuer(SqlDatabase& database) {
  return Migrate(database, "credential_issuer", kSteps);
}

}  // namespace sallyport::credential_issuer
