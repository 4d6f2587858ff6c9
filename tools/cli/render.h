// Messages as JSON, YAML or tables.

#ifndef SALLYPORT_TOOLS_CLI_RENDER_H_
#define SALLYPORT_TOOLS_CLI_RENDER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "tools/cli/resource_kinds.h"

namespace sallyport::cli {

enum class OutputFormat { kTable, kJson, kYaml, kName };

// A header and the path of a field (FieldText).
using Column = std::pair<std::string, std::string>;

// One JSON object, indented, by protobuf's mapping: lowerCamel field names.
std::string ToJson(const google::protobuf::Message& message);

// One YAML document without "---", as `apply` reads it back: `kind`, `name`,
// and the other fields under `spec`; only the fields if `kind` is empty. Of a
// kind that can be applied, what the service alone sets is left out, and a
// comment says of credentials that nobody can read them back.
// Strings that other readers could take for something else are quoted.
std::string ToYaml(const google::protobuf::Message& message,
                   const std::string& kind);

// A list in any format: JSON as {"peers": [...]}, YAML as documents, names in
// full, one in a line.
std::string RenderList(
    const std::vector<const google::protobuf::Message*>& messages,
    OutputFormat format, const ResourceKind& kind,
    const std::vector<Column>& columns);

// One message: a table has a line for each field that is set.
std::string RenderOne(const google::protobuf::Message& message,
                      OutputFormat format, const std::string& kind);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_RENDER_H_
