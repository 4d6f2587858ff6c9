#include "tools/cli/attempts.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"
#include "tools/cli/route_text.h"
#include "tools/cli/yaml_tree.h"

namespace sallyport::cli {
namespace {

using dialplan::v1::ResolveRouteRequest;

// Thread-compatible.
class Reader {
 public:
  Reader(const std::string& tenant, const std::string& file_name)
      : tenant_(tenant), file_name_(file_name) {}

  void Fault(int line, const std::string& field, const std::string& what) {
    faults.push_back({absl::StrCat(file_name_, ":", line, " ", field), what});
  }

  void Read(const YamlNode& document) {
    if (document.IsNull()) return;
    if (!document.IsSequence()) {
      Fault(document.line, "", "is no list of attempts");
      return;
    }
    for (const YamlNodePtr& item : document.items) ReadOne(*item);
  }

  std::vector<ResolveRouteRequest> attempts;
  std::vector<FieldViolation> faults;

 private:
  void ReadOne(const YamlNode& item) {
    ResolveRouteRequest attempt;
    attempt.set_parent(absl::StrCat("tenants/", tenant_));
    if (!item.IsMap()) {
      Fault(item.line, "", "is no attempt: from and to are wanted");
      return;
    }
    for (const auto& [key, value] : item.members) {
      const std::string& name = key->scalar;
      if (!value->IsScalar()) {
        Fault(value->line, name, "must be text");
      } else if (name == "from") {
        if (!SetSource(value->scalar, tenant_, &attempt)) {
          Fault(value->line, name,
                "must be user/NAME, phone/NAME, line/NAME, peer/NAME, "
                "css/NAME or a number");
        }
      } else if (name == "to") {
        attempt.set_called_number(value->scalar);
      } else if (name == "calling_number") {
        attempt.set_calling_number(value->scalar);
      } else {
        Fault(key->line, name, "is not known: from, to, calling_number are");
      }
    }
    if (attempt.called_number().empty()) {
      Fault(item.line, "to", "is required");
    }
    attempts.push_back(std::move(attempt));
  }

  const std::string& tenant_;
  const std::string& file_name_;
};

}  // namespace

absl::StatusOr<std::vector<ResolveRouteRequest>> ParseAttempts(
    const std::string& yaml, const std::string& tenant,
    const std::string& file_name) {
  Reader reader(tenant, file_name);
  const YamlText text = ReadYaml(yaml, YamlLimits());
  for (const YamlFault& fault : text.faults) {
    reader.Fault(fault.line, "", fault.what);
  }
  for (const YamlNodePtr& document : text.documents) reader.Read(*document);
  if (!reader.faults.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "ATTEMPTS_INVALID",
                     "the attempts cannot be read", reader.faults);
  }
  return std::move(reader.attempts);
}

}  // namespace sallyport::cli
