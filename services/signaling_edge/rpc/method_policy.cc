#include "services/signaling_edge/rpc/method_policy.h"

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"

namespace sallyport::signaling_edge {

std::string MethodPath(std::string_view name) {
  return absl::StrCat("/sallyport.signaling_edge.v1.SignalingEdgeService/",
                      AbslView(name));
}

std::vector<MethodRule> MethodRules() {
  const auto rule = [](std::string_view name, OperatorRole role) {
    return MethodRule{MethodPath(name), {}, role};
  };
  // dialplan asks for TestConnectivity, readiness and threats.
  const auto also_dialplan = [](std::string_view name, OperatorRole role) {
    return MethodRule{MethodPath(name), {"dialplan"}, role};
  };
  return {
      rule("GetRegistration", OperatorRole::kViewer),
      rule("ListRegistrations", OperatorRole::kViewer),
      rule("DeleteRegistration", OperatorRole::kOperator),
      rule("GetCall", OperatorRole::kViewer),
      rule("ListCalls", OperatorRole::kViewer),
      rule("EndCall", OperatorRole::kOperator),
      rule("SetAgentState", OperatorRole::kOperator),
      rule("GetCallTrace", OperatorRole::kOperator),
      // dialplan asks for EvaluateChange.
      also_dialplan("ListCallRecords", OperatorRole::kViewer),
      rule("WatchCallRecords", OperatorRole::kViewer),
      rule("GetConnection", OperatorRole::kViewer),
      rule("ListConnections", OperatorRole::kViewer),
      rule("CloseConnection", OperatorRole::kOperator),
      rule("ListRefusals", OperatorRole::kViewer),
      rule("ListEvents", OperatorRole::kViewer),
      rule("WatchEvents", OperatorRole::kViewer),
      also_dialplan("GetPeerState", OperatorRole::kViewer),
      also_dialplan("ListPeerStates", OperatorRole::kViewer),
      also_dialplan("CheckPeer", OperatorRole::kOperator),
      rule("ExplainRoute", OperatorRole::kViewer),
      also_dialplan("GetStatus", OperatorRole::kViewer),
      rule("SetTlsDebug", OperatorRole::kOperator),
      rule("Drain", OperatorRole::kAdmin),
  };
}

}  // namespace sallyport::signaling_edge
