#include "tools/cli/ctl_cmd.h"

#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "grpcpp/client_context.h"
#include "sallyport/capf/v1/capf_service.grpc.pb.h"
#include "services/capf/core/trust_list.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/files/durable_file.h"
#include "services/common/net/socket_address.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/confirmation.h"
#include "tools/cli/ctl_cache.h"
#include "tools/cli/ctl_text.h"
#include "tools/cli/tftp_get.h"
#include "tools/cli/voicemail_servers.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::capf::v1;

constexpr uint16_t kTftpPort = 69;
constexpr size_t kMaxList = 4 * 1024 * 1024;
constexpr int kDifferent = 1;
constexpr absl::Duration kPatience = absl::Seconds(10);

struct CtlOptions {
  std::string file;
  std::string other;
  std::string server;
  std::string name = "CTLFile.tlv";
  std::string call_manager;
  std::string output;
  std::string kind = "ctl";
  std::string cache;
  bool yes = false;
  bool force = false;
  bool dry_run = false;
};

absl::StatusOr<std::string> ReadList(const std::string& path) {
  return ReadWholeFile(path, kMaxList);
}

// "192.0.2.1" or "192.0.2.1:6969".
absl::StatusOr<SocketAddress> ServerAddress(const std::string& text) {
  if (auto address = SocketAddress::FromIp(text, kTftpPort); address.ok()) {
    return address;
  }
  return SocketAddress::Parse(text);
}

absl::Status Show(CliContext& context, const CtlOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string file, ReadList(options.file));
  SP_ASSIGN_OR_RETURN(const capf::ParsedTrustList parsed,
                      capf::ParseTrustList(AsBytes(file)));
  context.out() << ListText(parsed, file);
  return absl::OkStatus();
}

absl::Status Verify(CliContext& context, const CtlOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string file, ReadList(options.file));
  SP_RETURN_IF_ERROR(capf::VerifyTrustList(AsBytes(file)).status());
  context.out() << "the signature is right, and its signer is in the list\n"
                << ChecksumText(file);
  return absl::OkStatus();
}

absl::Status Diff(CliContext& context, const CtlOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string left, ReadList(options.file));
  SP_ASSIGN_OR_RETURN(const std::string right, ReadList(options.other));
  SP_ASSIGN_OR_RETURN(const capf::ParsedTrustList one,
                      capf::ParseTrustList(AsBytes(left)));
  SP_ASSIGN_OR_RETURN(const capf::ParsedTrustList two,
                      capf::ParseTrustList(AsBytes(right)));
  const std::vector<std::string> lines =
      capf::DifferencesOf(one.list, two.list);
  for (const std::string& line : lines) context.out() << line << "\n";
  if (!lines.empty()) context.exit_code = kDifferent;
  return absl::OkStatus();
}

absl::Status Fetch(CliContext& context, const CtlOptions& options) {
  SP_ASSIGN_OR_RETURN(const SocketAddress server,
                      ServerAddress(options.server));
  SP_ASSIGN_OR_RETURN(const std::string file,
                      TftpGet(server, options.name, kPatience));
  SP_ASSIGN_OR_RETURN(const capf::ParsedTrustList parsed,
                      capf::VerifyTrustList(AsBytes(file)));
  if (!options.output.empty()) {
    std::ofstream out(options.output, std::ios::binary | std::ios::trunc);
    out << file;
    if (!out.flush()) {
      return MakeError(absl::StatusCode::kUnavailable, "FILE_NOT_WRITTEN",
                       "the file cannot be written");
    }
  }
  context.out() << ListText(parsed, file);
  return absl::OkStatus();
}

// What an operator does when a voicemail port does not register (CUC-71,
// CUC-81, CUC-89): are the copies the same, and is the call manager in it?
absl::Status Check(CliContext& context, const CtlOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string copy, ReadList(options.file));
  SP_ASSIGN_OR_RETURN(const SocketAddress server,
                      ServerAddress(options.server));
  SP_ASSIGN_OR_RETURN(const std::string file,
                      TftpGet(server, options.name, kPatience));
  SP_ASSIGN_OR_RETURN(const capf::ParsedTrustList parsed,
                      capf::VerifyTrustList(AsBytes(file)));
  context.out() << "server\n"
                << ChecksumText(file) << "copy\n"
                << ChecksumText(copy)
                << (file == copy ? "same\n" : "different: fetch it again\n");
  if (file != copy) context.exit_code = kDifferent;
  if (options.call_manager.empty()) return absl::OkStatus();
  const capf::TrustListRecord* const record =
      FindCallManager(parsed.list, options.call_manager);
  if (record == nullptr || record->certificate.empty()) {
    context.exit_code = kDifferent;
    context.out() << (record == nullptr
                          ? "no record of that call manager in the list\n"
                          : "the list holds no certificate of it: the "
                            "cluster is non-secure\n");
    return absl::OkStatus();
  }
  context.out() << "its certificate is in the list: " << record->subject
                << "\n";
  return absl::OkStatus();
}

// What is in the cache and what the server has, and whether they are the same
// (CUC-81, CUC-83, CUC-89). True: they are.
bool TellSums(CliContext& context, const std::string& path,
              const std::string& cached,
              const absl::StatusOr<std::string>& fetched) {
  context.out() << "cached " << path << "\n" << ChecksumText(cached);
  if (!fetched.ok()) {
    context.out() << "server: no list, " << ReasonOf(fetched.status()) << "\n";
    return false;
  }
  const bool same = cached == *fetched;
  context.out() << "server\n"
                << ChecksumText(*fetched) << (same ? "same\n" : "different\n");
  return same;
}

