#include "tools/cli/capf_call.h"

#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"

namespace sallyport::cli {

absl::StatusOr<std::string> FullName(CliContext& context,
                                     const std::string& collection,
                                     const std::string& name) {
  if (absl::StartsWith(name, "tenants/")) return name;
  SP_RETURN_IF_ERROR(context.Clients().status());
  SP_ASSIGN_OR_RETURN(const std::string parent, context.TenantName());
  return absl::StrCat(parent, "/", collection, "/", name);
}

absl::Status WriteOutput(const std::string& path, const std::string& content) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << content;
  if (out.flush()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kUnavailable, "FILE_NOT_WRITTEN",
                   "the file cannot be written");
}

}  // namespace sallyport::cli
