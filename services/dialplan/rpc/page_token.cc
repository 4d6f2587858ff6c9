#include "services/dialplan/rpc/page_token.h"

#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/crypto/constant_time.h"
#include "services/common/crypto/hmac.h"
#include "services/common/status/error_reason.h"

namespace sallyport::dialplan {
namespace {

constexpr size_t kTagBytes = 16;
constexpr size_t kMaxToken = 1024;

}  // namespace

std::string PageTokens::Tag(std::string_view list,
                            std::string_view last) const {
  constexpr std::string_view kUse = "page";
  constexpr std::string_view kEnd("\0", 1);
  const Sha256Digest digest =
      HmacSha256(AsBytes(key_), {AsBytes(kUse), AsBytes(kEnd), AsBytes(list),
                                 AsBytes(kEnd), AsBytes(last)});
  return ToString(ByteSpan(digest).subspan(0, kTagBytes));
}

std::string PageTokens::Make(std::string_view list,
                             std::string_view last) const {
  return absl::WebSafeBase64Escape(Tag(list, last) + std::string(last));
}

absl::StatusOr<std::string> PageTokens::Read(std::string_view list,
                                             std::string_view token) const {
  if (token.empty()) return std::string();
  std::string bytes;
  if (token.size() <= kMaxToken &&
      absl::WebSafeBase64Unescape(AbslView(token), &bytes) &&
      bytes.size() > kTagBytes) {
    const std::string last = bytes.substr(kTagBytes);
    if (ConstantTimeEquals(
            AsBytes(Tag(list, last)),
            AsBytes(std::string_view(bytes).substr(0, kTagBytes)))) {
      return last;
    }
  }
  return MakeError(absl::StatusCode::kInvalidArgument, "PAGE_TOKEN_INVALID",
                   "the page token is not one of this list",
                   {{"page_token", "not one of this list"}});
}

}  // namespace sallyport::dialplan
