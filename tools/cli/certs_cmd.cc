#include "tools/cli/certs_cmd.h"

#include <map>
#include <memory>
#include <string>

#include "CLI/Option.hpp"
#include "CLI/Validators.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/empty.pb.h"
#include "sallyport/capf/v1/certificate.pb.h"
#include "sallyport/capf/v1/certificate_authority.pb.h"
#include "sallyport/capf/v1/server_certificate.pb.h"
#include "sallyport/capf/v1/service_certificate.pb.h"
#include "sallyport/signaling_edge/v1/edge_status.pb.h"
#include "sallyport/type/v1/key_type.pb.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/capf_call.h"
#include "tools/cli/field_text.h"
#include "tools/cli/list_cmd.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/service_clients.h"
#include "tools/cli/service_status.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::capf::v1;
namespace edge_pb = ::sallyport::signaling_edge::v1;
using Stub = pb::CapfService::Stub;

constexpr size_t kMaxFile = 64 * 1024;

struct CertsOptions {
  std::string name;
  std::string csr;
  std::string profile = "server";
  std::vector<std::string> alt_names;
  std::string output;
  std::string authority;
  std::string request_id;
  std::string reason = "unspecified";
  std::string service;
  std::string fqdn;
  std::string common_name;
  std::string organization;
  std::string of_tenant;
  std::vector<std::string> models;
  int rsa_bits = 0;
  std::string upstream;
  bool dry_run = false;
  bool delta = false;
};

std::string AuthorityName(const std::string& id) {
  return id.find('/') == std::string::npos ? "certificateAuthorities/" + id
                                           : id;
}

absl::StatusOr<pb::CertificateAuthority> GetAuthority(
    CliContext& context, const CertsOptions& options) {
  pb::GetCertificateAuthorityRequest request;
  request.set_name(
      AuthorityName(options.authority.empty() ? "default" : options.authority));
  return CallCapf<pb::CertificateAuthority>(
      context, &Stub::GetCertificateAuthority, request);
}

// Whom it certifies when none is named.
std::string WhomFor(const pb::CertificateAuthority& authority) {
  std::string out =
      authority.tenant().empty() ? "everybody" : authority.tenant();
  if (authority.phone_models().empty()) return out;
  return absl::StrCat(out, ": ", absl::StrJoin(authority.phone_models(), " "));
}

absl::Status PrintAuthority(CliContext& context,
                            const pb::CertificateAuthority& authority) {
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(authority, context.format, "");
    return absl::OkStatus();
  }
  Table table({"AUTHORITY", ""});
  table.AddRow({"name", authority.name()});
  table.AddRow({"subject", authority.summary().subject()});
  table.AddRow({"issuer", authority.summary().issuer()});
  table.AddRow({"key", FieldText(authority, "key_type")});
  table.AddRow({"serial", authority.summary().serial()});
  table.AddRow({"expires", FieldText(authority, "summary.not_after_time")});
  table.AddRow({"SHA-1", authority.summary().sha1_thumbprint()});
  table.AddRow({"SHA-256", authority.summary().sha256_thumbprint()});
  if (!authority.upstream_url().empty()) {
    table.AddRow({"above", authority.upstream_url()});
    table.AddRow({"last answer", authority.upstream_status()});
    table.AddRow({"next attempt", FieldText(authority, "next_attempt_time")});
  }
  context.out() << table.ToString();
  return absl::OkStatus();
}

absl::Status Authority(CliContext& context, const CertsOptions& options) {
  SP_ASSIGN_OR_RETURN(const auto authority, GetAuthority(context, options));
  return PrintAuthority(context, authority);
}

