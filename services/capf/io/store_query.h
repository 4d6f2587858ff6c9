// How the store asks: rows of a query, each as a value.

#ifndef SALLYPORT_SERVICES_CAPF_IO_STORE_QUERY_H_
#define SALLYPORT_SERVICES_CAPF_IO_STORE_QUERY_H_

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/sql/sql_database.h"
#include "services/common/sql/sql_statements.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {

// All rows of `text`, each by `read`.
template <typename Read, typename... Values>
auto All(SqlStatements& sql, Read read, std::string_view text,
         const Values&... values) {
  std::vector<decltype(read(std::declval<const SqlRow&>()))> all;
  sql.Query(
      text, [&](const SqlRow& row) { all.push_back(read(row)); }, values...);
  return all;
}

// The first of them.
template <typename Read, typename... Values>
auto First(SqlStatements& sql, Read read, std::string_view text,
           const Values&... values) {
  std::optional<decltype(read(std::declval<const SqlRow&>()))> first;
  sql.Query(
      text,
      [&](const SqlRow& row) {
        if (!first.has_value()) first = read(row);
      },
      values...);
  return first;
}

// What each query of ours reads, in one transaction.
template <typename T, typename Body>
absl::StatusOr<T> ReadIn(SqlDatabase& database, Body body) {
  T out{};
  SP_RETURN_IF_ERROR(database.Read("read", [&](SqlStatements& sql) {
    out = body(sql);
    return absl::OkStatus();
  }));
  return out;
}

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_STORE_QUERY_H_
