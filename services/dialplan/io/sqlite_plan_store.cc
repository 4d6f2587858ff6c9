#include "services/dialplan/io/sqlite_plan_store.h"

#include <fcntl.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/dialplan/io/plan_schema.h"

namespace sallyport::dialplan {
namespace {

absl::Status Unavailable(std::string_view what) {
  return MakeError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE", what);
}

// What SOCI throws, as a status. Its text may quote SQL but never a value.
absl::Status FromException(std::string_view doing, const std::exception& e) {
  const std::string_view what = e.what();
  if (what.find("locked") != std::string_view::npos) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "STORE_LOCKED",
                     "another process has the store open");
  }
  return Unavailable(
      absl::StrCat("cannot ", AbslView(doing), " the store: ", AbslView(what)));
}

int64_t ToColumn(absl::Time time) { return absl::ToUnixMicros(time); }
absl::Time FromColumn(int64_t micros) { return absl::FromUnixMicros(micros); }

std::string ToBase64(const std::string& bytes) {
  return absl::Base64Escape(bytes);
}

absl::StatusOr<std::string> FromBase64(const std::string& text) {
  std::string out;
  if (!absl::Base64Unescape(text, &out)) {
    return MakeError(absl::StatusCode::kDataLoss, "STORE_CORRUPT",
                     "a stored body is not Base64");
  }
  return out;
}

// An empty file that only we can read: SQLite gives its log the same mode.
absl::Status MakePrivateFile(const std::string& file) {
  std::error_code error;
  const std::filesystem::path folder =
      std::filesystem::path(file).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error) {
    return Unavailable("cannot make the folder of the store: " +
                       error.message());
  }
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return Unavailable(std::string("cannot open the store: ") +
                       std::strerror(errno));
  }
  close(fd);
  return absl::OkStatus();
}

}  // namespace

SqlitePlanStore::SqlitePlanStore(std::unique_ptr<soci::session> session)
    : session_(std::move(session)) {}

SqlitePlanStore::~SqlitePlanStore() = default;

absl::StatusOr<std::unique_ptr<SqlitePlanStore>> SqlitePlanStore::Open(
    const std::string& file, RandomSource& random) {
  if (file.find('"') != std::string::npos) {
    return Unavailable("the file name of the store holds a quotation mark");
  }
  SP_RETURN_IF_ERROR(MakePrivateFile(file));
  try {
    auto session = std::make_unique<soci::session>(
        soci::sqlite3, absl::StrCat("dbname=\"", file, "\" timeout=1"));
    // The lock comes with the first read and stays.
    *session << "PRAGMA locking_mode=EXCLUSIVE";
    *session << "PRAGMA journal_mode=WAL";
    *session << "PRAGMA synchronous=FULL";
    std::unique_ptr<SqlitePlanStore> store(
        new SqlitePlanStore(std::move(session)));
    SP_RETURN_IF_ERROR(store->Migrate(random));
    return store;
  } catch (const std::exception& e) {
    return FromException("open", e);
  }
}

absl::Status SqlitePlanStore::Migrate(RandomSource& random) {
  soci::session& sql = *session_;
  soci::transaction transaction(sql);
  sql << "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)";
  int version = 0;
  soci::indicator indicator = soci::i_null;
  sql << "SELECT MAX(version) FROM schema_version",
      soci::into(version, indicator);
  if (indicator == soci::i_null) version = 0;
  const int newest = PlanMigrations().back().version;
  if (version > newest) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "STORE_SCHEMA_TOO_NEW",
                     absl::StrCat("the store has schema ", version,
                                  ", this program knows ", newest));
  }
  for (const PlanMigration& step : PlanMigrations()) {
    if (step.version <= version) continue;
    for (const std::string_view statement : step.statements) {
      sql << std::string(statement);
    }
    sql << "INSERT INTO schema_version (version) VALUES (:v)",
        soci::use(step.version);
  }
  if (version == 0) {
    std::array<uint8_t, 32> key;
    random.Fill(absl::MakeSpan(key));
    const std::string encoded = ToBase64(ToString(key));
    sql << "INSERT INTO settings (name, value) VALUES ('version', '0'),"
           " ('version_time', '0'), ('token_key', :k)",
        soci::use(encoded);
  }
  transaction.commit();
  return absl::OkStatus();
}

