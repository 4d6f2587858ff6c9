#include "services/dialplan/rpc/resource_methods.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/field_mask.pb.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/list_filter.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/dialplan/rpc/csv_import.h"
#include "services/dialplan/rpc/resource_codec.h"
#include "services/dialplan/rpc/resource_merge.h"
#include "services/dialplan/rpc/resource_shape.h"
#include "services/dialplan/rpc/write_request.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using google::protobuf::FieldDescriptor;
using google::protobuf::FieldMask;
using google::protobuf::Message;
using Verb = PlanEdit::Verb;

constexpr size_t kDefaultPage = 50;
constexpr size_t kMaxPage = 1000;

bool HasField(const Message& message, std::string_view field) {
  return message.GetDescriptor()->FindFieldByName(std::string(field)) !=
         nullptr;
}

// The kind's prefix and one id.
absl::Status CheckName(const ResourceKind& kind, std::string_view field,
                       std::string_view name) {
  const std::string_view tenant =
      kind.singular == "tenant" ? std::string_view() : TenantOf(name);
  const std::string prefix = kind.Prefix(tenant);
  const bool parent_good =
      tenant.empty() ? kind.singular == "tenant" : CheckParent(tenant).ok();
  if (parent_good && name.rfind(prefix, 0) == 0 &&
      IsResourceId(name.substr(prefix.size()))) {
    return absl::OkStatus();
  }
  return BadField(
      field, "NAME_INVALID",
      kind.singular == "tenant"
          ? std::string("must be tenants/{tenant}")
          : absl::StrCat("must be tenants/{tenant}/", AbslView(kind.collection),
                         "/{", AbslView(kind.singular), "}"));
}

// The resource of a write, in its envelope.
pb::Resource WrittenResource(const ResourceKind& kind, const Message& request) {
  pb::Resource out;
  const Message& inner = request.GetReflection()->GetMessage(
      request, &FieldOf(request, kind.singular));
  out.GetReflection()->MutableMessage(&out, kind.field())->CopyFrom(inner);
  return out;
}

void Fill(const pb::Resource& resource, Message& response) {
  response.CopyFrom(InnerOf(resource));
}

// The SIP profile that is in every tenant, written or not (CUC-25); empty for
// other kinds.
std::string StandardName(const ResourceKind& kind, std::string_view tenant) {
  if (kind.singular != "sip_profile" || tenant.empty()) return "";
  return kind.Prefix(tenant) + kStandardSipProfile;
}

pb::Resource StandardProfile(const std::string& name) {
  pb::Resource out;
  out.mutable_sip_profile()->set_name(name);
  out.mutable_sip_profile()->set_display_name("Standard SIP Profile");
  return out;
}

}  // namespace

std::string ResourceMethods::TenantOfRequest(const Message& request) {
  if (HasField(request, "parent")) {
    return std::string(TenantOfName(GetString(request, "parent")));
  }
  if (HasField(request, "name")) {
    return std::string(TenantOfName(GetString(request, "name")));
  }
  // A test of a peer, which is named in full.
  if (const FieldDescriptor* peer =
          request.GetDescriptor()->FindFieldByName("peer");
      peer != nullptr && peer->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    return std::string(TenantOfName(GetString(request, "peer")));
  }
  // An update: the name is in the resource.
  for (const ResourceKind& kind : ResourceKinds()) {
    if (HasField(request, kind.singular) && HasField(request, "update_mask")) {
      const Message& inner = request.GetReflection()->GetMessage(
          request, &FieldOf(request, kind.singular));
      return std::string(TenantOfName(GetString(inner, "name")));
    }
  }
  return "";
}

absl::Status ResourceMethods::Get(const ResourceKind& kind,
                                  const Message& request,
                                  Message& response) const {
  const std::string name = GetString(request, "name");
  SP_RETURN_IF_ERROR(CheckName(kind, "name", name));
  const RecordPtr record = board_.Find(name);
  if (record == nullptr && name == StandardName(kind, TenantOf(name)) &&
      board_.Find(TenantOf(name)) != nullptr) {
    Fill(StandardProfile(name), response);
    return absl::OkStatus();
  }
  if (record == nullptr) {
    return MakeError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                     name + " does not exist");
  }
  Fill(ResourceOf(*record), response);
  return absl::OkStatus();
}

