#include "tools/cli/issue_credential_cmd.h"

#include <cstdint>
#include <memory>
#include <string>

#include "CLI/Option.hpp"
#include "google/protobuf/descriptor.h"
#include "sallyport/credential_issuer/v1/turn_credential.pb.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/error_text.h"
#include "tools/cli/field_text.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::credential_issuer::v1;

struct CredentialOptions {
  std::string subject;
  uint64_t lifetime_seconds = 0;
  std::string network;
  std::string location;
};

std::string CredentialText(const pb::TurnCredential& credential) {
  std::string text = "username:  " + credential.username() +
                     "\npassword:  " + credential.password() +
                     "\nrealm:     " + credential.realm() +
                     "\nexpires:   " + FieldText(credential, "expire_time") +
                     " UTC\nkey:       " + FieldText(credential, "key_id") +
                     "\nid:        " + credential.credential_id() + "\n";
  for (const pb::RelayAddress& relay : credential.relays()) {
    text += "relay:     " + relay.uri() + "\n";
  }
  return text;
}

absl::Status RunIssue(CliContext& context, const CredentialOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string parent, context.TenantName());
  pb::IssueTurnCredentialRequest request;
  request.set_parent(parent);
  request.set_subject(options.subject);
  request.set_location(options.location);
  if (options.lifetime_seconds != 0) {
    request.mutable_lifetime()->set_seconds(
        static_cast<int64_t>(options.lifetime_seconds));
  }
  if (options.network == "intranet") {
    request.set_network(pb::CLIENT_NETWORK_INTRANET);
  } else if (options.network == "internet") {
    request.set_network(pb::CLIENT_NETWORK_INTERNET);
  } else if (!options.network.empty()) {
    return UsageError("--network is intranet or internet");
  }
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint,
                      clients->First("credential_issuer"));
  pb::TurnCredential credential;
  SP_RETURN_IF_ERROR(CallUnary(
      endpoint,
      *google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
          "sallyport.credential_issuer.v1.CredentialIssuerService."
          "IssueTurnCredential"),
      request, &credential));
  // The password is what the operator asked for, so it is shown.
  context.out() << (context.format == OutputFormat::kTable
                        ? CredentialText(credential)
                        : RenderOne(credential, context.format, ""));
  return absl::OkStatus();
}

}  // namespace

void AddIssueCredentialCommand(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<CredentialOptions>();
  CLI::App* const command = app.add_subcommand(
      "issue-credential", "Gets a TURN credential for the media relays");
  command->add_option("--subject", options->subject, "Who will use it")
      ->required();
  command->add_option("--lifetime", options->lifetime_seconds,
                      "Seconds; not given: the issuer's default");
  command->add_option("--network", options->network, "intranet or internet");
  command->add_option("--location", options->location, "Site of the client");
  command->callback(
      [&context, options] { context.result = RunIssue(context, *options); });
}

}  // namespace sallyport::cli
