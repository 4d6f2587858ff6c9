// Statements of one connection, each prepared once.

#ifndef SALLYPORT_SERVICES_COMMON_SQL_SQL_STATEMENTS_H_
#define SALLYPORT_SERVICES_COMMON_SQL_SQL_STATEMENTS_H_

#include <soci/soci.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "services/common/sql/sqlite_statement.h"

namespace sallyport {

// A row of a query, by names of its columns, which must not be NULL; until the
// next one.
class SqlRow {
 public:
  explicit SqlRow(const soci::row& row) : soci_(&row) {}
  explicit SqlRow(SqliteStatement& row) : sqlite_(&row) {}

  std::string Text(const char* column) const {
    if (sqlite_ == nullptr) return soci_->get<std::string>(column);
    std::string out;
    sqlite_->Read(column, out);
    return out;
  }
  long long Number(const char* column) const {
    if (sqlite_ == nullptr) return soci_->get<long long>(column);
    long long out = 0;
    sqlite_->Read(column, out);
    return out;
  }

 private:
  const soci::row* soci_ = nullptr;
  SqliteStatement* sqlite_ = nullptr;
};

// A statement is parsed and planned at its first use on a connection (SQLite:
// a sqlite3_stmt that is reset; PostgreSQL: PREPARE) and kept for the next. For
// texts that are written in the program: those that hold values belong to
// SOCI's own `<<`. Values are std::string or long long, by placeholder in order
// of the text. Everything throws what SOCI throws; what threw is prepared
// afresh next time. Thread-compatible, as its connection is.
class SqlStatements {
 public:
  // `session` must outlive this object.
  explicit SqlStatements(soci::session& session);
  SqlStatements(const SqlStatements&) = delete;
  SqlStatements& operator=(const SqlStatements&) = delete;

  // For what is run once, or whose text is made.
  soci::session& session() { return session_; }

  // How many rows `text` changed.
  template <typename... Values>
  long long Execute(std::string_view text, const Values&... values) {
    CheckTypes<Values...>();
    if (sqlite_ != nullptr) {
      SqliteRun run(*this, text);
      (run->Bind(values), ...);
      while (run->Step()) continue;
      const long long changed = run->changes();
      run.Done();
      return changed;
    }
    Running running(*this, text);
    running.Bind(values...);
    running->execute(true);
    const long long changed = running->get_affected_rows();
    running.Done();
    return changed;
  }

  // Calls `on_row(const SqlRow&)` for each row of `text`, which runs no
  // statement of this object.
  template <typename OnRow, typename... Values>
  void Query(std::string_view text, OnRow on_row, const Values&... values) {
    CheckTypes<Values...>();
    if (sqlite_ != nullptr) {
      SqliteRun run(*this, text);
      (run->Bind(values), ...);
      while (run->Step()) on_row(SqlRow(*run.operator->()));
      run.Done();
      return;
    }
    soci::row row;  // outlives what is bound to it
    Running running(*this, text);
    running.Bind(values...);
    running->exchange_for_rowset(soci::into(row));
    running->execute(false);
    while (running->fetch()) on_row(SqlRow(row));
    running.Done();
  }

  // Reads the one row of `text` into `out`, column by column; false, and `out`
  // as it was, if there is none. The columns must not be NULL.
  template <typename... Columns, typename... Values>
  bool Fetch(const std::tuple<Columns&...>& out, std::string_view text,
             const Values&... values) {
    CheckTypes<Values...>();
    if (sqlite_ != nullptr) {
      SqliteRun run(*this, text);
      (run->Bind(values), ...);
      const bool found = run->Step();
      if (found) {
        std::apply([&](auto&... column) { (run->Read(column), ...); }, out);
      }
      run.Done();
      return found;
    }
    Running running(*this, text);
    std::apply(
        [&](auto&... column) { (running->exchange(soci::into(column)), ...); },
        out);
    running.Bind(values...);
    const bool found = running->execute(true);
    // SQLite holds its read lock until the last row was asked for.
    if (found) running->fetch();
    running.Done();
    return found;
  }

  // To be called when the transaction is over, however it ended.
  void OnTransactionEnd() { failed_.clear(); }
  // Forgets all, such as after a change of the schema.
  void Clear() {
    failed_.clear();
    prepared_.Clear();
    sqlite_prepared_.Clear();
  }

 private:
  using Statement = std::unique_ptr<soci::statement>;

  // One run of one statement.
  class Running {
   public:
    Running(SqlStatements& owner, std::string_view text)
        : owner_(owner), statement_(owner.Take(text)), text_(text) {}
    ~Running() {
      if (statement_ == nullptr) return;
      statement_->bind_clean_up();
      // PostgreSQL cannot forget it before the transaction is over.
      owner_.failed_.push_back(std::move(statement_));
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    soci::statement* operator->() { return statement_.get(); }

    template <typename... Values>
    void Bind(const Values&... values) {
      CheckTypes<Values...>();
      (statement_->exchange(soci::use(values)), ...);
      statement_->define_and_bind();
    }
    // It ran to its end and may run again.
    void Done() {
      statement_->bind_clean_up();
      owner_.prepared_.Keep(text_, std::move(statement_));
    }

   private:
    SqlStatements& owner_;
    Statement statement_;
    const std::string_view text_;
  };

  // The same with SQLite itself.
  class SqliteRun {
   public:
    SqliteRun(SqlStatements& owner, std::string_view text)
        : owner_(owner), statement_(owner.TakeSqlite(text)), text_(text) {}
    SqliteRun(const SqliteRun&) = delete;
    SqliteRun& operator=(const SqliteRun&) = delete;

    SqliteStatement* operator->() { return statement_.get(); }

    void Done() {
      statement_->Reset();
      owner_.sqlite_prepared_.Keep(text_, std::move(statement_));
    }

   private:
    SqlStatements& owner_;
    std::unique_ptr<SqliteStatement> statement_;
    const std::string_view text_;
  };

  template <typename... Values>
  static constexpr void CheckTypes() {
    static_assert(((std::is_same_v<Values, std::string> ||
                    std::is_same_v<Values, long long>)&&...),
                  "values are bound by reference: no conversions");
  }

  // Those that are not being run, by text.
  template <typename T>
  class Cache {
   public:
    // Null: there is none.
    std::unique_ptr<T> Take(std::string_view text) {
      const auto it = prepared_.find(text);
      return it == prepared_.end() ? nullptr : std::move(it->second);
    }
    void Keep(std::string_view text, std::unique_ptr<T> statement) {
      // More than any program has texts: whoever makes texts leaks nothing.
      constexpr size_t kMaxStatements = 512;
      const auto it = prepared_.find(text);
      if (it != prepared_.end()) {
        it->second = std::move(statement);
        return;
      }
      if (prepared_.size() >= kMaxStatements) prepared_.clear();
      prepared_.emplace(std::string(text), std::move(statement));
    }
    void Clear() { prepared_.clear(); }

   private:
    struct Hash : std::hash<std::string_view> {
      using is_transparent = void;
    };
    std::unordered_map<std::string, std::unique_ptr<T>, Hash, std::equal_to<>>
        prepared_;
  };

  // Prepared already, or now; it is the caller's.
  Statement Take(std::string_view text);
  std::unique_ptr<SqliteStatement> TakeSqlite(std::string_view text);

  soci::session& session_;
  sqlite_api::sqlite3* sqlite_ = nullptr;  // null: another database
  Cache<soci::statement> prepared_;
  Cache<SqliteStatement> sqlite_prepared_;
  std::vector<Statement> failed_;  // to be forgotten after the transaction
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SQL_SQL_STATEMENTS_H_
