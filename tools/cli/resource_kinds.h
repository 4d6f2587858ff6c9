// The kinds of resources of all services, found in their descriptors: a new
// resource of the API needs no line here.

#ifndef SALLYPORT_TOOLS_CLI_RESOURCE_KINDS_H_
#define SALLYPORT_TOOLS_CLI_RESOURCE_KINDS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace sallyport::cli {

// One kind and the methods that there are for it; null where there is none.
struct ResourceKind {
  std::string name;        // "RoutePattern"
  std::string plural;      // "RoutePatterns"
  std::string collection;  // "routePatterns"
  std::string service;     // "dialplan"
  bool in_tenant = true;   // its names begin with tenants/{tenant}/
  const google::protobuf::Descriptor* message = nullptr;
  const google::protobuf::MethodDescriptor* get = nullptr;
  const google::protobuf::MethodDescriptor* list = nullptr;
  const google::protobuf::MethodDescriptor* create = nullptr;
  const google::protobuf::MethodDescriptor* update = nullptr;
  const google::protobuf::MethodDescriptor* remove = nullptr;
};

// The five services, "sallyport.dialplan.v1.DialplanService" first.
std::vector<const char*> ServiceFullNames();

// Every kind of the five services, in the order of their service files. Made
// once; lives as long as the process.
const std::vector<ResourceKind>& ResourceKinds();

// By name or plural, whatever the case, with or without "-" and "_": "peer",
// "route-patterns", "CallingSearchSpace", or the short "css". Null: unknown.
const ResourceKind* FindKind(const std::string& text);

// "gw" becomes "tenants/<tenant>/peers/gw"; a name with "/" stays.
std::string FullName(const ResourceKind& kind, const std::string& tenant,
                     const std::string& name);

// "gw" of "tenants/default/peers/gw".
std::string ShortName(const std::string& name);

// "route_pattern" of "RoutePattern".
std::string SnakeCase(const std::string& camel);

// Set by services alone: a manifest may hold it, and it is passed over.
bool IsOutputOnly(const std::string& field);
// There without being stored, as the standard SIP profile is: neither exported
// nor deleted.
bool IsBuiltIn(const google::protobuf::Message& resource);
// Taken by services and never shown: what is stored cannot be compared.
bool IsWriteOnly(const std::string& field);

// The name of a resource, in full.
const std::string& NameOf(const google::protobuf::Message& resource);
// "tenants/t" of a name in it and of its own; empty if it is of no tenant.
std::string TenantNameOf(const std::string& name);

// An empty message of a linked type.
std::unique_ptr<google::protobuf::Message> NewMessage(
    const google::protobuf::Descriptor* type);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_RESOURCE_KINDS_H_
