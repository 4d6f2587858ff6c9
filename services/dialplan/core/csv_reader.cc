#include "services/dialplan/core/csv_reader.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/bytes/utf8.h"

namespace sallyport::dialplan {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr char kSyntax[] = "CSV_SYNTAX_INVALID";
constexpr char kEncoding[] = "CSV_ENCODING_INVALID";
constexpr char kHeader[] = "CSV_HEADER_INVALID";
// Of a column's name in an error.
constexpr size_t kMaxShownName = 64;

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool IsShowable(std::string_view name) {
  return !name.empty() && name.size() <= kMaxShownName &&
         std::all_of(name.begin(), name.end(), [](char c) {
           const auto u = static_cast<unsigned char>(c);
           return absl::ascii_isalnum(u) || c == '_' || c == '.' || c == '-';
         });
}

// A cell as it was found, and what is wrong with it.
struct RawCell {
  std::string text;
  std::string syntax;  // what RFC 4180 forbids; empty: nothing
};

// Takes rows off the front of a text. Thread-compatible.
class RowReader {
 public:
  explicit RowReader(std::string_view text) : text_(text) {}

  bool AtEnd() const { return at_ == text_.size(); }

  // The cells of the next row. A quote that is never closed takes all of the
  // rest into its row.
  std::vector<RawCell> Next() {
    std::vector<RawCell> cells;
    do {
      cells.push_back(NextCell());
    } while (!AtEnd() && Take(','));
    if (!TakeLineEnd() && !AtEnd()) {
      // NextCell() stops nowhere else.
      ++at_;
    }
    return cells;
  }

