#include "tools/cli/evaluate_cmd.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/util/field_mask_util.h"
#include "sallyport/dialplan/v1/evaluate_change.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/attempts.h"
#include "tools/cli/error_text.h"
#include "tools/cli/evaluation_text.h"
#include "tools/cli/input_file.h"
#include "tools/cli/manifest.h"
#include "tools/cli/resource_calls.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using google::protobuf::FieldDescriptor;
using google::protobuf::FieldMask;
using google::protobuf::Message;
using google::protobuf::util::FieldMaskUtil;

struct EvaluateOptions {
  std::vector<std::string> files;
  std::vector<std::string> deletes;
  std::string attempts_file;
  std::string since;
};

// What `apply` would make of the entry: its fields over those that are there.
absl::StatusOr<pb::Resource> ResourceAfter(const Endpoint& endpoint,
                                           const ManifestEntry& entry) {
  std::unique_ptr<Message> after(entry.message->New());
  after->CopyFrom(*entry.message);
  const auto current = GetResource(endpoint, *entry.kind, entry.name);
  if (current.ok()) {
    FieldMask mask;
    for (const std::string& field : entry.fields) mask.add_paths(field);
    FieldMaskUtil::MergeOptions options;
    options.set_replace_message_fields(true);
    options.set_replace_repeated_fields(true);
    after->CopyFrom(**current);
    FieldMaskUtil::MergeMessageTo(*entry.message, mask, options, after.get());
  } else if (current.status().code() != absl::StatusCode::kNotFound) {
    return current.status();
  }
  pb::Resource out;
  const auto& kinds = *pb::Resource::descriptor()->oneof_decl(0);
  for (int i = 0; i < kinds.field_count(); ++i) {
    const FieldDescriptor& field = *kinds.field(i);
    if (field.message_type()->full_name() !=
        after->GetDescriptor()->full_name()) {
      continue;
    }
    out.GetReflection()
        ->MutableMessage(&out, &field)
        ->ParseFromString(after->SerializeAsString());
    return out;
  }
  return UsageError(
      absl::StrCat("a ", entry.kind->name, " is no part of the dial plan"));
}

// "peer/gw" or a name in full.
absl::StatusOr<std::string> NameOfDelete(const std::string& text,
                                         const std::string& tenant) {
  if (text.rfind("tenants/", 0) == 0) return text;
  const size_t slash = text.find('/');
  const ResourceKind* const kind =
      slash == std::string::npos ? nullptr : FindKind(text.substr(0, slash));
  if (kind == nullptr) {
    return UsageError(
        absl::StrCat("--delete is KIND/NAME, not \"", text, "\""));
  }
  return FullName(*kind, tenant, text.substr(slash + 1));
}

absl::Status RunEvaluate(CliContext& context, const EvaluateOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First("dialplan"));
  pb::EvaluateChangeRequest request;
  request.set_parent(absl::StrCat("tenants/", tenant));
  for (const std::string& file : options.files) {
    SP_ASSIGN_OR_RETURN(const std::string text, ReadInputFile(file));
    SP_ASSIGN_OR_RETURN(const std::vector<ManifestEntry> entries,
                        ParseManifest(text, tenant, file));
    for (const ManifestEntry& entry : entries) {
      SP_ASSIGN_OR_RETURN(*request.add_changes()->mutable_upsert(),
                          ResourceAfter(endpoint, entry));
    }
  }
  for (const std::string& text : options.deletes) {
    SP_ASSIGN_OR_RETURN(std::string name, NameOfDelete(text, tenant));
    request.add_changes()->set_delete_(std::move(name));
  }
  if (request.changes_size() == 0) {
    return UsageError("nothing would change: give -f or --delete");
  }
  if (!options.attempts_file.empty()) {
    SP_ASSIGN_OR_RETURN(const std::string text,
                        ReadInputFile(options.attempts_file));
    SP_ASSIGN_OR_RETURN(const auto attempts,
                        ParseAttempts(text, tenant, options.attempts_file));
    request.mutable_attempts()->Add(attempts.begin(), attempts.end());
  }
  if (!options.since.empty()) {
    absl::Duration since;
    if (!absl::ParseDuration(options.since, &since) ||
        since <= absl::ZeroDuration()) {
      return UsageError("--since is a duration, such as 1h or 30m");
    }
    *request.mutable_recorded_since_time() = ToProto(absl::Now() - since);
  }
  const google::protobuf::MethodDescriptor* const method =
      google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
          "sallyport.dialplan.v1.DialplanService.EvaluateChange");
  Endpoint patient = endpoint;
  // It waits for edges.
  patient.timeout = std::max(endpoint.timeout, absl::Seconds(9));
  pb::EvaluateChangeResponse evaluation;
  SP_RETURN_IF_ERROR(CallUnary(patient, *method, request, &evaluation));
  context.out() << (context.format == OutputFormat::kTable
                        ? EvaluationText(evaluation)
                        : RenderOne(evaluation, context.format, ""));
  if (evaluation.violations_size() == 0) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kFailedPrecondition, "CHANGE_REFUSED",
      absl::StrCat("the change has ", evaluation.violations_size(), " faults"));
}

}  // namespace

void AddEvaluateCommand(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<EvaluateOptions>();
  CLI::App* const command = app.add_subcommand(
      "evaluate", "Says what a change would do to calls, without making it");
  command->add_option("-f,--file", options->files,
                      "Resources as `apply` takes them; - is standard input");
  command->add_option("--delete", options->deletes,
                      "KIND/NAME that would be deleted");
  command->add_option("--attempts", options->attempts_file,
                      "Calls to try: a YAML list of {from, to}");
  command->add_option("--since", options->since,
                      "Also tries the calls that the edges recorded in this "
                      "time, such as 1h");
  command->callback(
      [&context, options] { context.result = RunEvaluate(context, *options); });
}

}  // namespace sallyport::cli
