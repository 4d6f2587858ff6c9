#include "tools/cli/voicemail_ports.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "sallyport/dialplan/v1/line.pb.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/apply_together.h"
#include "tools/cli/change_set.h"
#include "tools/cli/manifest.h"
#include "tools/cli/render.h"
#include "tools/cli/resource_calls.h"
#include "tools/cli/resource_kinds.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using ::google::protobuf::Message;

// "CiscoUM1-VI" of 7 for "CiscoUM1-VI7"; 0 for names of other prefixes.
uint32_t NumberOf(const std::string& device_name, const std::string& prefix) {
  uint32_t number = 0;
  const bool fits =
      absl::StartsWith(device_name, prefix) &&
      absl::SimpleAtoi(device_name.substr(prefix.size()), &number);
  return fits ? number : 0;
}

// "6003" after "6002", "0010" after "0009".
std::string After(std::string number) {
  for (size_t i = number.size(); i-- > 0;) {
    if (number[i] != '9') {
      ++number[i];
      return number;
    }
    number[i] = '0';
  }
  return "1" + number;
}

}  // namespace

absl::StatusOr<std::string> NewPortsManifest(const NewPortsOptions& options,
                                             pb::VoicemailPortGroup group,
                                             pb::LineGroup line_group) {
  const std::string prefix =
      options.prefix.empty() ? group.device_name_prefix() : options.prefix;
  if (prefix.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "DEVICE_NAME_PREFIX_MISSING",
                     "the port group has no prefix of device names: give one");
  }
  if (options.first_number.empty() ||
      !std::all_of(options.first_number.begin(), options.first_number.end(),
                   absl::ascii_isdigit)) {
    return MakeError(absl::StatusCode::kInvalidArgument, "NUMBER_INVALID",
                     "the first number has digits alone");
  }
  const std::string tenant = TenantNameOf(group.name());
  uint32_t last = 0;
  for (const pb::VoicemailPort& port : group.ports()) {
    last = std::max(last, NumberOf(port.device_name(), prefix));
  }
  std::string out;
  std::string number = options.first_number;
  for (int i = 0; i < options.count; ++i) {
    const std::string device = absl::StrCat(prefix, ++last);
    pb::Line line;
    line.set_name(
        absl::StrCat(tenant, "/lines/", absl::AsciiStrToLower(device)));
    line.set_directory_number(number);
    line.set_partition(options.partition);
    absl::StrAppend(&out, ToYaml(line, "Line"), "---\n");
    line_group.add_lines(line.name());
    pb::VoicemailPort& port = *group.add_ports();
    port.set_device_name(device);
    port.set_line(line.name());
    port.set_answers_calls(options.answers);
    port.set_notifies(options.notifies);
    port.set_sends_message_waiting(options.message_waiting);
    port.set_records_and_plays(options.trap);
    number = After(std::move(number));
  }
  if (!line_group.name().empty()) {
    absl::StrAppend(&out, ToYaml(line_group, "LineGroup"), "---\n");
  }
  return absl::StrCat(out, ToYaml(group, "VoicemailPortGroup"));
}

absl::Status MakeNewPorts(CliContext& context, const NewPortsOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First("dialplan"));
  const ResourceKind& kind = *FindKind("voicemail-port-group");
  SP_ASSIGN_OR_RETURN(
      const std::unique_ptr<Message> found,
      GetResource(endpoint, kind, FullName(kind, tenant, options.group)));
  const auto& group = dynamic_cast<const pb::VoicemailPortGroup&>(*found);
  pb::LineGroup line_group;
  if (!group.line_group().empty()) {
    SP_ASSIGN_OR_RETURN(
        const std::unique_ptr<Message> lines,
        GetResource(endpoint, *FindKind("line-group"), group.line_group()));
    line_group = dynamic_cast<const pb::LineGroup&>(*lines);
  }
  NewPortsOptions in_full = options;
  if (!options.partition.empty()) {
    in_full.partition =
        FullName(*FindKind("partition"), tenant, options.partition);
  }
  SP_ASSIGN_OR_RETURN(const std::string manifest,
                      NewPortsManifest(in_full, group, std::move(line_group)));
  SP_ASSIGN_OR_RETURN(const std::vector<ManifestEntry> entries,
                      ParseManifest(manifest, tenant, "ports"));
  SP_ASSIGN_OR_RETURN(const ChangeSet changes,
                      PlanChanges(*clients, entries, ChangeOptions()));
  SP_ASSIGN_OR_RETURN(
      const TogetherResult result,
      ApplyTogether(*clients, changes, {.dry_run = options.dry_run}));
  if (!result.done) {
    return MakeError(absl::StatusCode::kUnimplemented, "METHOD_NOT_IN_API",
                     "this dialplan cannot take them in one write");
  }
  for (const auto& [name, outcome] : result.outcomes) {
    context.out() << name << " " << outcome
                  << (options.dry_run ? " (dry run)" : "") << "\n";
  }
  for (const std::string& warning : result.warnings) {
    context.err() << warning << "\n";
  }
  return absl::OkStatus();
}

}  // namespace sallyport::cli
