#include "services/common/sql/sqlite_statement.h"

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <cstddef>

namespace sallyport {

SqliteStatement::SqliteStatement(sqlite_api::sqlite3* connection,
                                 std::string_view text)
    : connection_(connection) {
  Check(sqlite_api::sqlite3_prepare_v3(
      connection_, text.data(), static_cast<int>(text.size()),
      SQLITE_PREPARE_PERSISTENT, &statement_, nullptr));
}

SqliteStatement::~SqliteStatement() {
  // What went wrong in its last run was told then.
  sqlite_api::sqlite3_finalize(statement_);
}

void SqliteStatement::Check(int result) const {
  if (result == SQLITE_OK) return;
  throw soci::sqlite3_soci_error(sqlite_api::sqlite3_errmsg(connection_),
                                 result);
}

void SqliteStatement::Bind(const std::string& value) {
  Check(sqlite_api::sqlite3_bind_text(statement_, ++bound_, value.data(),
                                      static_cast<int>(value.size()),
                                      SQLITE_STATIC));
}

void SqliteStatement::Bind(long long value) {
  Check(sqlite_api::sqlite3_bind_int64(statement_, ++bound_, value));
}

bool SqliteStatement::Step() {
  read_ = 0;
  const int result = sqlite_api::sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result != SQLITE_DONE) Check(result);
  return false;
}

void SqliteStatement::Read(std::string& out) {
  const auto* const text = reinterpret_cast<const char*>(
      sqlite_api::sqlite3_column_text(statement_, read_));
  const int size = sqlite_api::sqlite3_column_bytes(statement_, read_);
  ++read_;
  if (text == nullptr) {
    out.clear();
  } else {
    out.assign(text, static_cast<size_t>(size));
  }
}

void SqliteStatement::Read(long long& out) {
  out = sqlite_api::sqlite3_column_int64(statement_, read_++);
}

void SqliteStatement::Read(std::string_view name, std::string& out) {
  GoTo(name);
  Read(out);
}

void SqliteStatement::Read(std::string_view name, long long& out) {
  GoTo(name);
  Read(out);
}

void SqliteStatement::GoTo(std::string_view name) {
  const auto count =
      static_cast<size_t>(sqlite_api::sqlite3_column_count(statement_));
  // SQLite prepares again what is for a schema of before.
  if (columns_.size() != count) {
    columns_.clear();
    for (size_t i = 0; i < count; ++i) {
      columns_.emplace_back(
          sqlite_api::sqlite3_column_name(statement_, static_cast<int>(i)));
    }
  }
  for (size_t i = 0; i < count; ++i, ++read_) {
    if (read_ >= static_cast<int>(count)) read_ = 0;
    if (columns_[static_cast<size_t>(read_)] == name) return;
  }
  throw soci::soci_error("there is no column of that name");
}

void SqliteStatement::Reset() {
  bound_ = 0;
  // Says again what Step() said.
  sqlite_api::sqlite3_reset(statement_);
}

long long SqliteStatement::changes() const {
  return sqlite_api::sqlite3_changes(connection_);
}

}  // namespace sallyport
