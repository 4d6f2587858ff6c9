#include "services/common/rpc/access_policy.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "grpc/grpc_security_constants.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::common::config::v1;
using ::google::protobuf::DescriptorPool;
using ::google::protobuf::ServiceDescriptor;

// Open to every verified caller, whatever its roles.
constexpr const char* kOpenMethods[] = {
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
};

// Of every service, for operators who may look.
constexpr const char* kViewerMethods[] = {
    "/sallyport.common.v1.ProcessService/GetProcess",
};

// The same, for operators who may change the process.
constexpr const char* kAdminMethods[] = {
    "/sallyport.common.v1.ProcessService/RestartProcess",
    "/sallyport.common.v1.ProcessService/StartProcess",
    "/sallyport.common.v1.ProcessService/StopProcess",
};

OperatorRole FromProto(pb::Role role) {
  switch (role) {
    case pb::ROLE_VIEWER:
      return OperatorRole::kViewer;
    case pb::ROLE_OPERATOR:
      return OperatorRole::kOperator;
    case pb::ROLE_ADMIN:
      return OperatorRole::kAdmin;
    default:
      return OperatorRole::kNone;
  }
}

absl::Status Denied(std::string_view reason, const std::string& message) {
  return MakeError(absl::StatusCode::kPermissionDenied, reason, message);
}

// The linked service of "/package.Service/Method", or nullptr.
const ServiceDescriptor* ServiceOf(const std::string& method) {
  const size_t slash = method.rfind('/');
  if (method.empty() || method[0] != '/' || slash == 0) return nullptr;
  return DescriptorPool::generated_pool()->FindServiceByName(
      method.substr(1, slash - 1));
}

}  // namespace

absl::StatusOr<AccessPolicy> AccessPolicy::Create(
    const pb::ServerConfig& config, const std::vector<MethodRule>& rules) {
  AccessPolicy policy;
  std::vector<std::string> faults;
  policy.trust_domain_ = config.trust_domain();
  for (const pb::RoleBinding& binding : config.role_bindings()) {
    SP_ASSIGN_OR_RETURN(const SpiffeId id, ParseSpiffeId(binding.identity(),
                                                         policy.trust_domain_));
    if (!id.is_operator) {
      faults.push_back(absl::StrCat(binding.identity(), " is no operator"));
      continue;
    }
    CallerIdentity::Roles& roles = policy.roles_by_operator_[id.name];
    for (const std::string& tenant : binding.tenants()) {
      OperatorRole& role = roles[tenant];
      role = std::max(role, FromProto(binding.role()));
    }
  }
  std::set<const ServiceDescriptor*> services;
  for (const MethodRule& rule : rules) {
    const ServiceDescriptor* const service = ServiceOf(rule.method);
    if (service == nullptr || service->FindMethodByName(rule.method.substr(
                                  rule.method.rfind('/') + 1)) == nullptr) {
      faults.push_back(absl::StrCat(rule.method, " is no method"));
      continue;
    }
    services.insert(service);
    if (!policy.rules_
             .try_emplace(rule.method, Rule{rule.services, rule.operator_role})
             .second) {
      faults.push_back(absl::StrCat(rule.method, " has two rules"));
    }
  }
  for (const ServiceDescriptor* service : services) {
    for (int i = 0; i < service->method_count(); ++i) {
      const std::string method = absl::StrCat("/", service->full_name(), "/",
                                              service->method(i)->name());
      if (!policy.rules_.contains(method)) {
        faults.push_back(absl::StrCat(method, " has no rule"));
      }
    }
  }
  if (!faults.empty()) {
    return absl::InvalidArgumentError(absl::StrJoin(faults, "; "));
  }
  for (const char* method : kOpenMethods) {
    policy.rules_[method] = Rule{{}, OperatorRole::kNone, true};
  }
  for (const char* method : kViewerMethods) {
    policy.rules_[method] = Rule{{}, OperatorRole::kViewer};
  }
  for (const char* method : kAdminMethods) {
    policy.rules_[method] = Rule{{}, OperatorRole::kAdmin};
  }
  for (const auto& entry : policy.rules_) {
    policy.methods_.push_back(entry.first);
  }
  std::sort(policy.methods_.begin(), policy.methods_.end());
  return policy;
}

