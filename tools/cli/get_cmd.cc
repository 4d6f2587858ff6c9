#include "tools/cli/get_cmd.h"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/change_options.h"
#include "tools/cli/columns.h"
#include "tools/cli/error_text.h"
#include "tools/cli/list_cmd.h"
#include "tools/cli/relations.h"
#include "tools/cli/resource_calls.h"
#include "tools/cli/service_status.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::Message;

struct GetOptions {
  std::string kind;
  std::string name;
  ListOptions list;
};

absl::StatusOr<const ResourceKind*> KindOf(const std::string& text) {
  const ResourceKind* const kind = FindKind(text);
  if (kind != nullptr) return kind;
  std::set<std::string> known;
  for (const ResourceKind& one : ResourceKinds()) {
    std::string plural = SnakeCase(one.plural);
    for (char& c : plural) {
      if (c == '_') c = '-';
    }
    known.insert(plural);
  }
  return UsageError(absl::StrCat("there is no kind \"", text, "\"; there are ",
                                 absl::StrJoin(known, ", ")));
}

// Asks every instance: what an edge holds, another does not.
absl::StatusOr<std::unique_ptr<Message>> Find(CliContext& context,
                                              const ResourceKind& kind,
                                              const std::string& name) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const std::vector<Endpoint> endpoints,
                      clients->All(kind.service));
  absl::Status error;
  for (const Endpoint& endpoint : endpoints) {
    auto found = GetResource(endpoint, kind, FullName(kind, tenant, name));
    if (found.ok()) return found;
    if (error.ok() || error.code() == absl::StatusCode::kNotFound) {
      error = found.status();
    }
  }
  return error;
}

// Everything of dialplan in the tenant, itself first, in an order that stays.
absl::Status GetAll(CliContext& context) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.TenantName());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First("dialplan"));
  const ResourceKind& tenants = *FindKind("tenant");
  SP_ASSIGN_OR_RETURN(auto self, GetResource(endpoint, tenants, tenant));
  std::vector<std::string> parts = {
      RenderList({self.get()}, context.format, tenants, ColumnsOf(tenants))};
  for (const ResourceKind* const kind : PlanKinds()) {
    SP_ASSIGN_OR_RETURN(const ResourceList all,
                        ListResources(endpoint, *kind, tenant, /*filter=*/"",
                                      /*limit=*/0));
    std::vector<const Message*> messages;
    for (const auto& one : all) {
      if (!IsBuiltIn(*one)) messages.push_back(one.get());
    }
    if (messages.empty()) continue;
    parts.push_back(
        RenderList(messages, context.format, *kind, ColumnsOf(*kind)));
    if (context.format == OutputFormat::kTable) {
      parts.back() = absl::StrCat("\n", kind->plural, "\n", parts.back());
    }
  }
  // JSON is an array with an object for each kind.
  const bool json = context.format == OutputFormat::kJson;
  context.out() << (json ? "[\n" : "")
                << absl::StrJoin(parts, json ? ",\n" : "")
                << (json ? "]\n" : "");
  return absl::OkStatus();
}

absl::Status RunGet(CliContext& context, const GetOptions& options,
                    bool describe) {
  if (options.kind == "status") return PrintStatus(context);
  if (options.kind == "all" && !describe) return GetAll(context);
  SP_ASSIGN_OR_RETURN(const ResourceKind* const kind, KindOf(options.kind));
  if (options.name.empty()) return ListAndPrint(context, *kind, options.list);
  SP_ASSIGN_OR_RETURN(const std::unique_ptr<Message> resource,
                      Find(context, *kind, options.name));
  if (describe || context.format != OutputFormat::kTable) {
    context.out() << RenderOne(*resource, context.format, kind->name);
    if (describe && context.format == OutputFormat::kTable &&
        kind->service == "dialplan") {
      return PrintRelations(context, *kind, *resource);
    }
  } else {
    context.out() << RenderList({resource.get()}, context.format, *kind,
                                ColumnsOf(*kind));
  }
  return absl::OkStatus();
}

}  // namespace

void AddGetCommand(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<GetOptions>();
  CLI::App* const command =
      app.add_subcommand("get", "Shows resources of a kind, or one of them");
  command
      ->add_option("kind", options->kind,
                   "Such as peers, calls, css; status; or all, of dialplan")
      ->required();
  command->add_option("name", options->name, "Short or full name");
  AddListOptions(*command, options->list);
  command->callback([&context, options] {
    context.result = RunGet(context, *options, /*describe=*/false);
  });
}

void AddDescribeCommand(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<GetOptions>();
  CLI::App* const command =
      app.add_subcommand("describe", "Shows every field of one resource");
  command->add_option("kind", options->kind, "Such as peer")->required();
  command->add_option("name", options->name, "Short or full name")->required();
  command->callback([&context, options] {
    context.result = RunGet(context, *options, /*describe=*/true);
  });
}

}  // namespace sallyport::cli
