#include "tools/cli/change_set.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/util/field_mask_util.h"
#include "google/protobuf/util/message_differencer.h"
#include "sallyport/dialplan/v1/evaluate_change.pb.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/apply_order.h"
#include "tools/cli/resource_calls.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::FieldMask;
using ::google::protobuf::Message;
using ::google::protobuf::util::FieldMaskUtil;
using ::google::protobuf::util::MessageDifferencer;

std::unique_ptr<Message> Copy(const Message& message) {
  std::unique_ptr<Message> copy(message.New());
  copy->CopyFrom(message);
  return copy;
}

bool SetsWriteOnly(const ManifestEntry& entry) {
  return std::any_of(entry.fields.begin(), entry.fields.end(), IsWriteOnly);
}

std::vector<std::string> FieldsToWrite(const ManifestEntry& entry,
                                       bool replace) {
  std::vector<std::string> fields = entry.fields;
  if (!replace) return fields;
  const auto& type = *entry.kind->message;
  for (int i = 0; i < type.field_count(); ++i) {
    const std::string& name = type.field(i)->name();
    if (name == "name" || name == "etag" || IsOutputOnly(name) ||
        IsWriteOnly(name) ||
        std::count(fields.begin(), fields.end(), name) != 0) {
      continue;
    }
    fields.push_back(name);
  }
  return fields;
}

// `current` with the fields of `wanted` written over its own.
std::unique_ptr<Message> Merged(const Message& current, const Message& wanted,
                                const std::vector<std::string>& fields) {
  FieldMask mask;
  for (const std::string& field : fields) mask.add_paths(field);
  std::unique_ptr<Message> merged = Copy(current);
  FieldMaskUtil::MergeOptions options;
  options.set_replace_message_fields(true);
  options.set_replace_repeated_fields(true);
  FieldMaskUtil::MergeMessageTo(wanted, mask, options, merged.get());
  return merged;
}

std::string EtagOf(const Message& resource) {
  const FieldDescriptor* const field =
      resource.GetDescriptor()->FindFieldByName("etag");
  return field == nullptr
             ? ""
             : resource.GetReflection()->GetString(resource, field);
}

// Whether the service says that writing it changes nothing: it alone can
// compare a password.
bool ChangesHidden(const Endpoint& endpoint, const PlannedWrite& write) {
  const auto answer =
      UpdateResource(endpoint, *write.entry->kind, *write.entry->message,
                     write.fields, /*validate_only=*/true);
  return !answer.ok() || EtagOf(**answer).empty() ||
         EtagOf(**answer) != EtagOf(*write.current);
}

// Null if it is not there.
absl::StatusOr<std::unique_ptr<Message>> Current(const Endpoint& endpoint,
                                                 const ManifestEntry& entry) {
  auto current = GetResource(endpoint, *entry.kind, entry.name);
  if (current.ok()) return current;
  // Of a kind that cannot be updated, the name may be the service's to choose.
  if (current.status().code() == absl::StatusCode::kNotFound ||
      (entry.kind->update == nullptr &&
       current.status().code() == absl::StatusCode::kInvalidArgument)) {
    return std::unique_ptr<Message>();
  }
  return current.status();
}

absl::Status AddPruned(ServiceClients& clients,
                       const std::vector<ManifestEntry>& entries,
                       const ChangeOptions& options, ChangeSet& set) {
  std::set<std::string> kept;
  for (const ManifestEntry& entry : entries) kept.insert(entry.name);
  for (const ResourceKind* const kind : options.prune_kinds) {
    SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients.First(kind->service));
    SP_ASSIGN_OR_RETURN(ResourceList all,
                        ListResources(endpoint, *kind, options.prune_tenant,
                                      /*filter=*/"", /*limit=*/0));
    for (auto& one : all) {
      if (kept.count(NameOf(*one)) != 0 || IsBuiltIn(*one)) continue;
      set.deletes.push_back({kind, std::move(one)});
    }
  }
  OrderForDelete(set.deletes);
  return absl::OkStatus();
}

std::vector<ManifestEntry> EntriesOf(
    const std::vector<PlannedDelete>& deletes) {
  std::vector<ManifestEntry> entries;
  for (const PlannedDelete& one : deletes) {
    ManifestEntry entry;
    entry.kind = one.kind;
    entry.name = NameOf(*one.current);
    entry.message = Copy(*one.current);
    entries.push_back(std::move(entry));
  }
  return entries;
}

// Writes all that can be written of `resource`, whose etag may be an old one.
void Empty(const Endpoint& endpoint, const ResourceKind& kind,
           Message& resource) {
  std::vector<std::string> fields;
  const auto& type = *kind.message;
  for (int i = 0; i < type.field_count(); ++i) {
    const std::string& name = type.field(i)->name();
    if (name == "etag") {
      resource.GetReflection()->ClearField(&resource, type.field(i));
    } else if (name != "name" && !IsOutputOnly(name) && !IsWriteOnly(name)) {
      fields.push_back(name);
    }
  }
  UpdateResource(endpoint, kind, resource, fields, /*validate_only=*/false)
      .IgnoreError();
}

// The changes of dialplan in one tenant, as it is asked.
struct Question {
  pb::EvaluateChangeRequest request;
  std::vector<std::string> places;  // of each change, as an operator finds it
};

// Whose change it is in `request`'s answer: 3 of "changes[3].upsert.peer.fqdn".
size_t PlaceOf(const std::string& field) {
  size_t place = 0;
  const size_t end = field.find(']');
  if (absl::StartsWith(field, "changes[") && end != std::string::npos &&
      absl::SimpleAtoi(field.substr(8, end - 8), &place)) {
    return place;
  }
  return static_cast<size_t>(-1);
}

