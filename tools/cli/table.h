// Text in columns.

#ifndef SALLYPORT_TOOLS_CLI_TABLE_H_
#define SALLYPORT_TOOLS_CLI_TABLE_H_

#include <cstddef>
#include <string>
#include <vector>

namespace sallyport::cli {

// Columns as wide as their widest cell, two spaces between. A column without
// any value is left out. Control characters in cells print as "?", since much
// of what is shown came from the wire. Thread-compatible.
class Table {
 public:
  explicit Table(std::vector<std::string> headers);

  // As many cells as headers; missing ones are empty.
  void AddRow(std::vector<std::string> cells);

  size_t rows() const { return rows_.size(); }
  // Each line ends in a newline; no trailing spaces. Empty without rows.
  std::string ToString() const;

 private:
  std::vector<std::string> headers_;
  std::vector<std::vector<std::string>> rows_;
};

// The text with control characters replaced by "?".
std::string Printable(const std::string& text);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_TABLE_H_