absl::StatusOr<StoredPlan> SqlitePlanStore::Load(size_t history) {
  try {
    soci::session& sql = *session_;
    history_ = history;
    StoredPlan out;
    std::string name, body, etag, value;
    int64_t created = 0, updated = 0, expires = 0;

    soci::statement settings =
        (sql.prepare << "SELECT name, value FROM settings", soci::into(name),
         soci::into(value));
    settings.execute();
    while (settings.fetch()) {
      if (name == "version") out.version = std::stoll(value);
      if (name == "version_time") {
        out.version_time = FromColumn(std::stoll(value));
      }
      if (name == "token_key") {
        SP_ASSIGN_OR_RETURN(out.token_key, FromBase64(value));
      }
    }

    std::map<std::string, std::pair<std::string, std::string>> hashes;
    std::string md5, sha256;
    soci::statement credentials =
        (sql.prepare << "SELECT name, ha1_md5, ha1_sha256 FROM credentials",
         soci::into(name), soci::into(md5), soci::into(sha256));
    credentials.execute();
    while (credentials.fetch()) hashes[name] = {md5, sha256};

    soci::statement resources =
        (sql.prepare << "SELECT name, body, etag, create_time, update_time "
                        "FROM resources ORDER BY name",
         soci::into(name), soci::into(body), soci::into(etag),
         soci::into(created), soci::into(updated));
    resources.execute();
    while (resources.fetch()) {
      StoredResource resource;
      resource.name = name;
      SP_ASSIGN_OR_RETURN(resource.body, FromBase64(body));
      resource.etag = etag;
      resource.create_time = FromColumn(created);
      resource.update_time = FromColumn(updated);
      const auto it = hashes.find(name);
      if (it != hashes.end()) {
        resource.ha1_md5 = it->second.first;
        resource.ha1_sha256 = it->second.second;
      }
      out.resources.push_back(std::move(resource));
    }

    std::string key, hash;
    soci::statement requests =
        (sql.prepare << "SELECT request_key, request_hash, body, etag, "
                        "create_time, update_time, expire_time FROM requests",
         soci::into(key), soci::into(hash), soci::into(body), soci::into(etag),
         soci::into(created), soci::into(updated), soci::into(expires));
    requests.execute();
    while (requests.fetch()) {
      RememberedRequest request;
      request.key = key;
      request.hash = hash;
      SP_ASSIGN_OR_RETURN(request.answer.body, FromBase64(body));
      request.answer.etag = etag;
      request.answer.create_time = FromColumn(created);
      request.answer.update_time = FromColumn(updated);
      request.expire_time = FromColumn(expires);
      out.requests.push_back(std::move(request));
    }

    int64_t version = 0;
    const int64_t since = out.version - static_cast<int64_t>(history);
    soci::statement changes =
        (sql.prepare << "SELECT version, name FROM changes "
                        "WHERE version > :since ORDER BY version",
         soci::use(since), soci::into(version), soci::into(name));
    changes.execute();
    while (changes.fetch()) out.changes.emplace_back(version, name);
    // What no consumer can resume from any more.
    sql << "DELETE FROM changes WHERE version <= :since", soci::use(since);
    return out;
  } catch (const std::exception& e) {
    return FromException("read", e);
  }
}

