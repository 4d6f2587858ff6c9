// `sallyport audit`: who changed what, and when.

#ifndef SALLYPORT_TOOLS_CLI_AUDIT_CMD_H_
#define SALLYPORT_TOOLS_CLI_AUDIT_CMD_H_

#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "sallyport/dialplan/v1/audit_record.pb.h"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

// One field that a change has changed.
struct FieldChange {
  std::string field;
  std::string before;  // empty: not set
  std::string after;

  bool operator==(const FieldChange&) const = default;
};

// The fields that differ between before and after, in the order of the API;
// all that are set if one of the two is not there.
std::vector<FieldChange> ChangesOf(const dialplan::v1::AuditRecord& record);

void AddAuditCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_AUDIT_CMD_H_
