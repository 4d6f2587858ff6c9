#include "tools/cli/cluster_cmd.h"

#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "CLI/Option.hpp"
#include "CLI/Validators.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "sallyport/capf/v1/capf_status.pb.h"
#include "sallyport/capf/v1/phone_cluster.pb.h"
#include "sallyport/capf/v1/procedure.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/capf_call.h"
#include "tools/cli/cluster_text.h"
#include "tools/cli/field_text.h"
#include "tools/cli/render.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::capf::v1;
using Stub = pb::CapfService::Stub;

constexpr size_t kMaxFile = 64 * 1024;

struct ClusterOptions {
  std::vector<std::string> call_managers;
  std::vector<std::string> models;
  std::string host;
  std::string mode;
  std::string kind;
  std::string authority;
  std::string name;
  int sha512 = -1;  // as it is
  bool force = false;
  bool dry_run = false;
  bool yes = false;
  bool automatic = false;
};

const std::map<std::string, pb::ProcedureKind>& Kinds() {
  static const auto* const kinds = new std::map<std::string, pb::ProcedureKind>{
      {"rotate-signer", pb::PROCEDURE_KIND_SIGNER_ROTATION},
      {"rotate-authority", pb::PROCEDURE_KIND_AUTHORITY_ROTATION},
      {"mixed-mode", pb::PROCEDURE_KIND_ENABLE_MIXED_MODE},
      {"non-secure-mode", pb::PROCEDURE_KIND_DISABLE_MIXED_MODE},
      {"enable-fips", pb::PROCEDURE_KIND_ENABLE_FIPS_MODE},
      {"disable-fips", pb::PROCEDURE_KIND_DISABLE_FIPS_MODE}};
  return *kinds;
}

absl::StatusOr<std::string> ClusterName(CliContext& context) {
  SP_RETURN_IF_ERROR(context.Clients().status());
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.TenantName());
  return tenant + "/phoneCluster";
}

void Print(CliContext& context, const pb::PhoneCluster& cluster) {
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(cluster, context.format, "");
    return;
  }
  // CCE-25 tells the mode by its number.
  context.out() << "Cluster Security Mode: "
                << (cluster.cluster_mode() == "mixed" ? "1 (mixed)"
                                                      : "0 (non-secure)")
                << "\nin the dial plan: " << DialplanModeText(cluster) << "\n";
  if (!cluster.host().empty()) {
    context.out() << "host: " << cluster.host() << "\n";
  }
  context.out() << "files are signed with "
                << (cluster.sha512() ? "SHA-512"
                                     : "SHA-1, and with SHA-512 for")
                << (cluster.sha512()                  ? ""
                    : cluster.sha512_models().empty() ? " no model"
                                                      : "");
  for (const std::string& model : cluster.sha512_models()) {
    if (!cluster.sha512()) context.out() << " " << Printable(model);
  }
  context.out() << "\n\n";
  Table nodes(
      {"CALL MANAGER", "ADDRESS", "SIP", "SIPS", "CERTIFICATE", "EXPIRES"});
  for (const pb::PhoneClusterNode& node : cluster.call_managers()) {
    nodes.AddRow(
        {node.dns_name(), node.ip_address(), absl::StrCat(node.sip_port()),
         absl::StrCat(node.secured_sip_port()), node.certificate().subject(),
         FieldText(node, "certificate.not_after_time")});
  }
  Table signers({"SIGNER", "STATE", "SERIAL", "EXPIRES"});
  for (const pb::PhoneListSigner& signer : cluster.signers()) {
    signers.AddRow({signer.id(), signer.state(), signer.certificate().serial(),
                    FieldText(signer, "certificate.not_after_time")});
  }
  context.out() << nodes.ToString() << "\n" << signers.ToString();
}

absl::StatusOr<pb::PhoneCluster> Get(CliContext& context) {
  pb::GetPhoneClusterRequest request;
  SP_ASSIGN_OR_RETURN(*request.mutable_name(), ClusterName(context));
  return CallCapf<pb::PhoneCluster>(context, &Stub::GetPhoneCluster, request);
}

absl::Status Show(CliContext& context, const ClusterOptions&) {
  SP_ASSIGN_OR_RETURN(const pb::PhoneCluster cluster, Get(context));
  Print(context, cluster);
  return absl::OkStatus();
}

