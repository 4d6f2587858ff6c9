#include "tools/cli/trust_cmd.h"

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "CLI/Option.hpp"
#include "CLI/Validators.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/empty.pb.h"
#include "sallyport/capf/v1/trust_store.pb.h"
#include "sallyport/dialplan/v1/peer.pb.h"
#include "services/capf/core/service_trust.h"
#include "services/capf/core/trust_store.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/capf_call.h"
#include "tools/cli/field_text.h"
#include "tools/cli/list_cmd.h"
#include "tools/cli/resource_calls.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/service_clients.h"
#include "tools/cli/table.h"
#include "tools/cli/tls_connection.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::capf::v1;
using Stub = pb::CapfService::Stub;

constexpr size_t kMaxFile = 256 * 1024;
constexpr int kRefused = 1;

struct TrustOptions {
  std::string store;
  std::string name;
  std::vector<std::string> files;
  std::string peer;
  std::string starttls;
  std::string confirm;
  bool yes = false;
  std::string subject;
  std::vector<std::string> contexts;
  std::string password_file;
  std::string format = "pem";
  std::string output;
  bool chain = false;
  bool force = false;
  bool dry_run = false;
  std::string purpose;
  std::string expected_name;
  std::string time;
  std::string vendor;
  std::string model;
  std::vector<std::string> lists;
  bool strict = false;
};

absl::StatusOr<std::string> StoreName(CliContext& context,
                                      const std::string& store) {
  return FullName(context, "trustStores", store);
}

std::string Short(const std::string& name) {
  return name.substr(name.rfind('/') + 1);
}

absl::Status Stores(CliContext& context, const TrustOptions&) {
  SP_RETURN_IF_ERROR(context.Clients().status());
  pb::ListTrustStoresRequest request;
  SP_ASSIGN_OR_RETURN(*request.mutable_parent(), context.TenantName());
  request.set_page_size(1000);
  SP_ASSIGN_OR_RETURN(const auto response,
                      CallCapf<pb::ListTrustStoresResponse>(
                          context, &Stub::ListTrustStores, request));
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(response, context.format, "");
    return absl::OkStatus();
  }
  Table table({"STORE", "CERTIFICATES", "USED BY", "FOR"});
  for (const pb::TrustStore& store : response.trust_stores()) {
    table.AddRow({Short(store.name()), absl::StrCat(store.certificate_count()),
                  absl::StrJoin(store.used_by(), ", "), store.purpose()});
  }
  context.out() << table.ToString();
  return absl::OkStatus();
}

absl::Status List(CliContext& context, const TrustOptions& options) {
  pb::ListTrustedCertificatesRequest request;
  SP_ASSIGN_OR_RETURN(*request.mutable_parent(),
                      StoreName(context, options.store));
  request.set_page_size(1000);
  SP_ASSIGN_OR_RETURN(const auto response,
                      CallCapf<pb::ListTrustedCertificatesResponse>(
                          context, &Stub::ListTrustedCertificates, request));
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(response, context.format, "");
    return absl::OkStatus();
  }
  Table table({"SHA-256", "SUBJECT", "ISSUER", "EXPIRES", "FROM"});
  for (const pb::TrustedCertificate& one : response.trusted_certificates()) {
    table.AddRow({Short(one.name()), one.summary().subject(),
                  one.summary().issuer(),
                  FieldText(one, "summary.not_after_time"), one.origin()});
  }
  context.out() << table.ToString();
  return absl::OkStatus();
}

// What is in a store of the tenant. Asked once for each.
class StoreContents {
 public:
  explicit StoreContents(CliContext& context) : context_(context) {}

  absl::StatusOr<const pb::ListTrustedCertificatesResponse*> Of(
      const std::string& store) {
    auto& known = known_[store];
    if (known == nullptr) {
      pb::ListTrustedCertificatesRequest request;
      SP_ASSIGN_OR_RETURN(*request.mutable_parent(),
                          StoreName(context_, store));
      request.set_page_size(1000);
      SP_ASSIGN_OR_RETURN(
          auto page, CallCapf<pb::ListTrustedCertificatesResponse>(
                         context_, &Stub::ListTrustedCertificates, request));
      known = std::make_unique<pb::ListTrustedCertificatesResponse>(
          std::move(page));
    }
    return known.get();
  }

