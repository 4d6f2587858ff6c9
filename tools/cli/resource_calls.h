// The standard methods, for any kind of resource.

#ifndef SALLYPORT_TOOLS_CLI_RESOURCE_CALLS_H_
#define SALLYPORT_TOOLS_CLI_RESOURCE_CALLS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/service_clients.h"

namespace sallyport::cli {

using ResourceList = std::vector<std::unique_ptr<google::protobuf::Message>>;

// Writes that could not be answered are sent again with the same request_id, so
// that each is done once. Each returns UNIMPLEMENTED, METHOD_NOT_IN_API, where
// the kind has no such method, else what the service answered.

absl::StatusOr<std::unique_ptr<google::protobuf::Message>> GetResource(
    const Endpoint& endpoint, const ResourceKind& kind,
    const std::string& name);

// Every page, up to `limit` resources (0: all). `parent` is not used where the
// kind has none.
absl::StatusOr<ResourceList> ListResources(const Endpoint& endpoint,
                                           const ResourceKind& kind,
                                           const std::string& parent,
                                           const std::string& filter,
                                           size_t limit);

// `resource` has its name in full: parent and id are taken from it.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> CreateResource(
    const Endpoint& endpoint, const ResourceKind& kind,
    const google::protobuf::Message& resource, bool validate_only);

// Changes `fields` (top level) of the resource.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> UpdateResource(
    const Endpoint& endpoint, const ResourceKind& kind,
    const google::protobuf::Message& resource,
    const std::vector<std::string>& fields, bool validate_only);

// Returns what the service answered: Empty, or the resource as it ended.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> DeleteResource(
    const Endpoint& endpoint, const ResourceKind& kind, const std::string& name,
    bool allow_missing, bool validate_only);

// Another unary method of the endpoint's service, by the type of its request,
// whose request_id is set here if it has one.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> CallMethod(
    const Endpoint& endpoint, const std::string& method,
    google::protobuf::Message& request);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_RESOURCE_CALLS_H_