// "cm1.example.test=file.pem" or "cm1.example.test=file.pem,192.0.2.1".
absl::Status AddNode(const std::string& text, pb::PhoneCluster& cluster) {
  const size_t at = text.find('=');
  if (at == std::string::npos) {
    return MakeError(absl::StatusCode::kInvalidArgument, "NODE_INVALID",
                     "--call-manager is name=certificate.pem[,address]");
  }
  const std::vector<std::string> rest =
      absl::StrSplit(text.substr(at + 1), ',');
  pb::PhoneClusterNode& node = *cluster.add_call_managers();
  node.set_dns_name(text.substr(0, at));
  SP_ASSIGN_OR_RETURN(*node.mutable_certificate_pem(),
                      ReadWholeFile(rest[0], kMaxFile));
  if (rest.size() > 1) node.set_ip_address(rest[1]);
  return absl::OkStatus();
}

absl::Status Set(CliContext& context, const ClusterOptions& options) {
  pb::UpdatePhoneClusterRequest request;
  pb::PhoneCluster& cluster = *request.mutable_phone_cluster();
  absl::StatusOr<pb::PhoneCluster> kept = Get(context);
  if (kept.ok()) {
    cluster = *std::move(kept);
  } else if (ReasonOf(kept.status()) != "TENANT_WITHOUT_PHONES") {
    return kept.status();
  }
  SP_ASSIGN_OR_RETURN(*cluster.mutable_name(), ClusterName(context));
  if (!options.call_managers.empty()) cluster.clear_call_managers();
  for (const std::string& node : options.call_managers) {
    SP_RETURN_IF_ERROR(AddNode(node, cluster));
  }
  if (!options.host.empty()) cluster.set_host(options.host);
  if (!options.models.empty()) cluster.clear_sha512_models();
  for (const std::string& model : options.models) {
    cluster.add_sha512_models(model);
  }
  if (options.sha512 >= 0) cluster.set_sha512(options.sha512 > 0);
  request.set_force(options.force);
  request.set_validate_only(options.dry_run);
  SP_ASSIGN_OR_RETURN(
      cluster,
      CallCapf<pb::PhoneCluster>(context, &Stub::UpdatePhoneCluster, request));
  if (options.dry_run) context.out() << "no phone would be locked out\n";
  Print(context, cluster);
  return absl::OkStatus();
}

const char* StateName(pb::ProcedureState state) {
  switch (state) {
    case pb::PROCEDURE_STATE_READY:
      return "READY";
    case pb::PROCEDURE_STATE_BLOCKED:
      return "WAITS";
    case pb::PROCEDURE_STATE_DONE:
      return "DONE";
    case pb::PROCEDURE_STATE_CANCELLED:
      return "CANCELLED";
    default:
      return "";
  }
}

void Print(CliContext& context, const pb::Procedure& procedure) {
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(procedure, context.format, "");
    return;
  }
  context.out() << procedure.name() << ": " << StateName(procedure.state())
                << (procedure.automatic() ? ", by itself" : "") << "\n";
  Table table({"STEP", "DONE", "WHAT", "FOUND"});
  for (int i = 0; i < procedure.steps_size(); ++i) {
    const pb::ProcedureStep& step = procedure.steps(i);
    table.AddRow({absl::StrCat(i + 1), step.done() ? "yes" : "-", step.title(),
                  step.detail()});
  }
  context.out() << table.ToString();
  if (!procedure.blocked_reason().empty()) {
    context.out() << "waits: " << Printable(procedure.blocked_reason()) << "\n";
  }
  if (procedure.has_look_time() &&
      procedure.state() == pb::PROCEDURE_STATE_BLOCKED) {
    context.out() << "last looked at " << FieldText(procedure, "look_time")
                  << "\n";
  }
}

absl::Status List(CliContext& context, const ClusterOptions&) {
  SP_RETURN_IF_ERROR(context.Clients().status());
  pb::ListProceduresRequest request;
  SP_ASSIGN_OR_RETURN(*request.mutable_parent(), context.TenantName());
  request.set_page_size(1000);
  SP_ASSIGN_OR_RETURN(const auto page,
                      CallCapf<pb::ListProceduresResponse>(
                          context, &Stub::ListProcedures, request));
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(page, context.format, "");
    return absl::OkStatus();
  }
  Table table(
      {"PROCEDURE", "KIND", "STATE", "STEPS", "GOES ON", "BEGUN", "WAITS FOR"});
  for (const pb::Procedure& one : page.procedures()) {
    const auto done = std::count_if(
        one.steps().begin(), one.steps().end(),
        [](const pb::ProcedureStep& step) { return step.done(); });
    table.AddRow({one.name().substr(one.name().rfind('/') + 1),
                  FieldText(one, "kind"), StateName(one.state()),
                  absl::StrCat(done, "/", one.steps_size()),
                  one.automatic() ? "by itself" : "on command",
                  FieldText(one, "create_time"), one.blocked_reason()});
  }
  context.out() << (page.procedures().empty() ? "no procedure was begun\n"
                                              : table.ToString());
  return absl::OkStatus();
}

