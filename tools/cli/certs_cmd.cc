#include "tools/cli/certs_cmd.h"

#include <map>
#include <memory>
#include <string>

#include "CLI/Option.hpp"
#include "CLI/Validators.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "sallyport/capf/v1/certificate.pb.h"
#include "sallyport/capf/v1/server_certificate.pb.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/capf_call.h"
#include "tools/cli/field_text.h"
#include "tools/cli/list_cmd.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::capf::v1;
using Stub = pb::CapfService::Stub;

constexpr size_t kMaxFile = 64 * 1024;

struct CertsOptions {
  std::string name;
  std::string csr;
  std::string profile = "server";
  std::vector<std::string> alt_names;
  std::string output;
  std::string reason = "unspecified";
  std::string service;
  std::string fqdn;
  bool dry_run = false;
};

absl::Status List(CliContext& context, const CertsOptions&) {
  SP_RETURN_IF_ERROR(context.Clients().status());
  pb::ListCertificatesRequest request;
  SP_ASSIGN_OR_RETURN(*request.mutable_parent(), context.TenantName());
  request.set_page_size(1000);
  Table table({"SERIAL", "STATE", "PROFILE", "SUBJECT", "EXPIRES", "RENEW"});
  while (true) {
    SP_ASSIGN_OR_RETURN(const auto page,
                        CallCapf<pb::ListCertificatesResponse>(
                            context, &Stub::ListCertificates, request));
    for (const pb::Certificate& one : page.certificates()) {
      if (context.format != OutputFormat::kTable) {
        context.out() << RenderOne(one, context.format, "");
        continue;
      }
      table.AddRow({one.name().substr(one.name().rfind('/') + 1),
                    FieldText(one, "state"), FieldText(one, "profile"),
                    one.summary().subject(),
                    FieldText(one, "summary.not_after_time"),
                    FieldText(one, "renew_time")});
    }
    if (page.next_page_token().empty()) break;
    request.set_page_token(page.next_page_token());
  }
  context.out() << table.ToString();
  return absl::OkStatus();
}

absl::Status Show(CliContext& context, const CertsOptions& options) {
  pb::GetCertificateRequest request;
  SP_ASSIGN_OR_RETURN(*request.mutable_name(),
                      FullName(context, "certificates", options.name));
  SP_ASSIGN_OR_RETURN(
      const auto response,
      CallCapf<pb::Certificate>(context, &Stub::GetCertificate, request));
  context.out() << RenderOne(response, context.format, "");
  return absl::OkStatus();
}

// UM-44, steps 3 and 4: the request goes in, the certificate is saved.
absl::Status Issue(CliContext& context, const CertsOptions& options) {
  SP_RETURN_IF_ERROR(context.Clients().status());
  pb::IssueCertificateRequest request;
  SP_ASSIGN_OR_RETURN(*request.mutable_parent(), context.TenantName());
  SP_ASSIGN_OR_RETURN(*request.mutable_csr(),
                      ReadWholeFile(options.csr, kMaxFile));
  request.set_profile(
      options.profile == "server"   ? pb::CERTIFICATE_PROFILE_SERVER
      : options.profile == "client" ? pb::CERTIFICATE_PROFILE_CLIENT
                                    : pb::CERTIFICATE_PROFILE_SERVICE);
  for (const std::string& one : options.alt_names) {
    request.add_subject_alt_names(one);
  }
  request.set_validate_only(options.dry_run);
  SP_ASSIGN_OR_RETURN(
      const auto response,
      CallCapf<pb::Certificate>(context, &Stub::IssueCertificate, request));
  if (options.dry_run) {
    context.out() << "it would be issued\n";
    return absl::OkStatus();
  }
  const std::string pem = response.certificate_pem() + response.chain_pem();
  if (options.output.empty()) {
    context.out() << pem;
    return absl::OkStatus();
  }
  SP_RETURN_IF_ERROR(WriteOutput(options.output, pem));
  context.out() << response.name() << "\n";
  return absl::OkStatus();
}