// "spec.fqdn" of "changes[3].upsert.peer.fqdn".
std::string SpecField(const std::string& field) {
  const size_t upsert = field.find("].upsert.");
  if (upsert == std::string::npos) return "";
  const size_t kind = field.find('.', upsert + 9);
  return kind == std::string::npos ? "" : "spec" + field.substr(kind);
}

// The resource in its envelope.
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

}  // namespace

std::string Described(const ResourceKind& kind, const std::string& name) {
  return absl::StrCat(kind.name, " ", name);
}

absl::StatusOr<ChangeSet> PlanChanges(ServiceClients& clients,
                                      const std::vector<ManifestEntry>& entries,
                                      const ChangeOptions& options) {
  ChangeSet set;
  for (const ManifestEntry& entry : entries) {
    SP_ASSIGN_OR_RETURN(const Endpoint endpoint,
                        clients.First(entry.kind->service));
    PlannedWrite write;
    write.entry = &entry;
    write.hides = SetsWriteOnly(entry);
    write.fields = FieldsToWrite(entry, options.replace);
    SP_ASSIGN_OR_RETURN(write.current, Current(endpoint, entry));
    if (write.current == nullptr) {
      write.wanted = Copy(*entry.message);
      write.changes = true;
    } else {
      write.wanted = Merged(*write.current, *entry.message, write.fields);
      if (entry.kind->update != nullptr && !write.fields.empty()) {
        std::unique_ptr<Message> shown = Copy(*write.wanted);
        for (const char* const field : {"password", "ha1"}) {
          if (const auto* const f = entry.kind->message->FindFieldByName(field);
              f != nullptr) {
            shown->GetReflection()->ClearField(shown.get(), f);
          }
        }
        write.changes = !MessageDifferencer::Equals(*write.current, *shown) ||
                        (write.hides && ChangesHidden(endpoint, write));
      }
    }
    set.writes.push_back(std::move(write));
  }
  SP_RETURN_IF_ERROR(AddPruned(clients, entries, options, set));
  return set;
}

absl::Status CheckChanges(ServiceClients& clients, const ChangeSet& set) {
  std::map<std::string, Question> questions;  // by tenant
  for (const PlannedWrite& write : set.writes) {
    const ManifestEntry& entry = *write.entry;
    if (!write.changes || entry.kind->service != "dialplan") continue;
    Question& question = questions[TenantNameOf(entry.name)];
    Wrap(*write.wanted, *question.request.add_changes()->mutable_upsert());
    question.places.push_back(
        absl::StrCat(entry.file, ":", entry.line, " ", entry.name));
  }
  for (const PlannedDelete& one : set.deletes) {
    if (one.kind->service != "dialplan") continue;
    const std::string& name = NameOf(*one.current);
    Question& question = questions[TenantNameOf(name)];
    question.request.add_changes()->set_delete_(name);
    question.places.push_back(absl::StrCat("delete ", name));
  }
  std::vector<FieldViolation> violations;
  for (auto& [tenant, question] : questions) {
    SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients.First("dialplan"));
    question.request.set_parent(tenant);
    SP_ASSIGN_OR_RETURN(
        const std::unique_ptr<Message> answer,
        CallMethod(endpoint, "EvaluateChange", question.request));
    for (const auto& violation :
         static_cast<const pb::EvaluateChangeResponse&>(*answer).violations()) {
      const size_t place = PlaceOf(violation.field());
      violations.push_back({place < question.places.size()
                                ? absl::StrCat(question.places[place], " ",
                                               SpecField(violation.field()))
                                : violation.field(),
                            violation.description()});
    }
  }
  if (violations.empty()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInvalidArgument, "CHANGE_REFUSED",
                   "the service would refuse it; nothing was applied",
                   violations);
}

void OrderForDelete(std::vector<PlannedDelete>& deletes) {
  const std::vector<ManifestEntry> entries = EntriesOf(deletes);
  std::map<std::string, size_t> rank;
  for (const ApplyStep& step : OrderForApply(entries, {})) {
    rank.emplace(step.entry->name, rank.size());
  }
  std::sort(deletes.begin(), deletes.end(),
            [&](const PlannedDelete& a, const PlannedDelete& b) {
              return rank[NameOf(*a.current)] > rank[NameOf(*b.current)];
            });
}

void DeleteAll(ServiceClients& clients,
               const std::vector<PlannedDelete>& deletes,
               const DeleteOptions& options, const DeleteReport& report) {
  const std::vector<ManifestEntry> entries = EntriesOf(deletes);
  std::map<const ManifestEntry*, const PlannedDelete*> by_entry;
  for (size_t i = 0; i < entries.size(); ++i) {
    by_entry[&entries[i]] = &deletes[i];
  }
  std::vector<ApplyStep> steps = OrderForApply(entries, {});
  std::map<const ManifestEntry*, Message*> firsts;
  for (const ApplyStep& step : steps) {
    if (!step.completes) firsts[step.entry] = step.message.get();
  }
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    const ManifestEntry& entry = *step->entry;
    const auto endpoint = clients.First(entry.kind->service);
    if (step->completes) {
      // What an apply would write second is taken back first. If that fails,
      // so does a delete, and tells why.
      if (endpoint.ok() && !options.dry_run) {
        Empty(*endpoint, *entry.kind, *firsts[&entry]);
      }
      continue;
    }
    const absl::Status status =
        endpoint.ok() ? DeleteResource(*endpoint, *entry.kind, entry.name,
                                       options.ignore_missing, options.dry_run)
                            .status()
                      : endpoint.status();
    report(*by_entry[&entry], status);
    if (status.code() == absl::StatusCode::kUnavailable) return;
  }
}

}  // namespace sallyport::cli