// Takes step after step until it is done, or one waits. The exit code is 1 if
// it waits.
absl::Status RunOn(CliContext& context, pb::Procedure procedure) {
  bool first = true;
  while (procedure.state() == pb::PROCEDURE_STATE_READY ||
         (first && procedure.state() == pb::PROCEDURE_STATE_BLOCKED)) {
    first = false;
    pb::AdvanceProcedureRequest request;
    request.set_name(procedure.name());
    request.set_etag(procedure.etag());
    absl::StatusOr<pb::Procedure> next =
        CallCapf<pb::Procedure>(context, &Stub::AdvanceProcedure, request);
    if (!next.ok()) {
      Print(context, procedure);
      return next.status();
    }
    procedure = *std::move(next);
  }
  Print(context, procedure);
  if (procedure.state() == pb::PROCEDURE_STATE_BLOCKED) context.exit_code = 1;
  return absl::OkStatus();
}

absl::StatusOr<pb::Procedure> GetProcedure(CliContext& context,
                                           const std::string& name) {
  pb::GetProcedureRequest request;
  SP_ASSIGN_OR_RETURN(*request.mutable_name(),
                      FullName(context, "procedures", name));
  return CallCapf<pb::Procedure>(context, &Stub::GetProcedure, request);
}

// The tenant's procedure of that kind that is open, if there is one, so that
// the same command goes on where it was broken off.
absl::StatusOr<pb::Procedure> BeginOrFind(CliContext& context,
                                          pb::ProcedureKind kind,
                                          const std::string& authority,
                                          bool dry_run,
                                          bool automatic = false) {
  SP_RETURN_IF_ERROR(context.Clients().status());
  pb::ListProceduresRequest list;
  SP_ASSIGN_OR_RETURN(*list.mutable_parent(), context.TenantName());
  list.set_page_size(1000);
  SP_ASSIGN_OR_RETURN(const auto page,
                      CallCapf<pb::ListProceduresResponse>(
                          context, &Stub::ListProcedures, list));
  for (const pb::Procedure& one : page.procedures()) {
    if (!dry_run && one.kind() == kind &&
        (one.state() == pb::PROCEDURE_STATE_READY ||
         one.state() == pb::PROCEDURE_STATE_BLOCKED)) {
      return one;
    }
  }
  pb::CreateProcedureRequest request;
  request.set_parent(list.parent());
  request.mutable_procedure()->set_kind(kind);
  if (!authority.empty()) {
    request.mutable_procedure()->set_certificate_authority(
        absl::StrCat("certificateAuthorities/", authority));
  }
  request.mutable_procedure()->set_automatic(automatic);
  for (const auto& [name, its_kind] : Kinds()) {
    if (its_kind != kind) continue;
    // To the millisecond: a second one within the second has its own name.
    const absl::Time now = absl::Now();
    request.set_procedure_id(absl::StrFormat(
        "%s-%s-%03d", name,
        absl::FormatTime("%Y%m%d-%H%M%S", now, absl::UTCTimeZone()),
        absl::ToUnixMillis(now) % 1000));
  }
  request.set_validate_only(dry_run);
  return CallCapf<pb::Procedure>(context, &Stub::CreateProcedure, request);
}

// CCE-27: y goes on, anything else leaves everything as it is.
bool Confirmed(CliContext& context, const std::string& question, bool yes) {
  if (yes) return true;
  context.out() << question << " (y/n): " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y") return true;
  context.out() << "\nnothing was changed\n";
  context.exit_code = 1;
  return false;
}

absl::Status Begin(CliContext& context, const ClusterOptions& options) {
  if (options.dry_run) {
    SP_ASSIGN_OR_RETURN(const pb::Procedure shown,
                        BeginOrFind(context, Kinds().at(options.kind),
                                    options.authority, true));
    Print(context, shown);
    return absl::OkStatus();
  }
  if (!Confirmed(context,
                 absl::StrCat("This operation (", options.kind,
                              ") changes what phones trust. Continue?"),
                 options.yes)) {
    return absl::OkStatus();
  }
  SP_ASSIGN_OR_RETURN(pb::Procedure procedure,
                      BeginOrFind(context, Kinds().at(options.kind),
                                  options.authority, false, options.automatic));
  if (procedure.automatic()) {
    Print(context, procedure);
    return absl::OkStatus();
  }
  return RunOn(context, std::move(procedure));
}