// Takes the list anew, whatever is cached.
absl::Status Refresh(CliContext& context, const CtlOptions& options) {
  SP_ASSIGN_OR_RETURN(const ServerTarget server, TftpTarget(options.server));
  SP_ASSIGN_OR_RETURN(const std::string file, FetchCtl(server, kPatience));
  SP_ASSIGN_OR_RETURN(const capf::ParsedTrustList parsed,
                      capf::VerifyTrustList(AsBytes(file)));
  const CtlCache cache(options.cache);
  const std::string path = cache.PathOf(server.text());
  if (const auto cached = cache.Read(server.text()); cached.ok()) {
    TellSums(context, path, *cached, file);
  }
  SP_RETURN_IF_ERROR(cache.Write(server.text(), file));
  context.out() << "taken to " << path << "\n" << ListText(parsed, file);
  return absl::OkStatus();
}

// Instead of deleting files as root: the list is taken anew at the next
// connection.
absl::Status Purge(CliContext& context, const CtlOptions& options) {
  SP_ASSIGN_OR_RETURN(const ServerTarget server, TftpTarget(options.server));
  const CtlCache cache(options.cache);
  const std::string path = cache.PathOf(server.text());
  const auto cached = cache.Read(server.text());
  if (!cached.ok()) return cache.Remove(server.text());
  TellSums(context, path, *cached, FetchCtl(server, kPatience));
  if (!options.yes) {
    SP_RETURN_IF_ERROR(
        AskForConfirmation(EffectOf("ctl purge"), std::cin, context.out()));
  }
  SP_RETURN_IF_ERROR(cache.Remove(server.text()));
  context.out() << "purged " << path << "\n";
  return absl::OkStatus();
}

absl::Status Publish(CliContext& context, const CtlOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string parent, context.TenantName());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First("capf"));
  pb::PublishTrustListRequest request;
  request.set_parent(parent);
  request.set_kind(options.kind == "itl" ? pb::TRUST_LIST_KIND_ITL
                                         : pb::TRUST_LIST_KIND_CTL);
  request.set_force(options.force);
  request.set_validate_only(options.dry_run);
  grpc::ClientContext call;
  pb::TrustList response;
  const auto stub = pb::CapfService::NewStub(endpoint.channel);
  SP_RETURN_IF_ERROR(
      FromGrpc(stub->PublishTrustList(&call, request, &response)));
  SP_ASSIGN_OR_RETURN(const capf::ParsedTrustList parsed,
                      capf::ParseTrustList(AsBytes(response.content())));
  context.out() << ListText(parsed, response.content());
  return absl::OkStatus();
}

}  // namespace

void AddCtlCommand(CLI::App& app, CliContext& context) {
  CLI::App* const ctl = app.add_subcommand(
      "ctl", "Trust lists of phones: ours, and others' files");
  ctl->require_subcommand(1);
  const auto options = std::make_shared<CtlOptions>();
  const auto add = [&](const char* name, const char* help,
                       absl::Status (*run)(CliContext&, const CtlOptions&)) {
    CLI::App* const command = ctl->add_subcommand(name, help);
    command->callback(
        [&context, options, run] { context.result = run(context, *options); });
    return command;
  };
  CLI::App* const show = add("show", "What a file says", Show);
  show->add_option("file", options->file, "The list")->required();
  CLI::App* const verify =
      add("verify", "Whether a file's signature is right", Verify);
  verify->add_option("file", options->file, "The list")->required();
  CLI::App* const diff =
      add("diff", "What differs between two files; exit code 1 if any", Diff);
  diff->add_option("file", options->file, "The first list")->required();
  diff->add_option("other", options->other, "The second list")->required();
  CLI::App* const fetch =
      add("fetch", "Take the list from a TFTP server and verify it", Fetch);
  fetch->add_option("server", options->server, "Address, or address:port")
      ->required();
  fetch->add_option("--name", options->name, "The file's name there");
  fetch->add_option("--to", options->output, "Where to write it");
  CLI::App* const check = add(
      "check", "Compare a copy with the server's; exit code 1 if they differ",
      Check);
  check->add_option("server", options->server, "Address, or address:port")
      ->required();
  check->add_option("file", options->file, "The copy")->required();
  check->add_option("--name", options->name, "The file's name there");
  check->add_option("--call-manager", options->call_manager,
                    "Host name or address that must be in it");
  const auto cached = [&](CLI::App* command) {
    command->add_option("server", options->server, "Address, or address:port")
        ->required();
    command->add_option("--cache", options->cache, "Folder of cached lists")
        ->required();
  };
  cached(add("refresh", "Take the list into a voicemail server's cache anew",
             Refresh));
  CLI::App* const purge =
      add("purge", "Delete the cached list, after showing both sums", Purge);
  cached(purge);
  purge->add_flag("-y,--yes", options->yes, "Do not ask");
  CLI::App* const publish =
      add("publish", "Make, simulate and publish a list", Publish);
  publish->add_option("kind", options->kind, "ctl or itl")
      ->check(CLI::IsMember({"ctl", "itl"}));
  publish->add_flag("--force", options->force,
                    "Although phones would be locked out");
  publish->add_flag("--dry-run", options->dry_run, "Only simulate");
}

}  // namespace sallyport::cli
