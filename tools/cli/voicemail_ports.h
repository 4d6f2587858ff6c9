// Making voicemail ports by number, with all that belongs to them (CUC-44).

#ifndef SALLYPORT_TOOLS_CLI_VOICEMAIL_PORTS_H_
#define SALLYPORT_TOOLS_CLI_VOICEMAIL_PORTS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sallyport/dialplan/v1/line_group.pb.h"
#include "sallyport/dialplan/v1/voicemail_port_group.pb.h"
#include "tools/cli/cli_context.h"

namespace sallyport::cli {

struct NewPortsOptions {
  std::string group;         // port group, by name
  int count = 1;             // 1 to 1000
  std::string first_number;  // directory number of the first; then one up each
  std::string partition;     // of the numbers; empty: the null partition
  std::string prefix;        // of device names; empty: the group's
  bool answers = false;      // what they do
  bool notifies = false;
  bool message_waiting = false;
  bool trap = false;
  bool dry_run = false;
};

// The documents that make the ports: a line for each, the line group with them
// behind the lines that it has, and the port group. Device names go on from the
// highest number of the prefix. INVALID_ARGUMENT with
// DEVICE_NAME_PREFIX_MISSING or NUMBER_INVALID. Pure.
absl::StatusOr<std::string> NewPortsManifest(
    const NewPortsOptions& options, dialplan::v1::VoicemailPortGroup group,
    dialplan::v1::LineGroup line_group);

// Makes them in one write: all of them or none.
absl::Status MakeNewPorts(CliContext& context, const NewPortsOptions& options);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_VOICEMAIL_PORTS_H_
