// Comma-separated values (RFC 4180) from people's spreadsheets.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_CSV_READER_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_CSV_READER_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "services/dialplan/core/plan_fault.h"

namespace sallyport::dialplan {

struct CsvLimits {
  size_t octets = 4000000;
  size_t rows = 50000;
  size_t columns = 100;
};

// One row: as many cells as the header.
struct CsvRow {
  size_t number = 0;  // as a spreadsheet counts: the header is row 1
  std::vector<std::string> cells;
};

struct CsvTable {
  std::vector<std::string> header;
  std::vector<CsvRow> rows;  // only those without a fault
  PlanFaults faults;         // fields are "row[17].username", or "csv"
};

// Reads all of `text`. Rows end in CRLF or LF, the last one also without; a
// cell in quotes may hold commas, line ends and doubled quotes; empty lines are
// passed over; a byte order mark of UTF-8 is taken off. All else that RFC 4180
// does not allow is a fault, as is text that is not UTF-8, a control character
// but tab and line end, and a column that is named twice or not at all. Faults
// of the text as a whole are of field "csv", and then there are no rows. Costs
// no more than the text is long. Pure.
CsvTable ReadCsv(std::string_view text, const CsvLimits& limits);

// "row[17].username"; "row[17]" without a column.
std::string CsvField(size_t row, std::string_view column);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_CSV_READER_H_
