#include "services/common/sql/sql_statements.h"

#include <utility>

namespace sallyport {
namespace {

// More than any program has texts: whoever makes texts leaks nothing.
constexpr size_t kMaxStatements = 512;

}  // namespace

SqlStatements::Statement SqlStatements::Take(std::string_view text) {
  const auto it = prepared_.find(text);
  if (it != prepared_.end() && it->second != nullptr) {
    return std::move(it->second);
  }
  auto statement = std::make_unique<soci::statement>(session_);
  statement->alloc();
  statement->prepare(std::string(text));
  return statement;
}

void SqlStatements::Keep(std::string_view text, Statement statement) {
  const auto it = prepared_.find(text);
  if (it != prepared_.end()) {
    it->second = std::move(statement);
    return;
  }
  if (prepared_.size() >= kMaxStatements) prepared_.clear();
  prepared_.emplace(std::string(text), std::move(statement));
}

}  // namespace sallyport
