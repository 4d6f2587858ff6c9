// A statement of SQLite, run without SOCI.

#ifndef SALLYPORT_SERVICES_COMMON_SQL_SQLITE_STATEMENT_H_
#define SALLYPORT_SERVICES_COMMON_SQL_SQLITE_STATEMENT_H_

#include <string>
#include <string_view>
#include <vector>

namespace sqlite_api {
struct sqlite3;
struct sqlite3_stmt;
}  // namespace sqlite_api

namespace sallyport {

// Prepared once, run often: SOCI makes objects and vectors for each value of
// each run, which costs more than most of our statements. One run is Bind() of
// each value, Step() while it says that there is a row, Reset(). Throws
// soci::sqlite3_soci_error; what threw is not run again. Thread-compatible, as
// its connection is.
class SqliteStatement {
 public:
  // `connection` must outlive it.
  SqliteStatement(sqlite_api::sqlite3* connection, std::string_view text);
  ~SqliteStatement();
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;

  // The value of the next placeholder, in order of the text; it is referred to,
  // not copied, until Reset().
  void Bind(const std::string& value);
  void Bind(long long value);

  // Runs on to the next row; false if there is none.
  bool Step();

  // The next column of that row. SQLite's own conversions hold.
  void Read(std::string& out);
  void Read(long long& out);
  // The column of that name. Fastest in order of the columns.
  void Read(std::string_view name, std::string& out);
  void Read(std::string_view name, long long& out);

  // Ends the run, and the read lock that it may hold.
  void Reset();

  // Of the last INSERT, UPDATE or DELETE of the connection.
  long long changes() const;

 private:
  void Check(int result) const;
  void GoTo(std::string_view name);

  sqlite_api::sqlite3* const connection_;
  sqlite_api::sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
  int read_ = 0;                      // the next column
  std::vector<std::string> columns_;  // their names
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SQL_SQLITE_STATEMENT_H_
