// The kinds of resources that this service has, as the API names them.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_RESOURCE_KIND_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_RESOURCE_KIND_H_

#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "sallyport/dialplan/v1/resource.pb.h"

namespace sallyport::dialplan {

// One kind. Immutable.
struct ResourceKind {
  std::string_view collection;  // "peers", the name's last part but one
  std::string_view singular;    // "peer", the field in requests
  std::string_view plural;      // "peers", the field in list answers
  size_t entry_index;           // its place in PlanEntry

  // Its field in Resource.
  const google::protobuf::FieldDescriptor* field() const;
  // "RoutePattern" and "RoutePatterns", as in names of methods.
  std::string TypeName() const;
  std::string TypeNames() const;
  // "tenants/t/peers/", or "tenants/" for tenants.
  std::string Prefix(std::string_view parent) const;
};

absl::Span<const ResourceKind> ResourceKinds();

// By the name of the field in requests; the process ends if there is none.
const ResourceKind& KindOf(std::string_view singular);

// The kind of what is inside; null if nothing is.
const ResourceKind* FindKind(
    const ::sallyport::dialplan::v1::Resource& resource);

// The message inside, which must be set.
const google::protobuf::Message& InnerOf(
    const ::sallyport::dialplan::v1::Resource& resource);
google::protobuf::Message& MutableInnerOf(
    ::sallyport::dialplan::v1::Resource& resource);

// A singular field by name; the process ends if the message has none.
std::string GetString(const google::protobuf::Message& message,
                      std::string_view field);
bool GetBool(const google::protobuf::Message& message, std::string_view field);
void SetString(google::protobuf::Message& message, std::string_view field,
               std::string value);
const google::protobuf::FieldDescriptor& FieldOf(
    const google::protobuf::Message& message, std::string_view field);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_RESOURCE_KIND_H_
