#include "tools/cli/apply_together.h"

#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/field_mask.pb.h"
#include "sallyport/dialplan/v1/apply_changes.pb.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/resource_calls.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using ::google::protobuf::Message;

// What one request may hold, as apply_changes.proto says.
constexpr int kMaxChanges = 10000;
constexpr size_t kMaxOctets = 4000000;

// The changes of one tenant.
struct Batch {
  pb::ApplyChangesRequest request;
  std::vector<std::string> names;   // of each change
  std::vector<std::string> places;  // as an operator finds it
};

void Wrap(const Message& resource, pb::Resource& out) {
  const auto& type = *pb::Resource::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->message_type() == resource.GetDescriptor()) {
      out.GetReflection()
          ->MutableMessage(&out, type.field(i))
          ->CopyFrom(resource);
    }
  }
}

std::map<std::string, Batch> BatchesOf(const ChangeSet& set,
                                       bool ignore_missing) {
  std::map<std::string, Batch> out;
  for (const PlannedWrite& write : set.writes) {
    const ManifestEntry& entry = *write.entry;
    if (!write.changes || entry.kind->service != "dialplan") continue;
    Batch& batch = out[TenantNameOf(entry.name)];
    pb::PlanChange& change = *batch.request.add_changes();
    if (write.current == nullptr) {
      Wrap(*write.wanted, *change.mutable_create());
    } else {
      pb::PlanUpdate& update = *change.mutable_update();
      Wrap(*entry.message, *update.mutable_resource());
      for (const std::string& field : write.fields) {
        update.mutable_update_mask()->add_paths(field);
      }
    }
    batch.names.push_back(entry.name);
    batch.places.push_back(
        absl::StrCat(entry.file, ":", entry.line, " ", entry.name));
  }
  for (const PlannedDelete& one : set.deletes) {
    if (one.kind->service != "dialplan") continue;
    const std::string& name = NameOf(*one.current);
    Batch& batch = out[TenantNameOf(name)];
    pb::PlanDelete& change = *batch.request.add_changes()->mutable_delete_();
    change.set_name(name);
    change.set_allow_missing(ignore_missing);
    batch.names.push_back(name);
    batch.places.push_back(absl::StrCat("delete ", name));
  }
  for (auto& [tenant, batch] : out) batch.request.set_parent(tenant);
  return out;
}

// "a.yaml:3 tenants/t/peers/gw spec.fqdn" of "changes[3].update.peer.fqdn".
std::string PlaceOf(const std::string& field, const Batch& batch) {
  size_t place = 0;
  const size_t end = field.find(']');
  if (field.rfind("changes[", 0) != 0 || end == std::string::npos ||
      !absl::SimpleAtoi(field.substr(8, end - 8), &place) ||
      place >= batch.places.size()) {
    return field;
  }
  std::string out = batch.places[place];
  // Behind the verb and the kind.
  size_t at = field.find('.', end);
  for (int skipped = 0; at != std::string::npos && skipped < 2; ++skipped) {
    at = field.find('.', at + 1);
  }
  if (at != std::string::npos) absl::StrAppend(&out, " spec", field.substr(at));
  return out;
}

std::string WordOf(pb::AppliedChange::Outcome outcome) {
  switch (outcome) {
    case pb::AppliedChange::OUTCOME_CREATED:
      return "created";
    case pb::AppliedChange::OUTCOME_UPDATED:
      return "updated";
    case pb::AppliedChange::OUTCOME_DELETED:
      return "deleted";
    default:
      return "unchanged";
  }
}

// Asks once for all tenants; stores if `validate_only` is false.
absl::Status Ask(ServiceClients& clients, std::map<std::string, Batch>& batches,
                 bool validate_only, TogetherResult& result) {
  std::vector<FieldViolation> violations;
  for (auto& [tenant, batch] : batches) {
    SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients.First("dialplan"));
    batch.request.set_validate_only(validate_only);
    batch.request.clear_request_id();
    SP_ASSIGN_OR_RETURN(const std::unique_ptr<Message> message,
                        CallMethod(endpoint, "ApplyChanges", batch.request));
    const auto& answer = static_cast<const pb::ApplyChangesResponse&>(*message);
    for (const auto& violation : answer.violations()) {
      violations.push_back(
          {PlaceOf(violation.field(), batch), violation.description()});
    }
    for (int i = 0; i < answer.results_size(); ++i) {
      result.outcomes[batch.names[static_cast<size_t>(i)]] =
          WordOf(answer.results(i).outcome());
    }
    for (const pb::PlanFinding& finding : answer.findings()) {
      result.warnings.push_back(
          absl::StrCat("warning: ", finding.resource(), " ", finding.field(),
                       ": ", finding.reason(), ": ", finding.description()));
    }
  }
  if (violations.empty()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInvalidArgument, "CHANGE_REFUSED",
                   "the service would refuse it; nothing was applied",
                   violations);
}

}  // namespace

absl::StatusOr<TogetherResult> ApplyTogether(ServiceClients& clients,
                                             const ChangeSet& set,
                                             const TogetherOptions& options) {
  TogetherResult result;
  std::map<std::string, Batch> batches = BatchesOf(set, options.ignore_missing);
  for (const auto& [tenant, batch] : batches) {
    if (batch.request.changes_size() > kMaxChanges ||
        batch.request.ByteSizeLong() > kMaxOctets) {
      return result;
    }
  }
  absl::Status status;
  if (options.dry_run || batches.size() > 1) {
    status = Ask(clients, batches, /*validate_only=*/true, result);
  }
  if (status.ok() && !options.dry_run) {
    result = TogetherResult();
    status = Ask(clients, batches, /*validate_only=*/false, result);
    if (status.code() == absl::StatusCode::kInvalidArgument) {
      // The refusal has what fits an error; the dry run has every fault.
      result = TogetherResult();
      SP_RETURN_IF_ERROR(Ask(clients, batches, /*validate_only=*/true, result));
    }
  }
  if (status.code() == absl::StatusCode::kUnimplemented) {
    return TogetherResult();
  }
  SP_RETURN_IF_ERROR(status);
  result.done = true;
  return result;
}

}  // namespace sallyport::cli