 private:
  CliContext& context_;
  std::map<std::string, std::unique_ptr<pb::ListTrustedCertificatesResponse>>
      known_;
};

// IMP-19: the documents' tables over what the stores hold now. Of several
// certificates the one that is good for longest is in use.
absl::Status Services(CliContext& context, const TrustOptions&) {
  SP_RETURN_IF_ERROR(context.Clients().status());
  StoreContents contents(context);
  Table table({"SERVICE", "CERTIFICATE", "IN USE", "EXPIRES", "TRUST STORE",
               "TRUSTED"});
  for (const capf::ServiceTrust& one : capf::ServiceTrusts()) {
    std::string subject = "(none)";
    std::string expires;
    std::string trusted;
    if (!one.certificate.empty()) {
      SP_ASSIGN_OR_RETURN(const auto* const own,
                          contents.Of(std::string(one.certificate)));
      int64_t until = 0;
      for (const pb::TrustedCertificate& each : own->trusted_certificates()) {
        if (each.summary().not_after_time().seconds() <= until) continue;
        until = each.summary().not_after_time().seconds();
        subject = each.summary().subject();
        expires = FieldText(each, "summary.not_after_time");
      }
    }
    if (!one.trust_store.empty()) {
      SP_ASSIGN_OR_RETURN(const auto* const others,
                          contents.Of(std::string(one.trust_store)));
      trusted = absl::StrCat(others->trusted_certificates_size());
    }
    table.AddRow({std::string(one.service), std::string(one.certificate),
                  one.certificate.empty() ? "" : subject, expires,
                  std::string(one.trust_store), trusted});
  }
  context.out() << table.ToString();
  return absl::OkStatus();
}

// IMP-36: the subjects that imports have brought, and which peers of the plan
// were selected for them: those that name this store and this subject.
absl::Status Subjects(CliContext& context, const TrustOptions& options) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.TenantName());
  StoreContents contents(context);
  SP_ASSIGN_OR_RETURN(const auto* const trusted, contents.Of(options.store));
  SP_ASSIGN_OR_RETURN(const Endpoint dialplan, clients->First("dialplan"));
  SP_ASSIGN_OR_RETURN(
      const ResourceList found,
      ListResources(dialplan, *FindKind("peer"), tenant, "", 0));
  std::multimap<std::string, std::string> peers;  // by subject
  for (const auto& one : found) {
    const auto& peer = dynamic_cast<const dialplan::v1::Peer&>(*one);
    const std::string& store = peer.trust_store();
    if ((store.empty() ? std::string(capf::kCallManagerTrust) : store) !=
        options.store) {
      continue;
    }
    for (const std::string& subject : peer.x509_subject_names()) {
      peers.emplace(absl::AsciiStrToLower(subject), Short(peer.name()));
    }
    if (peer.x509_subject_names().empty()) {
      peers.emplace(absl::AsciiStrToLower(peer.fqdn()), Short(peer.name()));
    }
  }
  Table table({"TLS PEER SUBJECT", "FROM", "SELECTED BY"});
  bool all = true;
  std::set<std::string> imported;
  for (const pb::TrustedCertificate& one : trusted->trusted_certificates()) {
    const std::string subject = absl::AsciiStrToLower(one.tls_peer_subject());
    imported.insert(subject);
    std::vector<std::string> selected;
    const auto [begin, end] = peers.equal_range(subject);
    for (auto it = begin; it != end; ++it) selected.push_back(it->second);
    // An authority is nobody's subject.
    const auto parsed = capf::ReadCertificates(one.certificate());
    const auto info = parsed.ok() ? ParseCertificate(AsBytes(parsed->front()))
                                  : parsed.status();
    const bool authority = info.ok() && info->is_ca;
    all = all && (!selected.empty() || authority);
    table.AddRow({one.tls_peer_subject(), one.origin(),
                  !selected.empty() ? absl::StrJoin(selected, ", ")
                  : authority       ? "(an authority)"
                                    : "nobody"});
  }
  for (const auto& [subject, peer] : peers) {
    if (!imported.contains(subject)) table.AddRow({subject, "the plan", peer});
  }
  context.out() << (table.rows() == 0 ? "no subject is known\n"
                                      : table.ToString());
  if (!all) {
    context.out() << "\nWhom nobody selected is refused: give its subject to a "
                     "peer of trust_store "
                  << options.store << " (x509_subject_names).\n";
    context.exit_code = kRefused;
  }
  return absl::OkStatus();
}

