#include "services/common/sql/sql_statements.h"

#include <soci/sqlite3/soci-sqlite3.h>

namespace sallyport {

SqlStatements::SqlStatements(soci::session& session) : session_(session) {
  if (session.get_backend_name() != "sqlite3") return;
  sqlite_ =
      static_cast<soci::sqlite3_session_backend*>(session.get_backend())->conn_;
}

SqlStatements::Statement SqlStatements::Take(std::string_view text) {
  Statement statement = prepared_.Take(text);
  if (statement != nullptr) return statement;
  statement = std::make_unique<soci::statement>(session_);
  statement->alloc();
  statement->prepare(std::string(text));
  return statement;
}

std::unique_ptr<SqliteStatement> SqlStatements::TakeSqlite(
    std::string_view text) {
  std::unique_ptr<SqliteStatement> statement = sqlite_prepared_.Take(text);
  if (statement != nullptr) return statement;
  return std::make_unique<SqliteStatement>(sqlite_, text);
}

}  // namespace sallyport
