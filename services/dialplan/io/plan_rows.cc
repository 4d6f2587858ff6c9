#include "services/dialplan/io/plan_rows.h"

#include <soci/soci.h>

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::dialplan {
namespace {

absl::Status Corrupt(std::string_view what) {
  return MakeError(absl::StatusCode::kDataLoss, "STORE_CORRUPT", what);
}

absl::StatusOr<int64_t> ToNumber(const std::string& text) {
  int64_t out = 0;
  if (!absl::SimpleAtoi(text, &out)) {
    return Corrupt("a stored number is none");
  }
  return out;
}

}  // namespace

int64_t ToColumn(absl::Time time) { return absl::ToUnixMicros(time); }
absl::Time FromColumn(int64_t micros) { return absl::FromUnixMicros(micros); }

std::string ToBase64(const std::string& bytes) {
  return absl::Base64Escape(bytes);
}

absl::StatusOr<std::string> FromBase64(const std::string& text) {
  std::string out;
  if (!absl::Base64Unescape(text, &out)) {
    return Corrupt("a stored body is not Base64");
  }
  return out;
}

absl::StatusOr<StoreSettings> ReadSettings(soci::session& sql, bool lock) {
  std::string name, value;
  if (lock) {
    sql << "SELECT value FROM settings WHERE name = 'version' FOR UPDATE",
        soci::into(value);
  }
  std::map<std::string, std::string> found;
  soci::statement rows = (sql.prepare << "SELECT name, value FROM settings",
                          soci::into(name), soci::into(value));
  rows.execute();
  while (rows.fetch()) found[name] = value;
  StoreSettings out;
  SP_ASSIGN_OR_RETURN(out.version, ToNumber(found["version"]));
  SP_ASSIGN_OR_RETURN(const int64_t time, ToNumber(found["version_time"]));
  out.version_time = FromColumn(time);
  SP_ASSIGN_OR_RETURN(out.request_sequence,
                      ToNumber(found["request_sequence"]));
  SP_ASSIGN_OR_RETURN(out.token_key, FromBase64(found["token_key"]));
  return out;
}

void WriteSetting(soci::session& sql, const std::string& name, int64_t value) {
  const std::string text = absl::StrCat(value);
  sql << "UPDATE settings SET value = :v WHERE name = :n", soci::use(text),
      soci::use(name);
}

absl::StatusOr<std::vector<StoredResource>> ReadResources(soci::session& sql,
                                                          int64_t since) {
  std::vector<StoredResource> out;
  std::string name, body, etag, md5, sha256;
  int64_t created = 0, updated = 0;
  soci::indicator has_md5 = soci::i_null, has_sha256 = soci::i_null;
  std::string query =
      "SELECT r.name, r.body, r.etag, r.create_time, r.update_time, "
      "c.ha1_md5, c.ha1_sha256 FROM resources r "
      "LEFT JOIN credentials c ON c.name = r.name ";
  soci::statement rows(sql);
  if (since >= 0) {
    query +=
        "WHERE r.name IN (SELECT name FROM changes WHERE version > :since) ";
    rows.exchange(soci::use(since));
  }
  query += "ORDER BY r.name";
  rows.exchange(soci::into(name));
  rows.exchange(soci::into(body));
  rows.exchange(soci::into(etag));
  rows.exchange(soci::into(created));
  rows.exchange(soci::into(updated));
  rows.exchange(soci::into(md5, has_md5));
  rows.exchange(soci::into(sha256, has_sha256));
  rows.alloc();
  rows.prepare(query);
  rows.define_and_bind();
  rows.execute();
  while (rows.fetch()) {
    StoredResource resource;
    resource.name = name;
    SP_ASSIGN_OR_RETURN(resource.body, FromBase64(body));
    resource.etag = etag;
    resource.create_time = FromColumn(created);
    resource.update_time = FromColumn(updated);
    if (has_md5 == soci::i_ok) resource.ha1_md5 = md5;
    if (has_sha256 == soci::i_ok) resource.ha1_sha256 = sha256;
    out.push_back(std::move(resource));
  }
  return out;
}

std::vector<std::pair<int64_t, std::string>> ReadChanges(soci::session& sql,
                                                         int64_t since) {
  std::vector<std::pair<int64_t, std::string>> out;
  int64_t version = 0;
  std::string name;
  soci::statement rows =
      (sql.prepare << "SELECT version, name FROM changes "
                      "WHERE version > :since ORDER BY version",
       soci::use(since), soci::into(version), soci::into(name));
  rows.execute();
  while (rows.fetch()) out.emplace_back(version, name);
  return out;
}

absl::StatusOr<std::vector<RememberedRequest>> ReadRequests(soci::session& sql,
                                                            int64_t sequence) {
  std::vector<RememberedRequest> out;
  std::string key, hash, body, etag;
  int64_t created = 0, updated = 0, expires = 0;
  soci::statement rows =
      (sql.prepare << "SELECT request_key, request_hash, body, etag, "
                      "create_time, update_time, expire_time FROM requests "
                      "WHERE sequence > :sequence",
       soci::use(sequence), soci::into(key), soci::into(hash), soci::into(body),
       soci::into(etag), soci::into(created), soci::into(updated),
       soci::into(expires));
  rows.execute();
  while (rows.fetch()) {
    RememberedRequest request;
    request.key = key;
    request.hash = hash;
    SP_ASSIGN_OR_RETURN(request.answer.body, FromBase64(body));
    request.answer.etag = etag;
    request.answer.create_time = FromColumn(created);
    request.answer.update_time = FromColumn(updated);
    request.expire_time = FromColumn(expires);
    out.push_back(std::move(request));
  }
  return out;
}

void WriteChanges(soci::session& sql, const std::vector<PlanChange>& changes,
                  absl::Time now) {
  if (changes.empty()) return;
  std::string name, body, etag, md5, sha256;
  int64_t created = 0, updated = 0, version = 0;
  const int64_t time = ToColumn(now);
  soci::statement put =
      (sql.prepare << "INSERT INTO resources "
                      "(name, body, etag, create_time, update_time) "
                      "VALUES (:name, :body, :etag, :created, :updated) "
                      "ON CONFLICT (name) DO UPDATE SET body = excluded.body, "
                      "etag = excluded.etag, "
                      "create_time = excluded.create_time, "
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
  soci::statement log = (sql.prepare << "INSERT INTO changes "
                                        "(version, name, change_time) "
                                        "VALUES (:version, :name, :time)",
                         soci::use(version), soci::use(name), soci::use(time));
  for (const PlanChange& change : changes) {
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
}

int64_t WriteRequests(soci::session& sql,
                      const std::vector<RememberedRequest>& requests,
                      int64_t sequence) {
  if (requests.empty()) return sequence;
  std::string key, hash, body, etag;
  int64_t created = 0, updated = 0, expires = 0;
  soci::statement put =
      (sql.prepare
           << "INSERT INTO requests (request_key, request_hash, body, etag, "
              "create_time, update_time, expire_time, sequence) "
              "VALUES (:key, :hash, :body, :etag, :created, :updated, "
              ":expires, :sequence) "
              "ON CONFLICT (request_key) DO UPDATE SET "
              "request_hash = excluded.request_hash, body = excluded.body, "
              "etag = excluded.etag, create_time = excluded.create_time, "
              "update_time = excluded.update_time, "
              "expire_time = excluded.expire_time, "
              "sequence = excluded.sequence",
       soci::use(key), soci::use(hash), soci::use(body), soci::use(etag),
       soci::use(created), soci::use(updated), soci::use(expires),
       soci::use(sequence));
  for (const RememberedRequest& request : requests) {
    ++sequence;
    key = request.key;
    hash = request.hash;
    body = ToBase64(request.answer.body);
    etag = request.answer.etag;
    created = ToColumn(request.answer.create_time);
    updated = ToColumn(request.answer.update_time);
    expires = ToColumn(request.expire_time);
    put.execute(true);
  }
  return sequence;
}

void ForgetRequests(soci::session& sql, const std::vector<std::string>& keys,
                    absl::Time now) {
  const int64_t time = ToColumn(now);
  for (const std::string& key : keys) {
    // Another replica may have remembered a new one under the same key.
    sql << "DELETE FROM requests "
           "WHERE request_key = :key AND expire_time <= :now",
        soci::use(key), soci::use(time);
  }
}

}  // namespace sallyport::dialplan