absl::StatusOr<CallerIdentity> AccessPolicy::Identify(
    const grpc::AuthContext& context) const {
  const auto missing = [] {
    return MakeError(absl::StatusCode::kUnauthenticated,
                     "PEER_CERTIFICATE_MISSING",
                     "the connection has no verified client certificate");
  };
  const auto transport =
      context.FindPropertyValues(GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME);
  if (!context.IsPeerAuthenticated() && transport.empty()) return missing();
  const auto certificate =
      context.FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (certificate.empty()) return missing();
  std::vector<std::string> uris;
  for (const auto& uri :
       context.FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME)) {
    uris.emplace_back(uri.data(), uri.size());
  }
  return Identify(uris);
}

absl::StatusOr<CallerIdentity> AccessPolicy::Identify(
    absl::Span<const std::string> uris) const {
  if (uris.size() != 1) {
    return MakeError(absl::StatusCode::kUnauthenticated,
                     "PEER_IDENTITY_MISMATCH",
                     "the certificate must have exactly one URI SAN");
  }
  SP_ASSIGN_OR_RETURN(SpiffeId id, ParseSpiffeId(uris[0], trust_domain_));
  if (!id.is_operator) return CallerIdentity::Service(std::move(id.name));
  const auto it = roles_by_operator_.find(id.name);
  return CallerIdentity::Operator(
      std::move(id.name),
      it == roles_by_operator_.end() ? CallerIdentity::Roles() : it->second);
}

const AccessPolicy::Rule* AccessPolicy::Find(std::string_view method) const {
  const auto it = rules_.find(AbslView(method));
  return it == rules_.end() ? nullptr : &it->second;
}

absl::Status AccessPolicy::CheckMethod(const CallerIdentity& caller,
                                       std::string_view method) const {
  const Rule* const rule = Find(method);
  if (rule == nullptr) {
    return Denied("METHOD_NOT_LISTED", "no rule admits anyone to this method");
  }
  if (rule->any_verified) return absl::OkStatus();
  if (caller.is_service()) {
    if (std::find(rule->services.begin(), rule->services.end(),
                  caller.name()) != rule->services.end()) {
      return absl::OkStatus();
    }
    return Denied(
        "CALLER_NOT_ACCEPTED",
        absl::StrCat(caller.ToString(), " may not call ", AbslView(method)));
  }
  if (rule->operator_role == OperatorRole::kNone) {
    return Denied("CALLER_NOT_ACCEPTED",
                  absl::StrCat("no operator may call ", AbslView(method)));
  }
  if (caller.HighestRole() < rule->operator_role) {
    return Denied(
        "ROLE_TOO_LOW",
        absl::StrCat(AbslView(method), " needs the role ",
                     AbslView(OperatorRoleName(rule->operator_role))));
  }
  return absl::OkStatus();
}

absl::Status AccessPolicy::CheckTenant(const CallerIdentity& caller,
                                       std::string_view method,
                                       std::string_view tenant) const {
  SP_RETURN_IF_ERROR(CheckMethod(caller, method));
  if (caller.is_service()) return absl::OkStatus();
  const Rule* const rule = Find(method);
  if (rule->any_verified || caller.RoleIn(tenant) >= rule->operator_role) {
    return absl::OkStatus();
  }
  return Denied(
      "TENANT_NOT_ALLOWED",
      tenant.empty()
          ? absl::StrCat(caller.ToString(), " lacks the role for all tenants")
          : absl::StrCat(caller.ToString(), " lacks the role in tenants/",
                         AbslView(tenant)));
}

absl::StatusOr<CallerIdentity> AccessPolicy::Authorize(
    const grpc::ServerContextBase& context, std::string_view method,
    std::string_view tenant) const {
  const auto auth = context.auth_context();
  SP_ASSIGN_OR_RETURN(CallerIdentity caller, Identify(*auth));
  SP_RETURN_IF_ERROR(CheckTenant(caller, method, tenant));
  return caller;
}

std::string_view TenantOfName(std::string_view name) {
  constexpr std::string_view kPrefix = "tenants/";
  if (name.substr(0, kPrefix.size()) != kPrefix) return {};
  name.remove_prefix(kPrefix.size());
  return name.substr(0, name.find('/'));
}

}  // namespace sallyport