 private:
  bool Take(char c) {
    if (AtEnd() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  // CRLF or LF.
  size_t LineEndLength() const {
    if (AtEnd()) return 0;
    if (text_[at_] == '\n') return 1;
    return text_.substr(at_, 2) == "\r\n" ? 2 : 0;
  }
  bool TakeLineEnd() {
    const size_t length = LineEndLength();
    at_ += length;
    return length > 0;
  }

  // Leaves off before the comma or line end that follows, or at the end.
  RawCell NextCell() {
    RawCell cell;
    if (Take('"')) {
      ReadQuoted(cell);
      if (AtEnd() || text_[at_] == ',' || LineEndLength() > 0) return cell;
      cell.syntax = "has text after its closing quote";
    }
    while (!AtEnd() && text_[at_] != ',' && LineEndLength() == 0) {
      if (text_[at_] == '"' && cell.syntax.empty()) {
        cell.syntax = "has a quote in a cell that is not in quotes";
      }
      if (text_[at_] == '\r' && cell.syntax.empty()) {
        cell.syntax = "has a carriage return without a line feed";
      }
      cell.text += text_[at_++];
    }
    return cell;
  }

  // After the opening quote; ends after the closing one.
  void ReadQuoted(RawCell& cell) {
    while (!AtEnd()) {
      const char c = text_[at_++];
      if (c != '"') {
        cell.text += c;
      } else if (Take('"')) {
        cell.text += '"';
      } else {
        return;
      }
    }
    cell.syntax = "begins with a quote that is never closed";
  }

  std::string_view text_;
  size_t at_ = 0;
};

// What is wrong with the octets of a cell; empty: nothing.
std::pair<const char*, std::string> CellFault(const RawCell& cell) {
  if (!cell.syntax.empty()) return {kSyntax, cell.syntax};
  if (const size_t bad = FindNotUtf8(cell.text);
      bad != std::string_view::npos) {
    return {kEncoding,
            absl::StrCat("is not UTF-8: octet 0x",
                         absl::Hex(static_cast<uint8_t>(cell.text[bad]),
                                   absl::kZeroPad2),
                         " at ", bad + 1, ", save the file as UTF-8")};
  }
  for (const char c : cell.text) {
    const auto u = static_cast<unsigned char>(c);
    if ((u < 0x20 && c != '\n' && c != '\r' && c != '\t') || u == 0x7f) {
      return {kEncoding, "holds a control character"};
    }
  }
  return {"", ""};
}

// Puts the names into `table` and says what is wrong with them.
void ReadHeader(const std::vector<RawCell>& cells, const CsvLimits& limits,
                CsvTable& table) {
  if (cells.size() > limits.columns) {
    table.faults.push_back(
        {"csv", kHeader,
         absl::StrCat("has more than ", limits.columns, " columns")});
    return;
  }
  if (cells.size() == 1) {
    for (const char separator : {';', '\t'}) {
      if (cells[0].text.find(separator) != std::string::npos) {
        table.faults.push_back({"csv", kHeader,
                                "columns are separated by commas, not by "
                                "semicolons or tabs"});
        return;
      }
    }
  }
  std::map<std::string, size_t> seen;
  for (size_t i = 0; i < cells.size(); ++i) {
    const std::string name(absl::StripAsciiWhitespace(cells[i].text));
    table.header.push_back(name);
    const std::string shown =
        IsShowable(name) ? name : absl::StrCat("column[", i + 1, "]");
    auto [reason, description] = CellFault(cells[i]);
    if (description.empty() && name.empty()) {
      reason = kHeader, description = "the column has no name";
    }
    if (description.empty() && !IsShowable(name)) {
      reason = kHeader, description = "is no name of a field";
    }
    if (description.empty() && !seen.emplace(name, i + 1).second) {
      reason = kHeader;
      description = absl::StrCat("column ", seen[name], " has the same name");
    }
    if (!description.empty()) {
      table.faults.push_back({CsvField(1, shown), reason, description});
    }
  }
}

// The cells of a row, if nothing is wrong with them.
void ReadRow(size_t number, std::vector<RawCell> cells, CsvTable& table) {
  const size_t faults_before = table.faults.size();
  for (size_t i = 0; i < cells.size(); ++i) {
    auto [reason, description] = CellFault(cells[i]);
    if (description.empty()) continue;
    const std::string column = i < table.header.size()
                                   ? table.header[i]
                                   : absl::StrCat("column[", i + 1, "]");
    table.faults.push_back({CsvField(number, column), reason, description});
  }
  if (table.faults.size() == faults_before &&
      cells.size() != table.header.size()) {
    table.faults.push_back(
        {CsvField(number, ""), kSyntax,
         absl::StrCat("has ", cells.size(), " cells, the header has ",
                      table.header.size())});
  }
  if (table.faults.size() != faults_before) return;
  CsvRow row;
  row.number = number;
  for (RawCell& cell : cells) row.cells.push_back(std::move(cell.text));
  table.rows.push_back(std::move(row));
}

bool IsEmptyLine(const std::vector<RawCell>& cells) {
  return cells.size() == 1 && cells[0].text.empty() && cells[0].syntax.empty();
}

}  // namespace

std::string CsvField(size_t row, std::string_view column) {
  std::string out = absl::StrCat("row[", row, "]");
  if (!column.empty()) absl::StrAppend(&out, ".", AbslView(column));
  return out;
}

CsvTable ReadCsv(std::string_view text, const CsvLimits& limits) {
  CsvTable table;
  const auto whole = [&table](std::string_view reason,
                              std::string description) {
    table.rows.clear();
    table.faults = {{"csv", std::string(reason), std::move(description)}};
    return std::move(table);
  };
  if (text.size() > limits.octets) {
    return whole("CSV_TOO_LARGE",
                 absl::StrCat("is larger than ", limits.octets, " octets"));
  }
  if (StartsWith(text, "\xFF\xFE") || StartsWith(text, "\xFE\xFF") ||
      text.find('\0') != std::string_view::npos) {
    return whole(kEncoding,
                 "is not UTF-8 but UTF-16 or binary: save the file "
                 "as UTF-8");
  }
  if (StartsWith(text, kByteOrderMark)) {
    text.remove_prefix(kByteOrderMark.size());
  }
  RowReader reader(text);
  size_t number = 0;
  while (!reader.AtEnd()) {
    ++number;
    std::vector<RawCell> cells = reader.Next();
    if (number == 1) {
      ReadHeader(cells, limits, table);
      // What its columns are called cannot be told.
      if (!table.faults.empty()) return table;
      continue;
    }
    if (IsEmptyLine(cells)) continue;
    if (number > limits.rows + 1) {
      return whole("CSV_TOO_LARGE",
                   absl::StrCat("has more than ", limits.rows, " rows"));
    }
    ReadRow(number, std::move(cells), table);
  }
  if (number == 0) {
    return whole(kHeader, "is empty: the first row names the fields");
  }
  return table;
}

}  // namespace sallyport::dialplan
