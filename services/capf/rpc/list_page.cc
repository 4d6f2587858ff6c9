#include "services/capf/rpc/list_page.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/capf/rpc/capf_convert.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMaxRequestId = 64;

absl::Status Invalid(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

}  // namespace

absl::StatusOr<Page> ReadPage(const std::string& parent, int32_t page_size,
                              const std::string& token) {
  Page page;
  if (parent != "tenants/-") {
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                        ParseName(parent, {"tenants"}));
    page.tenant = ids[0];
  }
  if (page_size < 0) return Invalid("PAGE_INVALID", "page_size is negative");
  page.limit = page_size == 0 ? 50 : std::min<size_t>(page_size, 1000);
  if (!token.empty()) {
    absl::StatusOr<std::string> after = HexDecode(token);
    if (!after.ok()) return Invalid("PAGE_INVALID", "not a page token");
    page.after = *std::move(after);
  }
  return page;
}

std::string PageToken(std::string_view last) {
  return HexEncode(AsBytes(last));
}

std::string_view TenantOfList(std::string_view parent) {
  const std::string_view tenant = TenantOfName(parent);
  return tenant == "-" ? std::string_view() : tenant;
}

absl::StatusOr<std::string> RequestKey(const std::string& tenant,
                                       const std::string& request_id) {
  if (request_id.empty()) return std::string();
  if (request_id.size() > kMaxRequestId) {
    return Invalid("REQUEST_ID_INVALID", "request_id is over 64 characters");
  }
  return absl::StrCat(tenant, "/", request_id);
}

absl::StatusOr<int64_t> ReadEtag(const std::string& etag) {
  int64_t version = 0;
  if (!etag.empty() && !absl::SimpleAtoi(etag, &version)) {
    return Invalid("ETAG_INVALID", "not an etag of ours");
  }
  return version;
}

}  // namespace sallyport::capf
