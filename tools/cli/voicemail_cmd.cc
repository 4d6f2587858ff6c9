#include "tools/cli/voicemail_cmd.h"

#include <memory>
#include <string>
#include <utility>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "sallyport/dialplan/v1/tenant.pb.h"
#include "sallyport/dialplan/v1/voicemail_port_group.pb.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/resource_calls.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/voicemail_connect.h"
#include "tools/cli/voicemail_ports.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using ::google::protobuf::Message;

struct VoicemailOptions {
  std::string group;
  VoicemailConnectOptions connect;
  double hold_seconds = 0;
};

absl::StatusOr<pb::Tenant> GetTenant(CliContext& context) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.TenantName());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First("dialplan"));
  SP_ASSIGN_OR_RETURN(const std::unique_ptr<Message> found,
                      GetResource(endpoint, *FindKind("tenant"), tenant));
  return dynamic_cast<const pb::Tenant&>(*found);
}

void PrintEncryption(CliContext& context, const pb::Tenant& tenant) {
  context.out() << "encryption of voicemail: "
                << (tenant.voicemail_encryption() ==
                            pb::VOICEMAIL_ENCRYPTION_DISABLED
                        ? "disabled"
                        : "enabled")
                << "\n";
}

// CUC-02: `utils cuc encryption`.
absl::Status SetEncryption(CliContext& context, bool enable) {
  SP_ASSIGN_OR_RETURN(pb::Tenant tenant, GetTenant(context));
  tenant.set_voicemail_encryption(enable ? pb::VOICEMAIL_ENCRYPTION_ENABLED
                                         : pb::VOICEMAIL_ENCRYPTION_DISABLED);
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First("dialplan"));
  SP_RETURN_IF_ERROR(UpdateResource(endpoint, *FindKind("tenant"), tenant,
                                    {"voicemail_encryption"}, false)
                         .status());
  PrintEncryption(context, tenant);
  return absl::OkStatus();
}

absl::Status ShowEncryption(CliContext& context) {
  SP_ASSIGN_OR_RETURN(const pb::Tenant tenant, GetTenant(context));
  PrintEncryption(context, tenant);
  return absl::OkStatus();
}

absl::Status RunConnect(CliContext& context, VoicemailOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First("dialplan"));
  const ResourceKind& kind = *FindKind("voicemail-port-group");
  SP_ASSIGN_OR_RETURN(
      const std::unique_ptr<Message> found,
      GetResource(endpoint, kind, FullName(kind, tenant, options.group)));
  options.connect.group = dynamic_cast<const pb::VoicemailPortGroup&>(*found);
  options.connect.hold = absl::Seconds(options.hold_seconds);
  return ConnectVoicemail(options.connect, context.out());
}

}  // namespace

void AddVoicemailCommand(CLI::App& app, CliContext& context) {
  CLI::App* const voicemail = app.add_subcommand(
      "voicemail", "Encryption of voicemail, and port groups tried out");
  voicemail->require_subcommand(1);
  CLI::App* const encryption = voicemail->add_subcommand(
      "encryption", "Whether port groups may be encrypted");
  encryption->require_subcommand(1);
  encryption->add_subcommand("enable", "They may")->callback([&context] {
    context.result = SetEncryption(context, true);
  });
  encryption->add_subcommand("disable", "They may not")->callback([&context] {
    context.result = SetEncryption(context, false);
  });
  encryption->add_subcommand("status", "What is set")->callback([&context] {
    context.result = ShowEncryption(context);
  });

  const auto ports = std::make_shared<NewPortsOptions>();
  CLI::App* const add = voicemail->add_subcommand(
      "add-ports",
      "Makes a number of ports of a group, each with its line, in one write");
  add->add_option("group", ports->group, "Port group, by name")->required();
  add->add_option("count", ports->count, "How many")
      ->required()
      ->check(CLI::Range(1, 1000));
  add->add_option("--first-number", ports->first_number,
                  "Directory number of the first; the next one up for each")
      ->required();
  add->add_option("--partition", ports->partition, "Of the numbers");
  add->add_option("--prefix", ports->prefix,
                  "Of device names; else that of the group");
  add->add_flag("--answer", ports->answers, "They answer calls");
  add->add_flag("--notify", ports->notifies, "They call out to notify");
  add->add_flag("--mwi", ports->message_waiting,
                "They send message waiting requests");
  add->add_flag("--trap", ports->trap, "They record and play at phones");
  add->add_flag("--dry-run", ports->dry_run, "Only check");
  add->callback(
      [&context, ports] { context.result = MakeNewPorts(context, *ports); });

  const auto options = std::make_shared<VoicemailOptions>();
  CLI::App* const connect = voicemail->add_subcommand(
      "connect",
      "Does what a voicemail server does to bring a port group into service, "
      "and says each step");
  connect->add_option("group", options->group, "Port group, by name")
      ->required();
  VoicemailConnectOptions& how = options->connect;
  connect
      ->add_option("--certificate", how.certificate_file,
                   "Certificate of the port or server, PEM")
      ->required();
  connect->add_option("--key", how.key_file, "Its private key, PEM")
      ->required();
  connect
      ->add_option("--cache", how.cache_folder,
                   "Folder of trust lists that were taken")
      ->required();
  connect->add_option("--port", how.ports, "Only this port, by device name");
  connect
      ->add_option("--attempts", how.attempts,
                   "Tries, 5 s apart, while the list has no certificate of "
                   "the call manager")
      ->check(CLI::Range(1, 1000));
  connect->add_option("--hold", options->hold_seconds,
                      "Seconds that ports stay in service");
  connect->callback(
      [&context, options] { context.result = RunConnect(context, *options); });
}

}  // namespace sallyport::cli