absl::Status Revoke(CliContext& context, const CertsOptions& options) {
  pb::RevokeCertificateRequest request;
  SP_ASSIGN_OR_RETURN(*request.mutable_name(),
                      FullName(context, "certificates", options.name));
  pb::RevocationReason reason = pb::REVOCATION_REASON_UNSPECIFIED;
  std::string upper = absl::AsciiStrToUpper(options.reason);
  for (char& c : upper) {
    if (c == '-') c = '_';
  }
  if (!pb::RevocationReason_Parse("REVOCATION_REASON_" + upper, &reason)) {
    return MakeError(absl::StatusCode::kInvalidArgument, "REASON_INVALID",
                     "--reason is key-compromise, ca-compromise, "
                     "affiliation-changed, superseded or "
                     "cessation-of-operation");
  }
  request.set_reason(reason);
  request.set_validate_only(options.dry_run);
  SP_ASSIGN_OR_RETURN(
      const auto response,
      CallCapf<pb::Certificate>(context, &Stub::RevokeCertificate, request));
  context.out() << (options.dry_run ? "would be revoked: " : "revoked: ")
                << response.name() << "\n";
  return absl::OkStatus();
}

absl::Status Choice(CliContext& context, const CertsOptions& options) {
  SP_RETURN_IF_ERROR(context.Clients().status());
  pb::ExplainServerCertificateRequest request;
  SP_ASSIGN_OR_RETURN(*request.mutable_parent(), context.TenantName());
  request.set_service(options.service);
  request.set_fqdn(options.fqdn);
  SP_ASSIGN_OR_RETURN(const auto response,
                      CallCapf<pb::ServerCertificateChoice>(
                          context, &Stub::ExplainServerCertificate, request));
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(response, context.format, "");
    return absl::OkStatus();
  }
  Table table({"CHOSEN", "SUBJECT", "ISSUER", "EXPIRES", "SERIAL", "WHY"});
  for (const pb::CertificateCandidate& one : response.candidates()) {
    table.AddRow({one.chosen() ? "*" : "", one.certificate().subject(),
                  one.certificate().issuer(),
                  FieldText(one, "certificate.not_after_time"),
                  one.certificate().serial(), one.explanation()});
  }
  context.out() << table.ToString() << "renewal at "
                << FieldText(response, "renew_time")
                << (response.has_next_attempt_time()
                        ? absl::StrCat(", next attempt ",
                                       FieldText(response, "next_attempt_time"))
                        : "")
                << (response.self_signed_fallback()
                        ? "\nno other was valid: this one is self-signed, and "
                          "every peer must import it\n"
                        : "\n");
  return absl::OkStatus();
}

}  // namespace

void AddCertsCommand(CLI::App& app, CliContext& context) {
  CLI::App* const certs =
      app.add_subcommand("certs", "Certificates of our authority");
  certs->require_subcommand(0, 1);
  // Alone it is the list, as of any other kind.
  const auto list = std::make_shared<ListOptions>();
  AddListOptions(*certs, *list);
  certs->callback([&context, certs, list] {
    if (certs->get_subcommands().empty()) {
      context.result = ListAndPrint(context, *FindKind("certificate"), *list);
    }
  });
  const auto options = std::make_shared<CertsOptions>();
  const auto add = [&](CLI::App& parent, const char* name, const char* help,
                       absl::Status (*run)(CliContext&, const CertsOptions&)) {
    CLI::App* const command = parent.add_subcommand(name, help);
    command->callback(
        [&context, options, run] { context.result = run(context, *options); });
    return command;
  };
  add(*certs, "list", "Every certificate", List);
  add(*certs, "show", "One certificate", Show)
      ->add_option("name", options->name, "Serial, or full name")
      ->required();
  CLI::App* const issue =
      add(*certs, "issue", "Sign a certificate for a request", Issue);
  issue->add_option("csr", options->csr, "PKCS#10, PEM or DER")->required();
  issue->add_option("--profile", options->profile, "server, client or service")
      ->check(CLI::IsMember({"server", "client", "service"}));
  issue->add_option("--name", options->alt_names,
                    "DNS:..., URI:... or IP:...; else those of the request");
  issue->add_option("--to", options->output, "File to write");
  issue->add_flag("--dry-run", options->dry_run, "Only check");
  CLI::App* const choice = add(*certs, "choice",
                               "Which certificate a service shows, and why not "
                               "the others",
                               Choice);
  choice->add_option("service", options->service, "signaling_edge and so on")
      ->required();
  choice->add_option("host", options->fqdn, "Name that it serves")->required();
  CLI::App* const revoke =
      add(app, "revoke", "Revoke a certificate everywhere", Revoke);
  revoke->add_option("name", options->name, "Serial, or full name")->required();
  revoke->add_option("--reason", options->reason, "key-compromise and so on");
  revoke->add_flag("--dry-run", options->dry_run, "Only check");
}

}  // namespace sallyport::cli
