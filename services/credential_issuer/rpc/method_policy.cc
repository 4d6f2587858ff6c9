#include "services/credential_issuer/rpc/method_policy.h"

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"

namespace sallyport::credential_issuer {

std::string MethodPath(std::string_view name) {
  return absl::StrCat(
      "/sallyport.credential_issuer.v1.CredentialIssuerService/",
      AbslView(name));
}

std::vector<MethodRule> MethodRules(
    const std::vector<std::string>& issue_callers) {
  const std::vector<std::string> issuers =
      issue_callers.empty() ? std::vector<std::string>{"signaling_edge"}
                            : issue_callers;
  const std::vector<std::string> relays = {"media_relay"};
  return {
      {MethodPath("IssueTurnCredential"), issuers, OperatorRole::kOperator},
      {MethodPath("IssueMrasCredentials"), issuers, OperatorRole::kOperator},
      {MethodPath("RevokeCredential"), {}, OperatorRole::kOperator},
      {MethodPath("RevokeUser"), {}, OperatorRole::kOperator},
      {MethodPath("ListRevocations"), {}, OperatorRole::kViewer},
      {MethodPath("GetKey"), {}, OperatorRole::kViewer},
      {MethodPath("ListKeys"), {}, OperatorRole::kViewer},
      {MethodPath("RotateKey"), {}, OperatorRole::kAdmin},
      {MethodPath("RevokeKey"), {}, OperatorRole::kAdmin},
      {MethodPath("WatchVerificationKeys"), relays, OperatorRole::kNone},
      {MethodPath("ReportKeysVersion"), relays, OperatorRole::kNone},
      {MethodPath("ListAuditRecords"), {}, OperatorRole::kViewer},
      {MethodPath("GetStatus"), {}, OperatorRole::kViewer},
  };
}

}  // namespace sallyport::credential_issuer
