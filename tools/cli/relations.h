// What a resource refers to, and what refers to it.

#ifndef SALLYPORT_TOOLS_CLI_RELATIONS_H_
#define SALLYPORT_TOOLS_CLI_RELATIONS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "tools/cli/cli_context.h"
#include "tools/cli/resource_kinds.h"

namespace sallyport::cli {

// Each field of `resource`, with its path, that names one of dialplan.
std::vector<std::pair<std::string, std::string>> ReferencesOf(
    const google::protobuf::Message& resource);

// A field that can hold names of a kind.
struct ReferringField {
  std::string path;      // "forward_all.calling_search_space"
  bool in_list = false;  // of a message in a list: no filter can name it
};
std::vector<ReferringField> FieldsReferringTo(
    const google::protobuf::Descriptor& type, const ResourceKind& kind);

// Prints both of a resource of dialplan, as its service tells them.
absl::Status PrintRelations(CliContext& context, const ResourceKind& kind,
                            const google::protobuf::Message& resource);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_RELATIONS_H_
