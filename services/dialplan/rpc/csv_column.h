// A column of an imported table: a field of a resource, by its path.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_CSV_COLUMN_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_CSV_COLUMN_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace sallyport::dialplan {

// One field that a cell can hold: text, number, switch, choice, duration, or a
// list of texts ("a; b"). Names of resources may be short. Immutable.
class CsvColumn {
 public:
  // `path` is "username" or "forward_all.number". NOT_FOUND, reason
  // CSV_HEADER_INVALID, if `type` has no such field, it is set by the service
  // alone, or no cell could hold it.
  static absl::StatusOr<CsvColumn> Find(
      const google::protobuf::Descriptor& type, std::string_view path);

  // Sets the field of `message`; an empty cell clears it, and so does false
  // where it is one choice among several. `tenant` ("tenants/t") is that of
  // short names. INVALID_ARGUMENT, reason VALUE_INVALID, if the text is no such
  // value; its message goes after the field's name.
  absl::Status Set(const std::string& cell, std::string_view tenant,
                   google::protobuf::Message& message) const;

  const std::string& path() const { return path_; }

 private:
  using Path = std::vector<const google::protobuf::FieldDescriptor*>;

  CsvColumn(std::string path, Path fields)
      : path_(std::move(path)), fields_(std::move(fields)) {}

  absl::Status SetAt(size_t depth, const std::string& cell,
                     std::string_view tenant,
                     google::protobuf::Message& message) const;
  absl::Status SetValue(const std::string& cell, std::string_view tenant,
                        google::protobuf::Message& message) const;

  std::string path_;
  Path fields_;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_CSV_COLUMN_H_
