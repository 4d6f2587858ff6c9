#include "tools/cli/credential_cmds.h"

#include <memory>
#include <string>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "sallyport/credential_issuer/v1/audit_record.pb.h"
#include "sallyport/credential_issuer/v1/key.pb.h"
#include "sallyport/credential_issuer/v1/revocation.pb.h"
#include "sallyport/credential_issuer/v1/turn_credential.pb.h"
#include "services/common/bytes/hex.h"
#include "services/common/random/system_random.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/error_text.h"
#include "tools/cli/render.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::credential_issuer::v1;

struct Options {
  std::string what;  // the key, the credential or the subject
  std::string reason;
  std::string request_id;
};

absl::Status CallIssuer(CliContext& context, const std::string& method,
                        const google::protobuf::Message& request,
                        google::protobuf::Message* response) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint,
                      clients->First("credential_issuer"));
  return CallUnary(
      endpoint,
      *google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
          absl::StrCat(
              "sallyport.credential_issuer.v1.CredentialIssuerService.",
              method)),
      request, response);
}

std::string KeyName(const std::string& key) {
  return key.find('/') == std::string::npos ? "keys/" + key : key;
}

absl::Status RotateKey(CliContext& context, const Options& options) {
  pb::RotateKeyRequest request;
  std::string id = options.request_id;
  if (id.empty()) {
    SystemRandom random;
    id = absl::StrCat("cli-", absl::Hex(random.NextU64()));
  }
  request.set_request_id(id);
  pb::Key key;
  SP_RETURN_IF_ERROR(CallIssuer(context, "RotateKey", request, &key));
  context.out() << RenderOne(key, context.format, "Key");
  return absl::OkStatus();
}

absl::Status RevokeKey(CliContext& context, const Options& options) {
  pb::RevokeKeyRequest request;
  request.set_name(KeyName(options.what));
  request.set_reason(options.reason);
  pb::Key key;
  SP_RETURN_IF_ERROR(CallIssuer(context, "RevokeKey", request, &key));
  context.out() << RenderOne(key, context.format, "Key");
  return absl::OkStatus();
}

absl::Status RevokeUser(CliContext& context, const Options& options) {
  SP_ASSIGN_OR_RETURN(const std::string parent, context.TenantName());
  pb::RevokeUserRequest request;
  request.set_parent(parent);
  request.set_subject(options.what);
  request.set_reason(options.reason);
  pb::Revocation revocation;
  SP_RETURN_IF_ERROR(CallIssuer(context, "RevokeUser", request, &revocation));
  context.out() << RenderOne(revocation, context.format, "Revocation");
  return absl::OkStatus();
}

// An id is 24 hexadecimal digits; a user name is longer.
bool IsCredentialId(const std::string& text) {
  return text.size() == 24 && HexDecode(text).ok();
}

absl::Status RevokeCredential(CliContext& context, const Options& options) {
  SP_ASSIGN_OR_RETURN(const std::string parent, context.TenantName());
  pb::RevokeCredentialRequest request;
  request.set_parent(parent);
  if (IsCredentialId(options.what)) {
    request.set_credential_id(options.what);
  } else {
    request.set_username(options.what);
  }
  request.set_reason(options.reason);
  pb::Revocation revocation;
  SP_RETURN_IF_ERROR(
      CallIssuer(context, "RevokeCredential", request, &revocation));
  context.out() << RenderOne(revocation, context.format, "Revocation");
  return absl::OkStatus();
}

// AVE-21: identity, issue time and expiry, never the secret.
absl::Status ShowCredential(CliContext& context, const Options& options) {
  if (!IsCredentialId(options.what)) {
    return UsageError("a credential id has 24 hexadecimal digits");
  }
  SP_ASSIGN_OR_RETURN(const std::string parent, context.TenantName());
  pb::ListAuditRecordsRequest request;
  request.set_parent(parent);
  request.set_credential_id(options.what);
  pb::ListAuditRecordsResponse response;
  SP_RETURN_IF_ERROR(
      CallIssuer(context, "ListAuditRecords", request, &response));
  if (response.audit_records().empty()) {
    return absl::NotFoundError("no such credential was issued to the tenant");
  }
  if (context.format == OutputFormat::kTable) {
    for (const pb::AuditRecord& record : response.audit_records()) {
      context.out() << record.record() << "\n";
    }
  } else {
    context.out() << RenderOne(response, context.format, "");
  }
  return absl::OkStatus();
}

using Run = absl::Status (*)(CliContext&, const Options&);

// A command with one positional argument, `what`, unless that is empty.
void Add(CLI::App& app, CliContext& context, const std::string& name,
         const std::string& help, const std::string& what, Run run) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command = app.add_subcommand(name, help);
  if (what.empty()) {
    command->add_option("--request-id", options->request_id,
                        "A repeat with the same one makes no other key");
  } else {
    command->add_option(what, options->what, "Which")->required();
    if (run != &ShowCredential) {
      command->add_option("--reason", options->reason, "Why, for the audit");
    }
  }
  command->callback(
      [&context, options, run] { context.result = run(context, *options); });
}

}  // namespace

void AddCredentialCommands(CLI::App& app, CliContext& context) {
  Add(app, context, "rotate-key",
      "Makes a new key for credentials; the old one stays good until its "
      "credentials have expired",
      "", &RotateKey);
  Add(app, context, "revoke-key",
      "Ends a key and all credentials made with it, on every relay", "KEY",
      &RevokeKey);
  Add(app, context, "revoke-user", "Ends all credentials of one subject",
      "SUBJECT", &RevokeUser);
  Add(app, context, "revoke-credential",
      "Ends one credential, by its id or user name", "CREDENTIAL",
      &RevokeCredential);
  Add(app, context, "show-credential",
      "What the audit knows of a credential, by its id", "CREDENTIAL",
      &ShowCredential);
}

}  // namespace sallyport::cli