absl::Status SetAutomatic(CliContext& context, const ClusterOptions& options,
                          bool automatic) {
  SP_ASSIGN_OR_RETURN(const pb::Procedure found,
                      GetProcedure(context, options.name));
  pb::UpdateProcedureRequest request;
  request.mutable_procedure()->set_name(found.name());
  request.mutable_procedure()->set_etag(found.etag());
  request.mutable_procedure()->set_automatic(automatic);
  request.mutable_update_mask()->add_paths("automatic");
  absl::StatusOr<pb::Procedure> procedure =
      CallCapf<pb::Procedure>(context, &Stub::UpdateProcedure, request);
  // It went on meanwhile: that is no reason to ask the operator again.
  if (absl::IsAborted(procedure.status())) {
    request.mutable_procedure()->clear_etag();
    procedure =
        CallCapf<pb::Procedure>(context, &Stub::UpdateProcedure, request);
  }
  SP_RETURN_IF_ERROR(procedure.status());
  Print(context, *procedure);
  return absl::OkStatus();
}

absl::Status Pause(CliContext& context, const ClusterOptions& options) {
  return SetAutomatic(context, options, false);
}

absl::Status Resume(CliContext& context, const ClusterOptions& options) {
  return SetAutomatic(context, options, true);
}

absl::Status Run(CliContext& context, const ClusterOptions& options) {
  SP_ASSIGN_OR_RETURN(pb::Procedure procedure,
                      GetProcedure(context, options.name));
  return RunOn(context, std::move(procedure));
}

absl::Status ShowProcedure(CliContext& context, const ClusterOptions& options) {
  SP_ASSIGN_OR_RETURN(const pb::Procedure procedure,
                      GetProcedure(context, options.name));
  Print(context, procedure);
  return absl::OkStatus();
}

absl::Status Cancel(CliContext& context, const ClusterOptions& options) {
  pb::CancelProcedureRequest request;
  SP_ASSIGN_OR_RETURN(*request.mutable_name(),
                      FullName(context, "procedures", options.name));
  SP_ASSIGN_OR_RETURN(
      const pb::Procedure procedure,
      CallCapf<pb::Procedure>(context, &Stub::CancelProcedure, request));
  Print(context, procedure);
  return absl::OkStatus();
}

absl::StatusOr<pb::FipsStatus> FipsNow(CliContext& context) {
  SP_ASSIGN_OR_RETURN(const auto status,
                      CallCapf<pb::CapfStatus>(context, &Stub::GetStatus,
                                               pb::GetStatusRequest()));
  return status.fips();
}

std::string ModeOf(const pb::FipsInstance& one) {
  if (!one.reports()) return "not known";
  return one.enabled() ? "on" : "off";
}

// IMP-68. The exit code is 1 if a process runs in another mode.
absl::Status FipsShow(CliContext& context, const ClusterOptions&) {
  SP_ASSIGN_OR_RETURN(const pb::FipsStatus fips, FipsNow(context));
  const bool differs =
      std::any_of(fips.instances().begin(), fips.instances().end(),
                  [](const auto& one) { return !one.difference().empty(); });
  if (differs) context.exit_code = 1;
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(fips, context.format, "");
    return absl::OkStatus();
  }
  context.out() << "FIPS mode: " << (fips.enabled() ? "on" : "off") << "\n"
                << "self tests: "
                << (!fips.enabled()            ? "not run outside the mode"
                    : fips.self_tests_passed() ? "passed"
                                               : "failed")
                << "\nmodule: " << fips.module() << "\nprogram: sha256 "
                << fips.program_sha256() << "\n"
                << fips.disclaimer() << "\n";
  Table table({"SERVICE", "INSTANCE", "MODE", "SELF TESTS", "PROGRAM",
               "REPORTED", "DIFFERS"});
  for (const pb::FipsInstance& one : fips.instances()) {
    table.AddRow({one.service(), one.instance(), ModeOf(one),
                  !one.enabled()            ? "-"
                  : one.self_tests_passed() ? "passed"
                                            : "failed",
                  one.program_sha256().substr(0, 16),
                  FieldText(one, "report_time"), one.difference()});
  }
  context.out() << table.ToString();
  if (!fips.has_since_time()) return absl::OkStatus();
  context.out() << "in force since: "
                << absl::FormatTime("%Y-%m-%dT%H:%M:%SZ",
                                    FromProto(fips.since_time()),
                                    absl::UTCTimeZone())
                << "\nkeys of before:"
                << (fips.keys_of_before().empty() ? " none" : "") << "\n";
  for (const std::string& one : fips.keys_of_before()) {
    context.out() << "  " << one << "\n";
  }
  return absl::OkStatus();
}

