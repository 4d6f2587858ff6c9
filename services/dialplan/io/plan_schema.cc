#include "services/dialplan/io/plan_schema.h"

#include <string_view>

#include "absl/types/span.h"

namespace sallyport::dialplan {
namespace {

// Times are microseconds since 1970. Bodies are Base64 of the serialized
// resource: text in every database, and unknown fields survive a downgrade.
// Hashes of passwords lie in a table of their own, so that no query for
// resources can show them.
constexpr std::string_view kVersion1[] = {
    "CREATE TABLE resources ("
    " name VARCHAR(400) NOT NULL PRIMARY KEY,"
    " body TEXT NOT NULL,"
    " etag VARCHAR(64) NOT NULL,"
    " create_time BIGINT NOT NULL,"
    " update_time BIGINT NOT NULL)",
    "CREATE TABLE credentials ("
    " name VARCHAR(400) NOT NULL PRIMARY KEY,"
    " ha1_md5 VARCHAR(32) NOT NULL,"
    " ha1_sha256 VARCHAR(64) NOT NULL)",
    "CREATE TABLE changes ("
    " version BIGINT NOT NULL PRIMARY KEY,"
    " name VARCHAR(400) NOT NULL,"
    " change_time BIGINT NOT NULL)",
    "CREATE TABLE requests ("
    " request_key VARCHAR(400) NOT NULL PRIMARY KEY,"
    " request_hash VARCHAR(64) NOT NULL,"
    " body TEXT NOT NULL,"
    " etag VARCHAR(64) NOT NULL,"
    " create_time BIGINT NOT NULL,"
    " update_time BIGINT NOT NULL,"
    " expire_time BIGINT NOT NULL)",
    "CREATE TABLE settings ("
    " name VARCHAR(64) NOT NULL PRIMARY KEY,"
    " value TEXT NOT NULL)",
};

// Several replicas: requests are numbered, so that each sees what others have
// remembered. The audit log, a record a change; bodies as in `resources`, empty
// where there is none.
constexpr std::string_view kVersion2[] = {
    "ALTER TABLE requests ADD COLUMN sequence BIGINT DEFAULT 0 NOT NULL",
    "CREATE INDEX requests_by_sequence ON requests (sequence)",
    "INSERT INTO settings (name, value) VALUES ('request_sequence', '0')",
    "CREATE TABLE audit ("
    " version BIGINT NOT NULL PRIMARY KEY,"
    " tenant VARCHAR(80) NOT NULL,"
    " resource VARCHAR(400) NOT NULL,"
    " actor TEXT NOT NULL,"
    " method VARCHAR(80) NOT NULL,"
    " request_id VARCHAR(64) NOT NULL,"
    " change_time BIGINT NOT NULL,"
    " before_body TEXT NOT NULL,"
    " after_body TEXT NOT NULL)",
    "CREATE INDEX audit_by_tenant ON audit (tenant, version)",
    "CREATE INDEX audit_by_time ON audit (change_time)",
};

// The replicas that live, and the consumers that each knows: Base64 of a
// DialplanStatus.
constexpr std::string_view kVersion3[] = {
    "CREATE TABLE replicas ("
    " instance VARCHAR(255) NOT NULL PRIMARY KEY,"
    " beat_time BIGINT NOT NULL,"
    " consumers TEXT NOT NULL)",
};

constexpr SqlMigration kMigrations[] = {
    {1, kVersion1},
    {2, kVersion2},
    {3, kVersion3},
};

}  // namespace

absl::Span<const SqlMigration> PlanMigrations() { return kMigrations; }

}  // namespace sallyport::dialplan