absl::Status ResourceMethods::List(const ResourceKind& kind,
                                   const CallerIdentity& caller,
                                   const Message& request,
                                   Message& response) const {
  const auto* reflection = request.GetReflection();
  std::string parent;
  if (HasField(request, "parent")) {
    parent = GetString(request, "parent");
    SP_RETURN_IF_ERROR(CheckParent(parent));
    if (board_.Find(parent) == nullptr) {
      return MakeError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                       parent + " does not exist");
    }
  }
  const std::string filter_text = GetString(request, "filter");
  SP_ASSIGN_OR_RETURN(
      const ListFilter filter,
      ListFilter::Parse(filter_text, *kind.field()->message_type()));
  const int asked =
      reflection->GetInt32(request, &FieldOf(request, "page_size"));
  if (asked < 0 || asked > static_cast<int>(kMaxPage)) {
    return BadField("page_size", "VALUE_OUT_OF_RANGE", "must be 0 to 1000");
  }
  const size_t size = asked == 0 ? kDefaultPage : static_cast<size_t>(asked);
  const std::string prefix = kind.Prefix(parent);
  const std::string list = prefix + "\n" + filter_text;
  SP_ASSIGN_OR_RETURN(std::string after,
                      tokens_.Read(list, GetString(request, "page_token")));

  const auto* response_reflection = response.GetReflection();
  const FieldDescriptor& items = FieldOf(response, kind.plural);
  size_t listed = 0;
  // False when the page is full.
  const auto add = [&](const std::string& name, const pb::Resource& resource) {
    if (!filter.Matches(InnerOf(resource))) {
      after = name;
      return true;
    }
    if (listed == size) {
      SetString(response, "next_page_token", tokens_.Make(list, after));
      return false;
    }
    response_reflection->AddMessage(&response, &items)
        ->CopyFrom(InnerOf(resource));
    after = name;
    ++listed;
    return true;
  };
  std::string standard = StandardName(kind, parent);
  if (standard <= after || board_.Find(standard) != nullptr) standard.clear();
  for (;;) {
    // One more than a page tells whether there is another one.
    const std::vector<RecordPtr> records =
        parent.empty() ? board_.ListTenants(after, size + 1)
                       : board_.List(prefix, after, size + 1);
    for (const RecordPtr& record : records) {
      const std::string& name = record->name();
      if (parent.empty() &&
          caller.RoleIn(TenantOfName(name)) < OperatorRole::kViewer) {
        after = name;
        continue;
      }
      if (!standard.empty() && standard < name) {
        if (!add(standard, StandardProfile(standard))) return absl::OkStatus();
        standard.clear();
      }
      if (!add(name, ResourceOf(*record))) return absl::OkStatus();
    }
    if (records.size() <= size) {
      if (!standard.empty()) add(standard, StandardProfile(standard));
      return absl::OkStatus();
    }
  }
}

void ResourceMethods::Submit(PlanEdit edit, Message* response, Done done) {
  writer_.Submit(std::move(edit), [response, done = std::move(done)](
                                      absl::StatusOr<EditAnswer> answer) {
    if (answer.ok() && response != nullptr) {
      Fill(ResourceOf(*answer), *response);
    }
    done(answer.status());
  });
}

