#include "services/dialplan/rpc/resource_codec.h"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/timestamp.pb.h"
#include "services/common/bytes/string_view.h"
#include "services/common/config/proto_time.h"
#include "services/common/plan_snapshot/snapshot_proto.h"
#include "services/common/status/error_reason.h"
#include "services/dialplan/rpc/resource_kind.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Which field names one of which collection. All kinds, and the messages
// inside, share the same names.
struct ReferenceField {
  std::string_view field;
  std::string_view collection;
};
constexpr ReferenceField kReferenceFields[] = {
    {"called_party_transformation_search_space", "callingSearchSpaces"},
    {"calling_party_transformation_search_space", "callingSearchSpaces"},
    {"calling_search_space", "callingSearchSpaces"},
    {"default_dial_plan", "dialPlans"},
    {"dial_plan", "dialPlans"},
    {"dialling_restriction", "diallingRestrictions"},
    {"digest_user", "users"},
    {"hunt_list", "huntLists"},
    {"line", "lines"},
    {"line_group", "lineGroups"},
    {"line_groups", "lineGroups"},
    {"lines", "lines"},
    {"out_of_dialog_refer_calling_search_space", "callingSearchSpaces"},
    {"owner_user", "users"},
    {"partition", "partitions"},
    {"partitions", "partitions"},
    {"peer", "peers"},
    {"peers", "peers"},
    {"phone_security_profile", "phoneSecurityProfiles"},
    {"phone_system", "phoneSystems"},
    {"rerouting_calling_search_space", "callingSearchSpaces"},
    {"route_list", "routeLists"},
    {"server_group", "serverGroups"},
    {"sip_certificate", "sipCertificates"},
    {"sip_profile", "sipProfiles"},
    {"trunk_security_profile", "trunkSecurityProfiles"},
    {"users", "users"},
    {"voicemail_pilot", "voicemailPilots"},
    {"voicemail_profile", "voicemailProfiles"},
};

// The references of a message and of those inside it, by their paths.
void AddReferences(const Message& message, const std::string& path,
                   std::vector<Reference>& out) {
  const auto* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const bool is_message =
        field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    const std::string_view collection =
        field->cpp_type() == FieldDescriptor::CPPTYPE_STRING
            ? ReferredCollection(field->name())
            : std::string_view();
    if (!is_message && collection.empty()) continue;
    const std::string at = absl::StrCat(path, ".", field->name());
    if (!field->is_repeated()) {
      if (is_message) {
        AddReferences(reflection->GetMessage(message, field), at, out);
      } else if (std::string target = reflection->GetString(message, field);
                 !target.empty()) {
        out.push_back({at, std::move(target), std::string(collection)});
      }
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      const std::string item = absl::StrCat(at, "[", i, "]");
      if (is_message) {
        AddReferences(reflection->GetRepeatedMessage(message, field, i), item,
                      out);
      } else {
        out.push_back({item, reflection->GetRepeatedString(message, field, i),
                       std::string(collection)});
      }
    }
  }
}

void SetTime(Message& message, std::string_view field, absl::Time time) {
  Message* inner = message.GetReflection()->MutableMessage(
      &message, &FieldOf(message, field));
  *static_cast<google::protobuf::Timestamp*>(inner) = ToProto(time);
}

pb::Resource Decode(const std::string& body, const std::string& etag,
                    absl::Time create_time, absl::Time update_time) {
  pb::Resource out;
  out.ParseFromString(body);  // we wrote it
  Message& inner = MutableInnerOf(out);
  SetString(inner, "etag", etag);
  SetTime(inner, "create_time", create_time);
  SetTime(inner, "update_time", update_time);
  return out;
}

}  // namespace

std::string_view ReferredCollection(std::string_view field) {
  for (const ReferenceField& known : kReferenceFields) {
    if (known.field == field) return known.collection;
  }
  return {};
}

std::vector<Reference> ReferencesOf(const pb::Resource& resource) {
  std::vector<Reference> out;
  AddReferences(InnerOf(resource),
                resource.GetReflection()
                    ->GetOneofFieldDescriptor(
                        resource, pb::Resource::descriptor()->oneof_decl(0))
                    ->name(),
                out);
  // What is in force of a TLS context is mostly what is configured; nobody is
  // told twice of one fault.
  const auto in_force = [](const Reference& one) {
    return one.field.starts_with("tls_context.active.");
  };
  std::set<std::string> configured;
  for (const Reference& one : out) {
    if (!in_force(one)) configured.insert(one.target);
  }
  std::erase_if(out, [&](const Reference& one) {
    return in_force(one) && configured.contains(one.target);
  });
  return out;
}

PlanRecord RecordOf(pb::Resource resource, const Ha1Hashes& hashes) {
  Message& inner = MutableInnerOf(resource);
  for (const char* field : {"etag", "create_time", "update_time"}) {
    inner.GetReflection()->ClearField(&inner, &FieldOf(inner, field));
  }
  if (resource.has_user()) {
    resource.mutable_user()->clear_password();
    resource.mutable_user()->clear_ha1();
    resource.mutable_user()->set_has_credentials(!hashes.md5.empty() ||
                                                 !hashes.sha256.empty());
  }
  PlanRecord out;
  out.entry = *EntryOf(resource);
  if (auto* user = std::get_if<UserEntry>(&out.entry)) {
    user->ha1_md5 = hashes.md5;
    user->ha1_sha256 = hashes.sha256;
  }
  out.references = ReferencesOf(resource);
  out.body = resource.SerializeAsString();
  return out;
}

absl::StatusOr<RecordPtr> RecordOf(const StoredResource& stored) {
  pb::Resource resource;
  if (!resource.ParseFromString(stored.body) ||
      !EntryOf(resource).has_value() || NameOf(resource) != stored.name) {
    return MakeError(
        absl::StatusCode::kDataLoss, "STORE_CORRUPT",
        absl::StrCat("what is stored as ", stored.name, " is not it"));
  }
  auto out = std::make_shared<PlanRecord>(
      RecordOf(std::move(resource), {stored.ha1_md5, stored.ha1_sha256}));
  out->etag = stored.etag;
  out->create_time = stored.create_time;
  out->update_time = stored.update_time;
  return RecordPtr(std::move(out));
}

pb::Resource ResourceOf(const PlanRecord& record) {
  return Decode(record.body, record.etag, record.create_time,
                record.update_time);
}

pb::Resource ResourceOf(const EditAnswer& answer) {
  return Decode(answer.body, answer.etag, answer.create_time,
                answer.update_time);
}

pb::Resource ResourceWithSecrets(const PlanRecord& record) {
  pb::Resource out = ResourceOf(record);
  if (const auto* user = std::get_if<UserEntry>(&record.entry)) {
    out.mutable_user()->set_ha1(user->digest_algorithm == DigestAlgorithm::kMd5
                                    ? user->ha1_md5
                                    : user->ha1_sha256);
  }
  return out;
}

}  // namespace sallyport::dialplan