absl::Status SqlitePlanStore::Commit(const PlanChanges& changes,
                                     absl::Time now) {
  try {
    soci::session& sql = *session_;
    soci::transaction transaction(sql);
    std::string name, body, etag, md5, sha256;
    int64_t created = 0, updated = 0, version = 0;
    int64_t time = ToColumn(now);
    soci::statement put =
        (sql.prepare
             << "INSERT INTO resources "
                "(name, body, etag, create_time, update_time) "
                "VALUES (:name, :body, :etag, :created, :updated) "
                "ON CONFLICT (name) DO UPDATE SET body = excluded.body, "
                "etag = excluded.etag, create_time = excluded.create_time, "
                "update_time = excluded.update_time",
         soci::use(name), soci::use(body), soci::use(etag), soci::use(created),
         soci::use(updated));
    soci::statement put_hashes =
        (sql.prepare << "INSERT INTO credentials (name, ha1_md5, ha1_sha256) "
                        "VALUES (:name, :md5, :sha256) "
                        "ON CONFLICT (name) DO UPDATE SET "
                        "ha1_md5 = excluded.ha1_md5, "
                        "ha1_sha256 = excluded.ha1_sha256",
         soci::use(name), soci::use(md5), soci::use(sha256));
    soci::statement remove =
        (sql.prepare << "DELETE FROM resources WHERE name = :name",
         soci::use(name));
    soci::statement remove_hashes =
        (sql.prepare << "DELETE FROM credentials WHERE name = :name",
         soci::use(name));
    soci::statement log =
        (sql.prepare << "INSERT INTO changes "
                        "(version, name, change_time) "
                        "VALUES (:version, :name, :time)",
         soci::use(version), soci::use(name), soci::use(time));
    for (const PlanChange& change : changes.changes) {
      name = change.name;
      version = change.version;
      if (change.after == nullptr) {
        remove.execute(true);
        remove_hashes.execute(true);
      } else {
        body = ToBase64(change.after->body);
        etag = change.after->etag;
        created = ToColumn(change.after->create_time);
        updated = ToColumn(change.after->update_time);
        put.execute(true);
        if (const auto* user = std::get_if<UserEntry>(&change.after->entry)) {
          md5 = user->ha1_md5;
          sha256 = user->ha1_sha256;
          put_hashes.execute(true);
        }
      }
      log.execute(true);
    }
    if (!changes.changes.empty()) {
      const std::string last = absl::StrCat(changes.changes.back().version);
      const std::string when = absl::StrCat(time);
      sql << "UPDATE settings SET value = :v WHERE name = 'version'",
          soci::use(last);
      sql << "UPDATE settings SET value = :t WHERE name = 'version_time'",
          soci::use(when);
      if (history_ > 0) {
        const int64_t since =
            changes.changes.back().version - static_cast<int64_t>(history_);
        sql << "DELETE FROM changes WHERE version <= :since", soci::use(since);
      }
    }
    for (const RememberedRequest& request : changes.requests) {
      const std::string answer = ToBase64(request.answer.body);
      const int64_t answer_created = ToColumn(request.answer.create_time);
      const int64_t answer_updated = ToColumn(request.answer.update_time);
      const int64_t expires = ToColumn(request.expire_time);
      sql << "INSERT INTO requests (request_key, request_hash, body, etag, "
             "create_time, update_time, expire_time) "
             "VALUES (:key, :hash, :body, :etag, :created, :updated, :expires) "
             "ON CONFLICT (request_key) DO UPDATE SET "
             "request_hash = excluded.request_hash, body = excluded.body, "
             "etag = excluded.etag, create_time = excluded.create_time, "
             "update_time = excluded.update_time, "
             "expire_time = excluded.expire_time",
          soci::use(request.key), soci::use(request.hash), soci::use(answer),
          soci::use(request.answer.etag), soci::use(answer_created),
          soci::use(answer_updated), soci::use(expires);
    }
    for (const std::string& forgotten : changes.forgotten_requests) {
      sql << "DELETE FROM requests WHERE request_key = :key",
          soci::use(forgotten);
    }
    transaction.commit();
    return absl::OkStatus();
  } catch (const std::exception& e) {
    const absl::Status status = FromException("write", e);
    // A write is worth another try, whatever stood in its way.
    return Unavailable(StdView(status.message()));
  }
}

}  // namespace sallyport::dialplan
