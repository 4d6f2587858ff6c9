#include "tools/cli/table.h"

#include <algorithm>
#include <utility>

namespace sallyport::cli {
namespace {

// Columns on a screen: continuation bytes of UTF-8 take none.
size_t Width(const std::string& text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (c & 0xc0) != 0x80; });
}

}  // namespace

std::string Printable(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char u = text[i];
    const unsigned char next = i + 1 < text.size() ? text[i + 1] : 0;
    const unsigned char third = i + 2 < text.size() ? text[i + 2] : 0;
    if (u < 0x20 || u == 0x7f) {
      out += '?';
    } else if (u == 0xc2 && next >= 0x80 && next < 0xa0) {
      // U+0080 to U+009F: terminals take some as the start of a sequence.
      out += '?';
      ++i;
    } else if (u == 0xe2 &&
               ((next == 0x80 && third >= 0xaa && third <= 0xae) ||
                (next == 0x81 && third >= 0xa6 && third <= 0xa9))) {
      // U+202A to U+202E, U+2066 to U+2069: they turn what follows around.
      out += '?';
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

Table::Table(std::vector<std::string> headers) : headers_(std::move(headers)) {}

void Table::AddRow(std::vector<std::string> cells) {
  cells.resize(headers_.size());
  for (std::string& cell : cells) cell = Printable(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::ToString() const {
  if (rows_.empty()) return "";
  std::vector<size_t> widths(headers_.size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], Width(row[i]));
    }
  }
  const std::vector<size_t> used = widths;
  for (size_t i = 0; i < headers_.size(); ++i) {
    widths[i] = std::max(widths[i], Width(headers_[i]));
  }
  std::string out;
  const auto append = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (size_t i = 0; i < cells.size(); ++i) {
      if (used[i] == 0) continue;
      line += cells[i] + std::string(widths[i] - Width(cells[i]) + 2, ' ');
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    out += line + "\n";
  };
  append(headers_);
  for (const auto& row : rows_) append(row);
  return out;
}

}  // namespace sallyport::cli