// One more: a tenant's own, or for phones that need another kind of key.
absl::Status CreateAuthority(CliContext& context, const CertsOptions& options) {
  SP_RETURN_IF_ERROR(context.Clients().status());
  pb::CreateCertificateAuthorityRequest request;
  request.set_certificate_authority_id(options.name);
  request.set_validate_only(options.dry_run);
  pb::CertificateAuthority& in = *request.mutable_certificate_authority();
  in.set_mode(options.upstream.empty() ? pb::AUTHORITY_MODE_OWN
                                       : pb::AUTHORITY_MODE_ONLINE);
  in.set_upstream_url(options.upstream);
  in.set_common_name(options.common_name);
  in.set_organization(options.organization);
  if (!options.of_tenant.empty()) in.set_tenant("tenants/" + options.of_tenant);
  for (const std::string& model : options.models) in.add_phone_models(model);
  in.set_key_type(options.rsa_bits == 2048   ? type::v1::KEY_TYPE_RSA_2048
                  : options.rsa_bits == 3072 ? type::v1::KEY_TYPE_RSA_3072
                  : options.rsa_bits == 4096 ? type::v1::KEY_TYPE_RSA_4096
                                             : type::v1::KEY_TYPE_EC_P256);
  SP_ASSIGN_OR_RETURN(const auto response,
                      CallCapf<pb::CertificateAuthority>(
                          context, &Stub::CreateCertificateAuthority, request));
  if (!options.dry_run) return PrintAuthority(context, response);
  context.out() << "it would be made\n";
  return absl::OkStatus();
}

absl::Status SetDisabled(CliContext& context, const CertsOptions& options,
                         bool disabled) {
  SP_RETURN_IF_ERROR(context.Clients().status());
  pb::UpdateCertificateAuthorityRequest request;
  pb::CertificateAuthority& wanted = *request.mutable_certificate_authority();
  wanted.set_name(AuthorityName(options.name));
  wanted.set_disabled(disabled);
  request.mutable_update_mask()->add_paths("disabled");
  request.set_validate_only(options.dry_run);
  SP_RETURN_IF_ERROR(CallCapf<pb::CertificateAuthority>(
                         context, &Stub::UpdateCertificateAuthority, request)
                         .status());
  context.out() << wanted.name()
                << (options.dry_run ? " would issue" : " issues")
                << (disabled ? " nothing any more; what it has issued stays "
                               "good\n"
                             : " again\n");
  return absl::OkStatus();
}

absl::Status DisableAuthority(CliContext& context,
                              const CertsOptions& options) {
  return SetDisabled(context, options, true);
}

absl::Status EnableAuthority(CliContext& context, const CertsOptions& options) {
  return SetDisabled(context, options, false);
}

absl::Status DeleteAuthority(CliContext& context, const CertsOptions& options) {
  SP_RETURN_IF_ERROR(context.Clients().status());
  pb::DeleteCertificateAuthorityRequest request;
  request.set_name(AuthorityName(options.name));
  request.set_validate_only(options.dry_run);
  SP_RETURN_IF_ERROR(CallCapf<google::protobuf::Empty>(
                         context, &Stub::DeleteCertificateAuthority, request)
                         .status());
  context.out() << request.name()
                << (options.dry_run ? " could be deleted\n" : " is deleted\n");
  return absl::OkStatus();
}

// Every authority with each of its keys.
absl::Status Authorities(CliContext& context, const CertsOptions&) {
  SP_RETURN_IF_ERROR(context.Clients().status());
  pb::ListCertificateAuthoritiesRequest request;
  request.set_page_size(1000);
  SP_ASSIGN_OR_RETURN(const auto page,
                      CallCapf<pb::ListCertificateAuthoritiesResponse>(
                          context, &Stub::ListCertificateAuthorities, request));
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(page, context.format, "");
    return absl::OkStatus();
  }
  Table table({"AUTHORITY", "FOR", "KEY", "STATE", "SUBJECT", "EXPIRES",
               "KEPT IN", "PHONES", "OTHERS"});
  for (const pb::CertificateAuthority& one : page.certificate_authorities()) {
    for (const pb::AuthorityKey& key : one.keys()) {
      const bool certified = !key.summary().subject().empty();
      table.AddRow(
          {one.name().substr(one.name().rfind('/') + 1), WhomFor(one),
           absl::StrCat(key.generation(), " ",
                        certified ? FieldText(key, "summary.key_type") : ""),
           one.disabled() && key.state() == pb::AUTHORITY_KEY_STATE_ISSUING
               ? "DISABLED"
               : FieldText(key, "state"),
           certified ? key.summary().subject() : "(awaits its certificate)",
           certified ? FieldText(key, "summary.not_after_time") : "",
           key.kept_in(), absl::StrCat(key.live_phone_certificates()),
           absl::StrCat(key.live_other_certificates())});
    }
  }
  context.out() << table.ToString();
  return absl::OkStatus();
}

