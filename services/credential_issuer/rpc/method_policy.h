// Who may call which method of CredentialIssuerService.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_METHOD_POLICY_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_METHOD_POLICY_H_

#include <string>
#include <string_view>
#include <vector>

#include "services/common/rpc/access_policy.h"

namespace sallyport::credential_issuer {

// "/sallyport.credential_issuer.v1.CredentialIssuerService/<name>".
std::string MethodPath(std::string_view name);

// `issue_callers`: services that may ask for credentials; empty:
// signaling_edge. Key secrets go to relays alone.
std::vector<MethodRule> MethodRules(
    const std::vector<std::string>& issue_callers);

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_METHOD_POLICY_H_