// IMP-70, IMP-71.
absl::Status FipsList(CliContext& context, const ClusterOptions&) {
  SP_ASSIGN_OR_RETURN(const pb::FipsStatus fips, FipsNow(context));
  if (context.format != OutputFormat::kTable) {
    pb::FipsStatus rules;
    *rules.mutable_rules() = fips.rules();
    rules.set_disclaimer(fips.disclaimer());
    context.out() << RenderOne(rules, context.format, "");
    return absl::OkStatus();
  }
  for (const pb::FipsRules& rules : fips.rules()) {
    context.out() << rules.service() << "\n  not allowed in FIPS mode:\n";
    for (const std::string& one : rules.not_allowed()) {
      context.out() << "    " << one << "\n";
    }
    context.out() << "  not claimed to be within it:\n";
    for (const std::string& one : rules.not_claimed()) {
      context.out() << "    " << one << "\n";
    }
  }
  context.out() << fips.disclaimer() << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddClusterCommands(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<ClusterOptions>();
  const auto add =
      [&](CLI::App* parent, const char* name, const char* help,
          absl::Status (*run)(CliContext&, const ClusterOptions&)) {
        CLI::App* const command = parent->add_subcommand(name, help);
        command->callback([&context, options, run] {
          context.result = run(context, *options);
        });
        return command;
      };
  const auto confirm = [&](CLI::App* command) {
    command->add_flag("-y,--yes", options->yes, "Do not ask");
    command->add_flag("--dry-run", options->dry_run, "Only check");
  };

  CLI::App* const cluster = app.add_subcommand(
      "cluster", "What the phones of a tenant are told of their cluster");
  cluster->require_subcommand(1);
  add(cluster, "show", "Call managers, signers and security mode", Show);
  CLI::App* const set =
      add(cluster, "set", "Set it, and publish the trust lists", Set);
  set->add_option("--call-manager", options->call_managers,
                  "name=certificate.pem[,address], in order of preference");
  set->add_option("--host", options->host, "By which phones reach the service");
  set->add_option("--sha512-model", options->models,
                  "Phones that verify SHA-512");
  set->add_flag("--sha512{1},--sha1{0}", options->sha512,
                "All phones do; or only those of the models");
  set->add_flag("--force", options->force, "Although phones are locked out");
  set->add_flag("--dry-run", options->dry_run, "Only simulate");

  CLI::App* const procedure = app.add_subcommand(
      "procedure",
      "Long changes: signers, authorities, security mode, FIPS mode");
  procedure->require_subcommand(1);
  add(procedure, "list", "Those of the tenant", List);
  std::vector<std::string> kinds;
  for (const auto& [name, kind] : Kinds()) kinds.push_back(name);
  CLI::App* const begin =
      add(procedure, "begin",
          "Begin one, or go on with it, step by step; exit code 1 if it waits",
          Begin);
  begin->add_option("kind", options->kind, "What to change")
      ->required()
      ->check(CLI::IsMember(kinds));
  begin->add_option("--authority", options->authority,
                    "Which one to rotate; else the first");
  confirm(begin);
  begin->add_flag("--automatic", options->automatic,
                  "It goes on by itself as soon as each check holds");
  for (const auto& [name, help, run] :
       {std::tuple("show", "Its steps", &ShowProcedure),
        std::tuple("run", "Go on with it; exit code 1 if it waits", &Run),
        std::tuple("pause", "It waits for run from now on", &Pause),
        std::tuple("resume", "It goes on by itself from now on", &Resume),
        std::tuple("cancel", "Give it up and undo it", &Cancel)}) {
    add(procedure, name, help, run)
        ->add_option("name", options->name, "Its name")
        ->required();
  }

  CLI::App* const fips = app.add_subcommand("fips", "FIPS mode");
  fips->require_subcommand(1);
  add(fips, "status",
      "Whether it is on, and in which processes; exit code 1 if one differs",
      FipsShow);
  add(fips, "list", "What it refuses, and what is not claimed", FipsList);
  for (const char* const name : {"enable", "disable"}) {
    CLI::App* const command = fips->add_subcommand(
        name, "Switch it; the service restarts, then say it again");
    command->callback([&context, options, name] {
      options->kind = std::string(name) + "-fips";
      context.result = Begin(context, *options);
    });
    confirm(command);
  }
}

}  // namespace sallyport::cli