absl::Status Add(CliContext& context, const TrustOptions& options) {
  pb::CreateTrustedCertificateRequest request;
  SP_ASSIGN_OR_RETURN(*request.mutable_parent(),
                      StoreName(context, options.store));
  SP_ASSIGN_OR_RETURN(const std::string content,
                      ReadWholeFile(options.files.at(0), kMaxFile));
  pb::TrustedCertificate& certificate = *request.mutable_trusted_certificate();
  certificate.set_certificate(content);
  certificate.set_tls_peer_subject(options.subject);
  for (const std::string& one : options.contexts) {
    certificate.add_tls_contexts(one);
  }
  if (!options.password_file.empty()) {
    SP_ASSIGN_OR_RETURN(std::string password,
                        ReadWholeFile(options.password_file, kMaxFile));
    password.resize(std::min(password.find('\n'), password.size()));
    request.set_password(password);
  }
  request.set_validate_only(options.dry_run);
  // UM-47: what is there already is told.
  pb::ListTrustedCertificatesRequest list;
  list.set_parent(request.parent());
  list.set_page_size(1000);
  SP_ASSIGN_OR_RETURN(const auto before,
                      CallCapf<pb::ListTrustedCertificatesResponse>(
                          context, &Stub::ListTrustedCertificates, list));
  SP_ASSIGN_OR_RETURN(const auto added,
                      CallCapf<pb::TrustedCertificate>(
                          context, &Stub::CreateTrustedCertificate, request));
  bool known = false;
  for (const pb::TrustedCertificate& one : before.trusted_certificates()) {
    known = known || one.name() == added.name();
  }
  context.out() << (known             ? "already trusted: "
                    : options.dry_run ? "would be trusted: "
                                      : "trusted: ")
                << Printable(added.summary().subject()) << "\n"
                << added.name() << "\n";
  return absl::OkStatus();
}

void PrintReport(CliContext& context,
                 const pb::ImportPeerCertificateResponse& response) {
  for (const pb::ImportStep& step : response.steps()) {
    context.out() << (step.succeeded() ? "ok      " : "FAILED  ") << step.step()
                  << ": " << Printable(step.detail()) << "\n";
  }
  for (const auto& one : response.chain()) {
    context.out() << "  " << Printable(one.subject()) << "\n    issuer  "
                  << Printable(one.issuer()) << "\n    SHA-1   "
                  << one.sha1_thumbprint() << "\n    SHA-256 "
                  << one.sha256_thumbprint() << "\n";
  }
}

// IMP-26 to IMP-29: first what is there, and trust only on confirmation.
absl::Status Import(CliContext& context, const TrustOptions& options) {
  pb::ImportPeerCertificateRequest request;
  SP_ASSIGN_OR_RETURN(*request.mutable_parent(),
                      StoreName(context, options.store));
  SP_ASSIGN_OR_RETURN(const auto address, SplitHostPort(options.peer));
  request.set_host(address.first);
  request.set_port(static_cast<uint32_t>(std::atoi(address.second.c_str())));
  request.set_starttls(options.starttls);
  request.set_tls_peer_subject(options.subject);
  for (const std::string& one : options.contexts) request.add_tls_contexts(one);
  request.set_confirm_sha256(options.confirm);
  SP_ASSIGN_OR_RETURN(auto response,
                      CallCapf<pb::ImportPeerCertificateResponse>(
                          context, &Stub::ImportPeerCertificate, request));
  PrintReport(context, response);
  if (response.chain().empty()) {
    context.exit_code = kRefused;
    return absl::OkStatus();
  }
  if (options.confirm.empty()) {
    // The topmost that was sent: trust in it covers a renewed leaf too.
    const std::string sha256 =
        response.chain(response.chain_size() - 1).sha256_thumbprint();
    bool yes = options.yes;
    if (!yes) {
      context.out() << "trust " << sha256 << "? (yes/no) " << std::flush;
      std::string line;
      std::getline(std::cin, line);
      yes = line == "yes";
    }
    if (!yes) {
      context.out() << "nothing was trusted; --confirm=SHA-256 does\n";
      return absl::OkStatus();
    }
    request.set_confirm_sha256(sha256);
    SP_ASSIGN_OR_RETURN(response,
                        CallCapf<pb::ImportPeerCertificateResponse>(
                            context, &Stub::ImportPeerCertificate, request));
  }
  context.out() << "trusted: " << response.trusted_certificate().name() << "\n";
  return absl::OkStatus();
}

