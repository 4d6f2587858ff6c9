#include "tools/cli/cluster_text.h"

#include "absl/strings/str_cat.h"

namespace sallyport::cli {

std::string DialplanModeText(
    const ::sallyport::capf::v1::PhoneCluster& cluster) {
  const std::string& mode = cluster.dialplan_mode();
  const std::string& reason = cluster.dialplan_reason();
  if (mode.empty()) {
    // A service of an older version says nothing at all of it.
    return reason.empty() ? "not known" : absl::StrCat("not known, ", reason);
  }
  return reason.empty() ? absl::StrCat(mode, ", the same")
                        : absl::StrCat(mode, ", which is another: ", reason);
}

}  // namespace sallyport::cli
