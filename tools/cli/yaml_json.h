// YAML values as the JSON of a message, which protobuf reads.

#ifndef SALLYPORT_TOOLS_CLI_YAML_JSON_H_
#define SALLYPORT_TOOLS_CLI_YAML_JSON_H_

#include <string>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "services/common/status/error_reason.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/yaml_tree.h"

namespace sallyport::cli {

// Writes YAML as the JSON of message types. What is not a value of its field is
// a fault with file, line and path; what it writes without one, protobuf reads.
// Thread-compatible.
class YamlJson {
 public:
  // Short names become names in `tenant`. Files that values name are relative
  // to `file_name`. `faults` must outlive this object.
  YamlJson(std::string tenant, std::string file_name,
           std::vector<FieldViolation>* faults)
      : tenant_(std::move(tenant)),
        file_name_(std::move(file_name)),
        faults_(faults) {}

  // "a.yaml:4 spec.port"
  void Fault(const YamlNode& node, const std::string& path,
             const std::string& description);

  std::string Message(const YamlNode& node,
                      const google::protobuf::Descriptor& type,
                      const std::string& path);

 private:
  using FieldDescriptor = google::protobuf::FieldDescriptor;

  std::string Field(const YamlNode& node, const FieldDescriptor& field,
                    const std::string& path);
  std::string Map(const YamlNode& node, const FieldDescriptor& field,
                  const std::string& path);
  std::string Value(const YamlNode& node, const FieldDescriptor& field,
                    const std::string& path);
  std::string Contents(const YamlNode& node, const std::string& path);
  std::string Bool(const YamlNode& node, const std::string& path);
  std::string Number(const YamlNode& node, const FieldDescriptor& field,
                     const std::string& path);
  std::string Enum(const YamlNode& node,
                   const google::protobuf::EnumDescriptor& type,
                   const std::string& path);
  std::string WellKnown(const YamlNode& node,
                        const google::protobuf::Descriptor& type,
                        const std::string& path);
  std::string Bytes(const YamlNode& node, const std::string& path);
  std::string Reference(const std::string& text, const FieldDescriptor& field);

  const std::string tenant_;
  const std::string file_name_;
  std::vector<FieldViolation>* const faults_;
};

// The field that a key of a manifest stands for: by its name in either style,
// or "certificate" by "certificate_file". Null: none.
const google::protobuf::FieldDescriptor* FieldOfKey(
    const google::protobuf::Descriptor& type, const std::string& key);

// The kind of dialplan that a field holds names of; null if of none.
const ResourceKind* ReferredKind(
    const google::protobuf::FieldDescriptor& field);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_YAML_JSON_H_
