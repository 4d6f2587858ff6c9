#include "services/media_relay/rpc/access_rules.h"

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/caller_identity.h"

namespace sallyport::media_relay {

std::string MethodPath(std::string_view method) {
  return absl::StrCat("/sallyport.media_relay.v1.MediaRelayService/",
                      AbslView(method));
}

std::vector<MethodRule> MediaRelayAccessRules(
    const std::vector<std::string>& session_owners) {
  const std::vector<std::string> owners =
      session_owners.empty() ? std::vector<std::string>{"signaling_edge"}
                             : session_owners;
  const std::vector<std::string> none;
  return {
      {MethodPath("CreateSession"), owners, OperatorRole::kNone},
      {MethodPath("GetSession"), owners, OperatorRole::kViewer},
      {MethodPath("ListSessions"), owners, OperatorRole::kViewer},
      {MethodPath("UpdateSession"), owners, OperatorRole::kNone},
      {MethodPath("DeleteSession"), owners, OperatorRole::kOperator},
      {MethodPath("RenewSessions"), owners, OperatorRole::kNone},
      {MethodPath("WatchSessions"), owners, OperatorRole::kViewer},
      {MethodPath("GetAllocation"), none, OperatorRole::kViewer},
      {MethodPath("ListAllocations"), none, OperatorRole::kViewer},
      {MethodPath("DeleteAllocation"), none, OperatorRole::kOperator},
      {MethodPath("WatchLoad"), owners, OperatorRole::kViewer},
      {MethodPath("GetStatus"), owners, OperatorRole::kViewer},
      {MethodPath("Drain"), none, OperatorRole::kAdmin},
  };
}

}  // namespace sallyport::media_relay
