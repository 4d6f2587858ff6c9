#include "services/dialplan/rpc/resource_kind.h"

#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/check.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// In the order of PlanEntry.
constexpr ResourceKind kKinds[] = {
    {"tenants", "tenant", "tenants", 0},
    {"dialPlans", "dial_plan", "dial_plans", 1},
    {"peers", "peer", "peers", 2},
    {"users", "user", "users", 3},
    {"phones", "phone", "phones", 4},
    {"partitions", "partition", "partitions", 5},
    {"callingSearchSpaces", "calling_search_space", "calling_search_spaces", 6},
    {"routePatterns", "route_pattern", "route_patterns", 7},
};

}  // namespace

const FieldDescriptor* ResourceKind::field() const {
  return pb::Resource::descriptor()->FindFieldByName(std::string(singular));
}

std::string ResourceKind::Prefix(std::string_view parent) const {
  if (parent.empty()) return "tenants/";
  return absl::StrCat(AbslView(parent), "/", AbslView(collection), "/");
}

absl::Span<const ResourceKind> ResourceKinds() { return kKinds; }

const ResourceKind& KindOf(std::string_view singular) {
  for (const ResourceKind& kind : kKinds) {
    if (kind.singular == singular) return kind;
  }
  SP_CHECK(false);
  return kKinds[0];
}

const Message& InnerOf(const pb::Resource& resource) {
  const auto* reflection = resource.GetReflection();
  const FieldDescriptor* set = reflection->GetOneofFieldDescriptor(
      resource, pb::Resource::descriptor()->oneof_decl(0));
  SP_CHECK(set != nullptr);
  return reflection->GetMessage(resource, set);
}

Message& MutableInnerOf(pb::Resource& resource) {
  const auto* reflection = resource.GetReflection();
  const FieldDescriptor* set = reflection->GetOneofFieldDescriptor(
      resource, pb::Resource::descriptor()->oneof_decl(0));
  SP_CHECK(set != nullptr);
  return *reflection->MutableMessage(&resource, set);
}

const FieldDescriptor& FieldOf(const Message& message, std::string_view field) {
  const FieldDescriptor* found =
      message.GetDescriptor()->FindFieldByName(std::string(field));
  SP_CHECK(found != nullptr);
  return *found;
}

std::string GetString(const Message& message, std::string_view field) {
  return message.GetReflection()->GetString(message, &FieldOf(message, field));
}

bool GetBool(const Message& message, std::string_view field) {
  return message.GetReflection()->GetBool(message, &FieldOf(message, field));
}

void SetString(Message& message, std::string_view field, std::string value) {
  message.GetReflection()->SetString(&message, &FieldOf(message, field),
                                     std::move(value));
}

}  // namespace sallyport::dialplan