absl::Status Export(CliContext& context, const TrustOptions& options) {
  static const auto* const formats =
      new std::map<std::string, pb::ExportFormat>{
          {"pem", pb::EXPORT_FORMAT_PEM},
          {"der", pb::EXPORT_FORMAT_DER},
          {"hash", pb::EXPORT_FORMAT_HASHED_PEM},
          {"p7b", pb::EXPORT_FORMAT_PKCS7}};
  pb::ExportCertificateRequest request;
  request.set_name(options.name);
  request.set_format(formats->at(options.format));
  request.set_include_chain(options.chain);
  SP_ASSIGN_OR_RETURN(const auto response,
                      CallCapf<pb::ExportCertificateResponse>(
                          context, &Stub::ExportCertificate, request));
  if (options.output.empty()) {
    context.out() << response.content();
    return absl::OkStatus();
  }
  const std::string path =
      absl::StrCat(options.output, "/", Short(response.file_name()));
  SP_RETURN_IF_ERROR(WriteOutput(path, response.content()));
  context.out() << path << "\n";
  return absl::OkStatus();
}

absl::Status Remove(CliContext& context, const TrustOptions& options) {
  pb::DeleteTrustedCertificateRequest request;
  request.set_name(options.name);
  request.set_force(options.force);
  request.set_validate_only(options.dry_run);
  return CallCapf<google::protobuf::Empty>(
             context, &Stub::DeleteTrustedCertificate, request)
      .status();
}

// Which peers lose trust if it goes.
absl::Status Dependents(CliContext& context, const TrustOptions& options) {
  pb::GetTrustedCertificateRequest request;
  request.set_name(options.name);
  SP_ASSIGN_OR_RETURN(const auto response,
                      CallCapf<pb::TrustedCertificate>(
                          context, &Stub::GetTrustedCertificate, request));
  if (response.dependent_peers().empty()) {
    context.out() << "no known peer would lose trust\n";
  }
  for (const std::string& peer : response.dependent_peers()) {
    context.out() << peer << "\n";
  }
  return absl::OkStatus();
}

