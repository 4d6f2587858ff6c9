// Any octets as a table; what was read can be written and read again.

#include "services/dialplan/core/csv_reader.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "services/common/bytes/utf8.h"
#include "services/common/status/check.h"

namespace sallyport::dialplan {
namespace {

void Append(const std::vector<std::string>& cells, std::string& out) {
  for (size_t i = 0; i < cells.size(); ++i) {
    out += i == 0 ? "\"" : ",\"";
    for (const char c : cells[i]) out += c == '"' ? "\"\"" : std::string(1, c);
    out += '"';
  }
  out += "\r\n";
}

void Try(std::string_view text) {
  CsvLimits limits;
  limits.rows = 1000;
  const CsvTable table = ReadCsv(text, limits);
  for (const PlanFault& fault : table.faults) {
    SP_CHECK(!fault.field.empty() && !fault.reason.empty());
    SP_CHECK(FindNotUtf8(fault.field) == std::string_view::npos);
    SP_CHECK(FindNotUtf8(fault.description) == std::string_view::npos);
  }
  for (const CsvRow& row : table.rows) {
    SP_CHECK(row.cells.size() == table.header.size());
    for (const std::string& cell : row.cells) {
      SP_CHECK(FindNotUtf8(cell) == std::string_view::npos);
    }
  }
  if (!table.faults.empty()) return;
  std::string again;
  Append(table.header, again);
  for (const CsvRow& row : table.rows) Append(row.cells, again);
  // Quoting may double the length; that is not what is tried here.
  limits.octets = again.size();
  const CsvTable second = ReadCsv(again, limits);
  SP_CHECK(second.faults.empty());
  SP_CHECK(second.header == table.header);
  SP_CHECK(second.rows.size() == table.rows.size());
  for (size_t i = 0; i < table.rows.size(); ++i) {
    SP_CHECK(second.rows[i].cells == table.rows[i].cells);
  }
}

}  // namespace
}  // namespace sallyport::dialplan

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sallyport::dialplan::Try(
      std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
