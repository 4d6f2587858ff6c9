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

constexpr PlanMigration kMigrations[] = {
    {1, kVersion1},
};

}  // namespace

absl::Span<const PlanMigration> PlanMigrations() { return kMigrations; }

}  // namespace sallyport::dialplan