// What another authority is to sign, by hand.
absl::Status Request(CliContext& context, const CertsOptions& options) {
  SP_ASSIGN_OR_RETURN(const auto authority, GetAuthority(context, options));
  if (options.output.empty()) {
    context.out() << authority.csr_pem();
    return absl::OkStatus();
  }
  return WriteOutput(options.output, authority.csr_pem());
}

// What it has revoked, DER as others fetch it.
absl::Status OwnList(CliContext& context, const CertsOptions& options) {
  SP_RETURN_IF_ERROR(context.Clients().status());
  pb::GetRevocationListRequest request;
  request.set_name(
      AuthorityName(options.authority.empty() ? "default" : options.authority));
  request.set_delta(options.delta);
  SP_ASSIGN_OR_RETURN(
      const auto list,
      CallCapf<pb::RevocationList>(context, &Stub::GetRevocationList, request));
  SP_RETURN_IF_ERROR(WriteOutput(options.output, list.crl()));
  context.out() << list.revoked_count() << " entries"
                << (options.delta
                        ? absl::StrCat(" since list ", list.base_number())
                        : std::string())
                << ", until " << FieldText(list, "next_update_time") << "\n";
  return absl::OkStatus();
}

// What it has signed.
absl::Status Import(CliContext& context, const CertsOptions& options) {
  SP_RETURN_IF_ERROR(context.Clients().status());
  pb::UpdateCertificateAuthorityRequest request;
  pb::CertificateAuthority& authority =
      *request.mutable_certificate_authority();
  authority.set_name(
      AuthorityName(options.authority.empty() ? "default" : options.authority));
  SP_ASSIGN_OR_RETURN(*authority.mutable_certificate_pem(),
                      ReadWholeFile(options.csr, kMaxFile));
  request.mutable_update_mask()->add_paths("certificate_pem");
  request.set_validate_only(options.dry_run);
  SP_ASSIGN_OR_RETURN(const auto response,
                      CallCapf<pb::CertificateAuthority>(
                          context, &Stub::UpdateCertificateAuthority, request));
  if (!options.dry_run) return PrintAuthority(context, response);
  context.out() << "it would be taken\n";
  return absl::OkStatus();
}

// Revocation lists of other authorities.
absl::Status RevocationLists(CliContext& context, const CertsOptions&) {
  SP_ASSIGN_OR_RETURN(const auto status,
                      CallCapf<pb::CapfStatus>(context, &Stub::GetStatus,
                                               pb::GetStatusRequest()));
  Table table({"URL", "STATE", "IN FORCE UNTIL", "ENTRIES", "TOLD", "WHY NOT",
               "NEXT ATTEMPT"});
  if (context.format != OutputFormat::kTable) {
    pb::CapfStatus lists;
    *lists.mutable_revocation_sources() = status.revocation_sources();
    context.out() << RenderOne(lists, context.format, "");
    return absl::OkStatus();
  }
  for (const pb::RevocationSource& one : status.revocation_sources()) {
    table.AddRow({one.url(),
                  !one.reason().empty()         ? one.reason()
                  : one.has_last_attempt_time() ? "OK"
                                                : "not asked yet",
                  one.held() ? FieldText(one, "next_update_time") : "none held",
                  absl::StrCat(one.entry_count()),
                  absl::StrCat(one.told_count()), one.told_reason(),
                  FieldText(one, "next_attempt_time")});
  }
  context.out() << (status.revocation_sources().empty()
                        ? "no list of another authority is fetched\n"
                        : table.ToString());
  return absl::OkStatus();
}

