#include "services/common/sql/sql_status.h"

#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sqlite3.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

struct Meaning {
  absl::StatusCode code;
  std::string_view reason;
  bool shows_words = false;  // the database's words hold no value
};

constexpr Meaning kUnavailable = {absl::StatusCode::kUnavailable,
                                  "STORE_UNAVAILABLE", true};
constexpr Meaning kFull = {absl::StatusCode::kResourceExhausted, "STORE_FULL",
                           true};
constexpr Meaning kCorrupt = {absl::StatusCode::kDataLoss, "STORE_CORRUPT",
                              true};
constexpr Meaning kDenied = {absl::StatusCode::kPermissionDenied,
                             "STORE_ACCESS_DENIED", true};
constexpr Meaning kConflict = {absl::StatusCode::kAborted, "STORE_CONFLICT"};
constexpr Meaning kDuplicate = {absl::StatusCode::kAlreadyExists,
                                "STORE_DUPLICATE"};
constexpr Meaning kOurs = {absl::StatusCode::kInternal, "STORE_ERROR"};

Meaning OfSqlite(int result) {
  switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {absl::StatusCode::kUnavailable, "STORE_LOCKED", true};
    case SQLITE_FULL:
      return kFull;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return kCorrupt;
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return kDenied;
    case SQLITE_READONLY:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT:
      return kUnavailable;
    case SQLITE_CONSTRAINT:
      return kDuplicate;
    default:
      return kOurs;
  }
}

// By PostgreSQL's appendix A.
Meaning OfSqlState(std::string_view state) {
  const std::string_view group = state.substr(0, 2);
  if (state == "40001" || state == "40P01") return kConflict;
  // "cached plan must not change result type": prepared before somebody else
  // changed the schema.
  if (state == "0A000") return kConflict;
  if (state == "23505") return kDuplicate;
  if (state == "53100") return kFull;
  if (state == "25006") return kUnavailable;  // a standby: read only
  if (state == "55P03") return kUnavailable;  // lock_timeout
  if (state == "42501") return kDenied;
  if (group == "28" || group == "3D") return kDenied;
  if (state == "XX001" || state == "XX002") return kCorrupt;
  if (group == "08" || group == "53" || group == "57" || group == "58" ||
      group == "25" || group == "XX") {
    return kUnavailable;
  }
  return kOurs;
}

Meaning MeaningOf(const std::exception& error, std::string* code) {
  if (const auto* e = dynamic_cast<const soci::sqlite3_soci_error*>(&error)) {
    *code = absl::StrCat("SQLite ", e->result());
    return OfSqlite(e->result());
  }
  if (const auto* e =
          dynamic_cast<const soci::postgresql_soci_error*>(&error)) {
    const std::string state = e->sqlstate();
    // Blank: libpq's own, that there is no connection.
    if (state.find_first_not_of(' ') == std::string::npos) return kUnavailable;
    *code = absl::StrCat("SQLSTATE ", state);
    return OfSqlState(state);
  }
  if (const auto* e = dynamic_cast<const soci::soci_error*>(&error)) {
    // What the backend throws when it cannot connect has no code.
    const std::string what = e->get_error_message();
    if (what.find("Cannot establish connection") != std::string::npos) {
      // libpq has no code for it either.
      return what.find("authentication failed") != std::string::npos
                 ? kDenied
                 : kUnavailable;
    }
  }
  return kOurs;
}

// One line, and not the parameters that SOCI appends.
std::string WordsOf(const std::exception& error) {
  std::string words = error.what();
  if (const auto* e = dynamic_cast<const soci::soci_error*>(&error)) {
    words = e->get_error_message();
  }
  const std::string_view preamble =
      "Cannot establish connection to the database.\n";
  if (words.rfind(preamble, 0) == 0) words.erase(0, preamble.size());
  words.resize(std::min(words.size(), words.find('\n')));
  return words;
}

}  // namespace

absl::Status SqlStatus(std::string_view doing, const std::exception& error) {
  std::string code;
  const Meaning meaning = MeaningOf(error, &code);
  std::string message = absl::StrCat("cannot ", AbslView(doing), " the store");
  if (!code.empty()) absl::StrAppend(&message, " (", code, ")");
  if (meaning.shows_words) absl::StrAppend(&message, ": ", WordsOf(error));
  return MakeError(meaning.code, meaning.reason, message);
}

}  // namespace sallyport
