#include "services/dialplan/rpc/access_rules.h"

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "sallyport/dialplan/v1/dialplan_service.pb.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"

namespace sallyport::dialplan {
namespace {

constexpr char kService[] = "sallyport.dialplan.v1.DialplanService";

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

OperatorRole RoleFor(std::string_view method) {
  if (method == "CreateTenant" || method == "UpdateTenant" ||
      method == "DeleteTenant" || method == "ListAuditRecords") {
    return OperatorRole::kAdmin;
  }
  if (StartsWith(method, "Get") || StartsWith(method, "List") ||
      method == "ResolveRoute" || method == "ResolveRoutes" ||
      method == "EvaluateChange") {
    return OperatorRole::kViewer;
  }
  return OperatorRole::kOperator;
}

}  // namespace

std::string MethodPath(std::string_view method) {
  return absl::StrCat("/", kService, "/", AbslView(method));
}

std::vector<MethodRule> DialplanAccessRules(
    const std::vector<std::string>& watchers) {
  // Links the descriptors in.
  const google::protobuf::ServiceDescriptor* service =
      ::sallyport::dialplan::v1::WatchSnapshotRequest::descriptor()
          ->file()
          ->pool()
          ->FindServiceByName(kService);
  std::vector<MethodRule> rules;
  for (int i = 0; i < service->method_count(); ++i) {
    const std::string& name = service->method(i)->name();
    MethodRule rule;
    rule.method = MethodPath(name);
    if (name == "WatchSnapshot" || name == "ReportSnapshotVersion") {
      rule.services = watchers;
    } else {
      rule.operator_role = RoleFor(name);
      // A procedure of capf sets the cluster security mode, and nothing else:
      // ServiceMayUpdate().
      if (name == "GetTenant" || name == "UpdateTenant") {
        rule.services = {"capf"};
      }
    }
    rules.push_back(rule);
  }
  return rules;
}

absl::Status ServiceMayUpdate(
    const ::sallyport::dialplan::v1::UpdateTenantRequest& request) {
  const auto& paths = request.update_mask().paths();
  if (paths.size() == 1 && paths[0] == "cluster_security_mode" &&
      !request.allow_missing()) {
    return absl::OkStatus();
  }
  return MakeError(absl::StatusCode::kPermissionDenied, "FIELD_NOT_ALLOWED",
                   "a service changes cluster_security_mode and nothing else");
}

}  // namespace sallyport::dialplan