// What the services show to each other and to peers, and when it is renewed.
absl::Status Services(CliContext& context, const CertsOptions&) {
  pb::ListServiceCertificatesResponse response;
  pb::ListServiceCertificatesRequest request;
  do {
    SP_ASSIGN_OR_RETURN(const auto page,
                        CallCapf<pb::ListServiceCertificatesResponse>(
                            context, &Stub::ListServiceCertificates, request));
    response.mutable_service_certificates()->MergeFrom(
        page.service_certificates());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(response, context.format, "");
    return absl::OkStatus();
  }
  if (response.service_certificates().empty()) {
    context.out() << "no service reports its certificates: none has "
                     "server.certificate_renewal in its configuration\n";
    return absl::OkStatus();
  }
  Table table({"SERVICE", "INSTANCE", "USE", "SERIAL", "ISSUER", "EXPIRES",
               "NEXT ATTEMPT", "FAILURES", "LAST FAILURE"});
  for (const pb::ServiceCertificate& one : response.service_certificates()) {
    table.AddRow({one.service(), one.instance(), one.use(),
                  one.certificate().serial(), one.certificate().issuer(),
                  FieldText(one, "certificate.not_after_time"),
                  one.has_next_attempt_time()
                      ? FieldText(one, "next_attempt_time")
                      : "by others",
                  absl::StrCat(one.failure_count()), one.last_reason()});
  }
  context.out() << table.ToString();
  return absl::OkStatus();
}

absl::Status Show(CliContext& context, const CertsOptions& options) {
  pb::GetCertificateRequest request;
  SP_ASSIGN_OR_RETURN(*request.mutable_name(),
                      FullName(context, "certificates", options.name));
  SP_ASSIGN_OR_RETURN(
      auto response,
      CallCapf<pb::Certificate>(context, &Stub::GetCertificate, request));
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(response, context.format, "");
    return absl::OkStatus();
  }
  // On lines of their own, to be copied from there.
  const std::string pem = response.certificate_pem() + response.chain_pem();
  response.clear_certificate_pem();
  response.clear_chain_pem();
  context.out() << RenderOne(response, context.format, "");
  for (const auto& line : absl::StrSplit(pem, '\n', absl::SkipEmpty())) {
    context.out() << Printable(std::string(line)) << "\n";
  }
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
  request.set_request_id(options.request_id);
  if (!options.authority.empty()) {
    request.set_certificate_authority(AuthorityName(options.authority));
  }
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

// What each edge shows to SIP peers, and since when (UM-56, UM-113).
absl::Status InUse(CliContext& context, const CertsOptions& options) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const std::vector<Endpoint> edges,
                      clients->All("signaling_edge"));
  Table table({"EDGE", "SUBJECT", "ISSUER", "SERIAL", "SHA-1", "EXPIRES",
               "SELF-SIGNED", "IN USE SINCE"});
  std::string pem;
  for (const Endpoint& endpoint : edges) {
    SP_ASSIGN_OR_RETURN(const auto answer, GetServiceStatus(endpoint));
    edge_pb::EdgeStatus status;
    status.CopyFrom(*answer);
    if (!options.service.empty() &&
        status.info().instance() != options.service) {
      continue;
    }
    const auto& certificate = status.sip_certificate();
    table.AddRow({status.info().instance(), certificate.subject(),
                  certificate.issuer(), certificate.serial(),
                  certificate.sha1_thumbprint(),
                  FieldText(status, "sip_certificate.not_after_time"),
                  certificate.self_signed() ? "yes" : "no",
                  FieldText(status, "sip_certificate_time")});
    pem += status.sip_certificate_pem();
  }
  if (options.output.empty()) {
    context.out() << table.ToString();
    return absl::OkStatus();
  }
  if (pem.empty()) {
    return MakeError(absl::StatusCode::kNotFound, "CERTIFICATE_NOT_FOUND",
                     "no edge of this name shows a certificate");
  }
  SP_RETURN_IF_ERROR(WriteOutput(options.output, pem));
  context.out() << options.output << "\n";
  return absl::OkStatus();
}