void ResourceMethods::Create(const ResourceKind& kind,
                             const CallerIdentity& caller,
                             const Message& request, Message* response,
                             Done done) {
  const std::string id = GetString(request, std::string(kind.singular) + "_id");
  std::string parent;
  if (HasField(request, "parent")) {
    parent = GetString(request, "parent");
    if (absl::Status s = CheckParent(parent); !s.ok()) return done(s);
  }
  if (!IsResourceId(id)) {
    return done(BadField(std::string(kind.singular) + "_id", "NAME_INVALID",
                         "must be 1 to 63 of a-z, 0-9, '-' and '_', first a "
                         "letter or digit"));
  }
  if (absl::Status s = CheckRequestId(request); !s.ok()) return done(s);
  PlanEdit edit;
  edit.verb = Verb::kCreate;
  edit.name = kind.Prefix(parent) + id;
  WriteIdentity("create", caller, request, key_).Fill(edit);
  edit.make = [written = WrittenResource(kind, request), name = edit.name](
                  const Plan& plan, const PlanRecord*) {
    return MergedRecord(written, name, FieldMask(), nullptr,
                        plan.Get<TenantEntry>(TenantOf(name)));
  };
  Submit(std::move(edit), response, std::move(done));
}

void ResourceMethods::Update(const ResourceKind& kind,
                             const CallerIdentity& caller,
                             const Message& request, Message* response,
                             Done done) {
  pb::Resource written = WrittenResource(kind, request);
  const Message& inner = InnerOf(written);
  PlanEdit edit;
  edit.verb = Verb::kUpdate;
  edit.name = GetString(inner, "name");
  edit.etag = GetString(inner, "etag");
  edit.allow_missing = GetBool(request, "allow_missing");
  if (absl::Status s =
          CheckName(kind, std::string(kind.singular) + ".name", edit.name);
      !s.ok()) {
    return done(s);
  }
  if (absl::Status s = CheckRequestId(request); !s.ok()) return done(s);
  const auto& mask =
      static_cast<const FieldMask&>(request.GetReflection()->GetMessage(
          request, &FieldOf(request, "update_mask")));
  if (absl::Status s = CheckMask(written, mask); !s.ok()) return done(s);
  WriteIdentity("update", caller, request, key_).Fill(edit);
  edit.make = [written = std::move(written), mask, name = edit.name](
                  const Plan& plan, const PlanRecord* current) {
    return MergedRecord(written, name, mask, current,
                        plan.Get<TenantEntry>(TenantOf(name)));
  };
  Submit(std::move(edit), response, std::move(done));
}

void ResourceMethods::Delete(const ResourceKind& kind,
                             const CallerIdentity& caller,
                             const Message& request, Done done) {
  PlanEdit edit;
  edit.verb = Verb::kDelete;
  edit.name = GetString(request, "name");
  edit.etag = GetString(request, "etag");
  edit.allow_missing = GetBool(request, "allow_missing");
  if (absl::Status s = CheckName(kind, "name", edit.name); !s.ok()) {
    return done(s);
  }
  if (absl::Status s = CheckRequestId(request); !s.ok()) return done(s);
  WriteIdentity("delete", caller, request, key_).Fill(edit);
  Submit(std::move(edit), nullptr, std::move(done));
}

void ResourceMethods::Import(const ResourceKind& kind,
                             const CallerIdentity& caller,
                             const Message& request, pb::ImportResult* result,
                             Done done) {
  const std::string parent = GetString(request, "parent");
  if (absl::Status s = CheckParent(parent); !s.ok()) return done(s);
  if (absl::Status s = CheckRequestId(request); !s.ok()) return done(s);
  if (board_.Find(parent) == nullptr) {
    return done(MakeError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                          parent + " does not exist"));
  }
  CsvImport import = ReadImport(kind, parent, GetString(request, "csv"));
  PlanBatch batch;
  batch.edits = std::move(import.edits);
  WriteIdentity("import", caller, request, key_).Fill(batch);
  // Only to find what else is wrong.
  if (!import.faults.empty()) batch.validate_only = true;
  writer_.Submit(std::move(batch),
                 [&kind, import = std::move(import), result,
                  asks = GetBool(request, "validate_only"),
                  done = std::move(done)](absl::StatusOr<BatchAnswer> answer) {
                   if (!answer.ok()) return done(answer.status());
                   const PlanFaults faults = FaultsOf(kind, import, *answer);
                   if (!faults.empty() && !asks) return done(ToStatus(faults));
                   *result = ImportResultOf(faults, *answer);
                   done(absl::OkStatus());
                 });
}

}  // namespace sallyport::dialplan