absl::Status Verify(CliContext& context, const TrustOptions& options) {
  pb::VerifyCertificateRequest request;
  SP_ASSIGN_OR_RETURN(*request.mutable_trust_store(),
                      StoreName(context, options.store));
  for (const std::string& file : options.files) {
    SP_ASSIGN_OR_RETURN(const std::string content,
                        ReadWholeFile(file, kMaxFile));
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> certificates,
                        capf::ReadCertificates(content));
    for (const std::string& der : certificates) request.add_chain(der);
  }
  for (const std::string& file : options.lists) {
    SP_ASSIGN_OR_RETURN(*request.add_revocation_lists(),
                        ReadWholeFile(file, 32 << 20));
  }
  request.set_purpose(options.purpose);
  request.set_expected_name(options.expected_name);
  request.set_vendor(options.vendor);
  request.set_model(options.model);
  request.set_strict_form(options.strict);
  if (!options.time.empty()) {
    absl::Time time;
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, options.time, &time, &error)) {
      return MakeError(absl::StatusCode::kInvalidArgument, "TIME_INVALID",
                       "--time is like 2026-11-22T00:00:00Z");
    }
    *request.mutable_verify_time() = ToProto(time);
  }
  SP_ASSIGN_OR_RETURN(const auto response,
                      CallCapf<pb::VerifyCertificateResponse>(
                          context, &Stub::VerifyCertificate, request));
  if (!response.accepted()) context.exit_code = kRefused;
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(response, context.format, "");
    return absl::OkStatus();
  }
  context.out() << (response.accepted()
                        ? "accepted\n"
                        : absl::StrCat("refused: ", response.reason(), "\n"))
                << Printable(response.explanation()) << "\n";
  for (int i = 0; i < response.path_size(); ++i) {
    const auto& one = response.path(i);
    const bool fault = !response.accepted() && i == response.fault_index();
    context.out() << (fault ? " > " : "   ") << Printable(one.subject())
                  << "\n     until " << FieldText(one, "not_after_time")
                  << ", SHA-256 " << one.sha256_thumbprint() << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddTrustCommand(CLI::App& app, CliContext& context) {
  CLI::App* const trust = app.add_subcommand(
      "trust",
      "Trust stores: what is in them, who depends on it, and whether "
      "a chain would be accepted");
  trust->require_subcommand(0, 1);
  // Alone it is the list, as of any other kind.
  const auto list = std::make_shared<ListOptions>();
  AddListOptions(*trust, *list);
  trust->callback([&context, trust, list] {
    if (trust->get_subcommands().empty()) {
      context.result = ListAndPrint(context, *FindKind("truststore"), *list);
    }
  });
  const auto options = std::make_shared<TrustOptions>();
  const auto add = [&](const char* name, const char* help,
                       absl::Status (*run)(CliContext&, const TrustOptions&)) {
    CLI::App* const command = trust->add_subcommand(name, help);
    command->callback(
        [&context, options, run] { context.result = run(context, *options); });
    return command;
  };
  const auto store = [&](CLI::App* command) {
    command->add_option("store", options->store, "CallManager-trust and so on")
        ->required();
  };
  const auto name = [&](CLI::App* command) {
    command->add_option("name", options->name, "Full name of the certificate")
        ->required();
  };
  const auto contexts = [&](CLI::App* command) {
    command->add_option("--tls-peer-subject", options->subject,
                        "TLS peer subject to keep with it");
    command->add_option("--tls-context", options->contexts,
                        "TLS contexts it belongs to");
  };
  add("stores", "Every store and who uses it", Stores);
  add("services",
      "Which certificate and trust store each service uses, and until when",
      Services);
  store(add("list", "What a store holds", List));
  store(add("subjects",
            "TLS peer subjects of a store, and the peers that were selected "
            "for them; exit code 1 if one has none",
            Subjects));
  CLI::App* const put =
      add("add", "Trust a file: PEM, DER, PKCS#7 or PKCS#12", Add);
  store(put);
  put->add_option("file", options->files, "The file")->required()->expected(1);
  put->add_option("--password-file", options->password_file,
                  "Of a PKCS#12 file: the password is its first line");
  put->add_flag("--dry-run", options->dry_run, "Only check");
  contexts(put);
  CLI::App* const import =
      add("import", "Look at a peer's certificate, and trust it if confirmed",
          Import);
  store(import);
  import->add_option("peer", options->peer, "HOST:PORT")->required();
  import
      ->add_option("--starttls", options->starttls,
                   "smtp, xmpp, ldap, imap or ftp")
      ->check(CLI::IsMember({"smtp", "xmpp", "ldap", "imap", "ftp"}));
  import->add_option("--confirm", options->confirm,
                     "SHA-256 of the certificate to trust");
  import->add_flag("--yes", options->yes, "Trust what is found, unseen");
  contexts(import);
  CLI::App* const get = add("export", "A certificate as a file", Export);
  name(get);
  get->add_option("--format", options->format, "pem, der, hash or p7b")
      ->check(CLI::IsMember({"pem", "der", "hash", "p7b"}));
  get->add_option("--to", options->output,
                  "Folder; the file's name is told. Else to the output");
  get->add_flag("--chain", options->chain, "With its issuers");
  CLI::App* const remove =
      add("remove", "Trust a certificate no longer", Remove);
  name(remove);
  remove->add_flag("--force", options->force, "Although peers lose trust");
  remove->add_flag("--dry-run", options->dry_run, "Only check");
  name(add("dependents", "Which peers lose trust if a certificate goes",
           Dependents));
  CLI::App* const verify =
      add("verify",
          "Whether a chain would be accepted, and why not; exit code 1 "
          "if not",
          Verify);
  store(verify);
  verify->add_option("files", options->files, "The leaf, then the others")
      ->required();
  verify->add_option("--purpose", options->purpose,
                     "serverAuth, clientAuth or sipDomain; else both");
  verify->add_option("--name", options->expected_name, "Host it must name");
  verify->add_option("--time", options->time, "When; else now");
  verify->add_option("--vendor", options->vendor, "Of the peer, for its rules");
  verify->add_option("--model", options->model, "Of the peer");
  verify->add_option("--crl", options->lists, "Revocation lists, DER");
  verify->add_flag("--strict", options->strict,
                   "Also what RFC 5280 asks of those who issue");
}

}  // namespace sallyport::cli