// UM-39, UM-49: which kind of certificate for whom.
absl::Status Kinds(CliContext& context, const CertsOptions&) {
  Table table({"KIND", "SUITS", "COSTS"});
  table.AddRow({"self-signed",
                "a small organisation with few gateways: cheapest and simplest",
                "each peer imports each certificate; life cycle, renewal, "
                "trust and revocation are much harder to manage"});
  table.AddRow({"PKI",
                "whoever has an authority of its own, such as capf: renewal, "
                "trust and revocation are managed there",
                "each peer imports one root"});
  table.AddRow({"commercial",
                "large organisations and public deployments: peers mostly "
                "trust the root already",
                "each certificate is bought; small and medium organisations "
                "may prefer another kind"});
  context.out() << table.ToString();
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
  Table table({"CHOSEN", "KIND", "SUBJECT", "ISSUER", "EXPIRES", "SERIAL",
               "IN USE BY", "WHY"});
  for (const pb::CertificateCandidate& one : response.candidates()) {
    table.AddRow({one.chosen() ? "*" : "", one.kind(),
                  one.certificate().subject(), one.certificate().issuer(),
                  FieldText(one, "certificate.not_after_time"),
                  one.certificate().serial(),
                  absl::StrJoin(one.in_use_by(), ", "), one.explanation()});
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
  CLI::App* const all = certs->add_subcommand("list", "Every certificate");
  AddListOptions(*all, *list);
  all->callback([&context, list] {
    context.result = ListAndPrint(context, *FindKind("certificate"), *list);
  });
  CLI::App* const in_use =
      add(*certs, "in-use",
          "What edges show to gateways and PBXs, and since when", InUse);
  in_use->add_option("--edge", options->service, "One edge, by instance id");
  in_use->add_option("--to", options->output,
                     "Writes it as PEM, to be imported by peers");
  add(*certs, "kinds", "Which kind of certificate suits whom", Kinds);
  add(*certs, "services",
      "Certificates that services use, and when each is renewed", Services);
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
  issue->add_option("--authority", options->authority,
                    "Id of the one that issues it; upstream: the request is "
                    "passed on as it is");
  issue->add_option("--request-id", options->request_id,
                    "The same again gets the same answer");
  issue->add_flag("--dry-run", options->dry_run, "Only check");
  const auto of_authority = [&](CLI::App* command) {
    command->add_option("--authority", options->authority, "Its id");
    return command;
  };
  of_authority(add(*certs, "authority",
                   "Our authority, and how it stands with the one above",
                   Authority));
  CLI::App* const create = add(
      *certs, "create-authority",
      "One more: a tenant's own, or for phones that need RSA", CreateAuthority);
  create->add_option("id", options->name, "Its id")->required();
  create
      ->add_option("--common-name", options->common_name, "In its certificate")
      ->required();
  create->add_option("--organization", options->organization,
                     "In its certificate");
  create->add_option("--for", options->of_tenant,
                     "Certifies for this tenant only, which then has no other");
  create->add_option("--model", options->models,
                     "Phones of this model; may be said again");
  create->add_option("--upstream", options->upstream,
                     "asked for by EST there: https://host/.well-known/est/"
                     "label, on the server that capf is configured with");
  create->add_option("--rsa", options->rsa_bits, "RSA of so many bits")
      ->check(CLI::IsMember({2048, 3072, 4096}));
  create->add_flag("--dry-run", options->dry_run, "Only check");
  const auto on_authority = [&](const char* name, const char* what,
                                auto action) {
    CLI::App* const command = add(*certs, name, what, action);
    command->add_option("id", options->name, "Its id")->required();
    command->add_flag("--dry-run", options->dry_run, "Only check");
  };
  on_authority("disable-authority",
               "It issues nothing any more; what it has issued stays good",
               DisableAuthority);
  on_authority("enable-authority", "It issues again", EnableAuthority);
  on_authority("delete-authority",
               "It and its keys go, if nothing alive depends on it",
               DeleteAuthority);
  add(*certs, "authorities", "Every authority with each of its keys",
      Authorities);
  of_authority(add(*certs, "request",
                   "What another authority is to sign for ours, PKCS#10",
                   Request))
      ->add_option("--to", options->output, "File to write");
  CLI::App* const own_list =
      of_authority(add(*certs, "revocation-list",
                       "What our authority has revoked, as a CRL", OwnList));
  own_list->add_option("--to", options->output, "File to write, DER")
      ->required();
  own_list->add_flag("--delta", options->delta,
                     "Only what was revoked since the oldest list in force");
  CLI::App* const import = of_authority(add(
      *certs, "import", "What another authority has signed for ours", Import));
  import
      ->add_option("file", options->csr, "Certificate and those above it, PEM")
      ->required();
  import->add_flag("--dry-run", options->dry_run, "Only check");
  add(*certs, "revocation-lists",
      "Lists of other authorities, and when each is asked for again",
      RevocationLists);
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
