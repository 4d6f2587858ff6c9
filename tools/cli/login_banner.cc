#include "tools/cli/login_banner.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/bytes/utf8.h"
#include "services/common/crypto/digest.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/resource_calls.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::dialplan::v1;

constexpr char kInstallation[] = "default";
constexpr size_t kMaxBannerFile = 64 * 1024;
constexpr char kRuntimeVariable[] = "XDG_RUNTIME_DIR";
// A dialplan that does not answer keeps nobody from his work.
constexpr absl::Duration kPatience = absl::Seconds(3);

std::string TextOf(const Endpoint& endpoint, const std::string& tenant) {
  const auto stub = pb::DialplanService::NewStub(endpoint.channel);
  grpc::ClientContext call;
  call.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  pb::GetTenantRequest request;
  request.set_name("tenants/" + tenant);
  pb::Tenant response;
  if (!stub->GetTenant(&call, request, &response).ok()) return {};
  return response.login_banner();
}

}  // namespace

void PrintBanner(const std::string& text, std::ostream& out) {
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (const std::string& line : lines) out << Printable(line) << "\n";
}

absl::Status AskWhetherKnown(ServiceClients& clients,
                             const std::string& tenant) {
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients.First("dialplan"));
  const absl::Status status =
      GetResource(endpoint, *FindKind("tenant"), "tenants/" + tenant).status();
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::StatusOr<std::string> LoginBanner(ServiceClients& clients,
                                        const std::string& tenant) {
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients.First("dialplan"));
  std::string text = TextOf(endpoint, tenant);
  if (text.empty() && tenant != kInstallation) {
    text = TextOf(endpoint, kInstallation);
  }
  return text;
}

BannerSeal::BannerSeal(const std::string& text) {
  const char* const runtime = std::getenv(kRuntimeVariable);
  const std::string folder =
      runtime != nullptr && *runtime != '\0'
          ? absl::StrCat(runtime, "/sallyport")
          : absl::StrCat("/tmp/sallyport-", static_cast<unsigned>(getuid()));
  mkdir(folder.c_str(), 0700);
  struct stat found = {};
  // A folder that is another's says nothing of what this user has read.
  if (lstat(folder.c_str(), &found) != 0 || !S_ISDIR(found.st_mode) ||
      found.st_uid != getuid() || (found.st_mode & 077) != 0) {
    return;
  }
  const Sha256Digest digest = Sha256(AsBytes(text));
  file_ = absl::StrCat(folder, "/banner-", getsid(0), "-",
                       HexEncode(ByteSpan(digest.data(), 8)));
}

bool BannerSeal::IsBroken() const {
  return !file_.empty() && access(file_.c_str(), F_OK) == 0;
}

void BannerSeal::Break() const {
  if (file_.empty()) return;
  const int fd = open(file_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (fd >= 0) close(fd);
}

absl::Status AskForAcknowledgement(const std::string& text, std::istream& in,
                                   std::ostream& out) {
  PrintBanner(text, out);
  out << "I have read this (y/n): " << std::flush;
  std::string answer;
  std::getline(in, answer);
  if (answer == "y") return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   "BANNER_NOT_ACKNOWLEDGED",
                   "the login banner was not acknowledged");
}

void ShowBannerFirst(CliContext& context, BannerUse use) {
  if (use == BannerUse::kNever ||
      (use == BannerUse::kTerminals &&
       (isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0))) {
    return;
  }
  context.before_first_call = [&context](ServiceClients& clients,
                                         const std::string& tenant) {
    const absl::StatusOr<std::string> text = LoginBanner(clients, tenant);
    if (!text.ok() || text->empty()) return absl::OkStatus();
    const BannerSeal seal(*text);
    if (seal.IsBroken()) return absl::OkStatus();
    SP_RETURN_IF_ERROR(AskForAcknowledgement(*text, std::cin, context.err()));
    seal.Break();
    return absl::OkStatus();
  };
}

absl::StatusOr<std::string> BannerFromFile(const std::string& content) {
  const auto refuse = [](std::string_view reason, std::string_view message) {
    return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
  };
  if (FindNotUtf8(content) != std::string_view::npos) {
    return refuse("BANNER_NOT_TEXT", "the file is no text in UTF-8");
  }
  std::string text = absl::StrReplaceAll(content, {{"\r\n", "\n"}});
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if ((u < 0x20 && c != '\n' && c != '\t') || u == 0x7f) {
      return refuse("BANNER_NOT_TEXT",
                    "the file has control characters: only plain text is "
                    "taken");
    }
  }
  text = absl::StrReplaceAll(text, {{"\t", "    "}});
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (text.empty()) return refuse("BANNER_NOT_TEXT", "the file is empty");
  return text;
}

namespace {

absl::Status SetBanner(CliContext& context, const std::string& text,
                       bool installation) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(std::string tenant, context.Tenant());
  if (installation) tenant = kInstallation;
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First("dialplan"));
  pb::Tenant resource;
  resource.set_name("tenants/" + tenant);
  resource.set_login_banner(text);
  SP_RETURN_IF_ERROR(UpdateResource(endpoint, *FindKind("tenant"), resource,
                                    {"login_banner"}, false)
                         .status());
  context.out() << (text.empty() ? "removed" : "set") << " for "
                << resource.name()
                << (installation ? ", and for tenants without one" : "")
                << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddBannerCommand(CLI::App& app, CliContext& context) {
  CLI::App* const command =
      app.add_subcommand("banner", "The login banner of the tenant");
  struct Options {
    std::string file;
    bool installation = false;
  };
  const auto options = std::make_shared<Options>();
  const auto whose = [&](CLI::App* sub) {
    sub->add_flag("--installation", options->installation,
                  "The text of all tenants that have none");
  };
  CLI::App* const set =
      command->add_subcommand("set", "Takes the text of a file");
  set->add_option("file", options->file, "Plain text, UTF-8")->required();
  whose(set);
  set->callback([&context, options] {
    const auto run = [&]() -> absl::Status {
      SP_ASSIGN_OR_RETURN(const std::string content,
                          ReadWholeFile(options->file, kMaxBannerFile));
      SP_ASSIGN_OR_RETURN(const std::string text, BannerFromFile(content));
      return SetBanner(context, text, options->installation);
    };
    context.result = run();
  });
  CLI::App* const remove = command->add_subcommand("remove", "Takes it away");
  whose(remove);
  remove->callback([&context, options] {
    context.result = SetBanner(context, "", options->installation);
  });
  command->require_subcommand(0, 1);
  command->callback([&context, command] {
    if (!command->get_subcommands().empty()) return;
    const auto show = [&context]() -> absl::Status {
      SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
      SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
      SP_ASSIGN_OR_RETURN(const std::string text,
                          LoginBanner(*clients, tenant));
      if (!text.empty()) PrintBanner(text, context.out());
      return absl::OkStatus();
    };
    context.result = show();
  });
}

}  // namespace sallyport::cli
