// A table of users or numbers as writes that hold together.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_CSV_IMPORT_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_CSV_IMPORT_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/dialplan/v1/import.pb.h"
#include "services/dialplan/core/plan_editor.h"
#include "services/dialplan/core/plan_fault.h"
#include "services/dialplan/rpc/resource_kind.h"

namespace sallyport::dialplan {

// What a table came to, before the plan's rules were asked.
struct CsvImport {
  std::vector<PlanEdit> edits;
  std::vector<size_t> rows;  // of each edit: the number of its row
  PlanFaults faults;         // fields are "row[17].username", or "csv"
};

// Reads `csv` as resources of a kind below `parent` ("tenants/t"): the first
// row names fields (CsvColumn), and every other one makes a resource, or
// changes those fields of the one that is there. Its name is that in the column
// "name", in full or its last part; where there is none, it is made of the
// username of a user and the digits of a line. Rows without a fault become
// edits even if others have one, so that the rules can find the rest. Pure.
CsvImport ReadImport(const ResourceKind& kind, const std::string& parent,
                     std::string_view csv);

// The faults of `import` and of `answer`, by row.
PlanFaults FaultsOf(const ResourceKind& kind, const CsvImport& import,
                    const BatchAnswer& answer);

// The answer: the faults; if there is none, what was done.
::sallyport::dialplan::v1::ImportResult ImportResultOf(
    const PlanFaults& faults, const BatchAnswer& answer);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_CSV_IMPORT_H_
