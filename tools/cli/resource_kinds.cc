#include "tools/cli/resource_kinds.h"

#include <cctype>
#include <iterator>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/cli/service_clients.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::DescriptorPool;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::MessageFactory;
using ::google::protobuf::MethodDescriptor;
using ::google::protobuf::ServiceDescriptor;

constexpr const char* kServices[] = {
    "sallyport.dialplan.v1.DialplanService",
    "sallyport.signaling_edge.v1.SignalingEdgeService",
    "sallyport.media_relay.v1.MediaRelayService",
    "sallyport.credential_issuer.v1.CredentialIssuerService",
    "sallyport.capf.v1.CapfService",
};

std::string Normalized(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c != '-' && c != '_') out += absl::ascii_tolower(c);
  }
  return out;
}

bool HasName(const Descriptor& type) {
  return type.FindFieldByName("name") != nullptr;
}

// The resources that a List answers; null if it is not that.
const FieldDescriptor* ListedField(const MethodDescriptor& method) {
  if (!absl::StartsWith(method.name(), "List")) return nullptr;
  const Descriptor* const answer = method.output_type();
  for (int i = 0; i < answer->field_count(); ++i) {
    const FieldDescriptor* const field = answer->field(i);
    if (field->is_repeated() && field->message_type() != nullptr) return field;
  }
  return nullptr;
}

void AddKinds(const ServiceDescriptor& service,
              std::vector<ResourceKind>* kinds) {
  std::vector<ResourceKind> found;
  const auto find = [&](const Descriptor* message) -> ResourceKind* {
    for (ResourceKind& kind : found) {
      if (kind.message == message) return &kind;
    }
    return nullptr;
  };
  const auto add = [&](const Descriptor* message) -> ResourceKind& {
    if (ResourceKind* const known = find(message)) return *known;
    ResourceKind kind;
    kind.name = message->name();
    kind.message = message;
    kind.service = ServiceNameOf(service);
    found.push_back(kind);
    return found.back();
  };
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor* const method = service.method(i);
    const Descriptor* const answer = method->output_type();
    if (method->name() == "Get" + answer->name() && HasName(*answer) &&
        HasName(*method->input_type())) {
      add(answer).get = method;
    } else if (const FieldDescriptor* const field = ListedField(*method)) {
      ResourceKind& kind = add(field->message_type());
      kind.list = method;
      kind.plural = method->name().substr(4);
      kind.in_tenant =
          method->input_type()->FindFieldByName("parent") != nullptr;
    }
  }
  for (ResourceKind& kind : found) {
    kind.create = service.FindMethodByName("Create" + kind.name);
    kind.update = service.FindMethodByName("Update" + kind.name);
    kind.remove = service.FindMethodByName("Delete" + kind.name);
    if (kind.plural.empty()) kind.plural = kind.name;
    kind.collection = kind.plural;
    kind.collection[0] = absl::ascii_tolower(kind.collection[0]);
  }
  kinds->insert(kinds->end(), found.begin(), found.end());
}

std::vector<ResourceKind> FindAll() {
  std::vector<ResourceKind> kinds;
  for (const char* const name : kServices) {
    const ServiceDescriptor* const service =
        DescriptorPool::generated_pool()->FindServiceByName(name);
    if (service != nullptr) AddKinds(*service, &kinds);
  }
  return kinds;
}

}  // namespace

std::vector<const char*> ServiceFullNames() {
  return {std::begin(kServices), std::end(kServices)};
}

const std::vector<ResourceKind>& ResourceKinds() {
  static const auto* const kinds = new std::vector<ResourceKind>(FindAll());
  return *kinds;
}

const ResourceKind* FindKind(const std::string& text) {
  static const auto* const short_names = new std::map<std::string, std::string>{
      {"css", "callingsearchspace"}, {"cert", "certificate"},
      {"certs", "certificate"},      {"pattern", "routepattern"},
      {"patterns", "routepattern"},  {"ca", "certificateauthority"},
  };
  std::string wanted = Normalized(text);
  if (const auto it = short_names->find(wanted); it != short_names->end()) {
    wanted = it->second;
  }
  for (const ResourceKind& kind : ResourceKinds()) {
    if (wanted == Normalized(kind.name) || wanted == Normalized(kind.plural)) {
      return &kind;
    }
  }
  return nullptr;
}

std::string FullName(const ResourceKind& kind, const std::string& tenant,
                     const std::string& name) {
  if (absl::StrContains(name, "/")) return name;
  const std::string own = absl::StrCat(kind.collection, "/", name);
  if (kind.name == "Tenant" || !kind.in_tenant) return own;
  return absl::StrCat("tenants/", tenant, "/", own);
}

std::string ShortName(const std::string& name) {
  return name.substr(name.rfind('/') + 1);
}

std::string SnakeCase(const std::string& camel) {
  std::string out;
  for (const char c : camel) {
    if (absl::ascii_isupper(c) && !out.empty()) out += '_';
    out += absl::ascii_tolower(c);
  }
  return out;
}

bool IsOutputOnly(const std::string& field) {
  return field == "create_time" || field == "update_time" ||
         field == "has_credentials" || field == "status_time" ||
         field == "active";
}

bool IsBuiltIn(const google::protobuf::Message& resource) {
  const auto* const etag = resource.GetDescriptor()->FindFieldByName("etag");
  return etag != nullptr &&
         resource.GetReflection()->GetString(resource, etag).empty();
}

bool IsWriteOnly(const std::string& field) {
  return field == "password" || field == "ha1";
}

const std::string& NameOf(const Message& resource) {
  static const auto* const none = new std::string;
  std::string unused;
  const FieldDescriptor* const field =
      resource.GetDescriptor()->FindFieldByName("name");
  return field == nullptr ? *none
                          : resource.GetReflection()->GetStringReference(
                                resource, field, &unused);
}

std::string TenantNameOf(const std::string& name) {
  if (!absl::StartsWith(name, "tenants/")) return "";
  return name.substr(0, name.find('/', sizeof("tenants/") - 1));
}

std::unique_ptr<Message> NewMessage(const Descriptor* type) {
  return std::unique_ptr<Message>(
      MessageFactory::generated_factory()->GetPrototype(type)->New());
}

}  // namespace sallyport::cli
