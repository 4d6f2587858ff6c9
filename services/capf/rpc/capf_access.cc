#include "services/capf/rpc/capf_access.h"

#include <string_view>

#include "services/common/rpc/caller_identity.h"

namespace sallyport::capf {
namespace {

constexpr char kService[] = "/sallyport.capf.v1.CapfService/";

// Reading is for viewers, the daily work with phones for operators, and all
// that makes or ends trust for administrators.
constexpr const char* kViewerMethods[] = {
    "GetCertificate",
    "ListCertificates",
    "ExportCertificate",
    "VerifyCertificate",
    "GetCertificateAuthority",
    "ListCertificateAuthorities",
    "GetRevocationList",
    "GetEnrollment",
    "ListEnrollments",
    "GetTrustStore",
    "ListTrustStores",
    "GetTrustedCertificate",
    "ListTrustedCertificates",
    "GetPhoneCluster",
    "GetTrustList",
    "ListTrustLists",
    "VerifyTrustList",
    "SimulateTrustList",
    "ExplainServerCertificate",
    "GetProcedure",
    "ListProcedures",
    "ListCertificateEvents",
    "WatchCertificateEvents",
    "GetPhoneFile",
    "ListPhoneFiles",
    "GetStatus",
    "ListServiceCertificates",
};
constexpr const char* kOperatorMethods[] = {
    "CreateEnrollment",  "UpdateEnrollment",  "DeleteEnrollment",
    "ApproveEnrollment", "RevokeCertificate",
};
constexpr const char* kAdminMethods[] = {
    "IssueCertificate",
    "CreateCertificateAuthority",
    "UpdateCertificateAuthority",
    "DeleteCertificateAuthority",
    "CreateTrustedCertificate",
    "DeleteTrustedCertificate",
    "ImportPeerCertificate",
    "UpdatePhoneCluster",
    "PublishTrustList",
    "CreateProcedure",
    "AdvanceProcedure",
    "CancelProcedure",
    "UpdateProcedure",
};

}  // namespace

std::vector<MethodRule> CapfMethodRules(
    const std::vector<std::string>& watchers) {
  std::vector<MethodRule> rules;
  for (const char* method : kViewerMethods) {
    // dialplan looks at trust stores and the cluster's mode for its readiness
    // and threat reports.
    const bool for_reports =
        std::string_view(method) == "GetStatus" ||
        std::string_view(method) == "GetPhoneCluster" ||
        std::string_view(method) == "ListTrustedCertificates";
    rules.push_back({std::string(kService) + method,
                     for_reports ? std::vector<std::string>{"dialplan"}
                                 : std::vector<std::string>{},
                     OperatorRole::kViewer});
  }
  for (const char* method : kOperatorMethods) {
    rules.push_back(
        {std::string(kService) + method, {}, OperatorRole::kOperator});
  }
  for (const char* method : kAdminMethods) {
    rules.push_back({std::string(kService) + method, {}, OperatorRole::kAdmin});
  }
  // Each about itself alone.
  for (const char* method : {"RenewCertificate", "ReportServiceCertificates"}) {
    rules.push_back({std::string(kService) + method,
                     {"signaling_edge", "media_relay", "credential_issuer",
                      "dialplan", "capf"},
                     OperatorRole::kNone});
  }
  for (const char* method : {"WatchTrustBundle", "ReportTrustVersion"}) {
    rules.push_back(
        {std::string(kService) + method, watchers, OperatorRole::kNone});
  }
  return rules;
}

}  // namespace sallyport::capf
