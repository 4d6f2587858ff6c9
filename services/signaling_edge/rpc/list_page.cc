#include "services/signaling_edge/rpc/list_page.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

constexpr int32_t kDefaultPage = 50;
constexpr int32_t kMaxPage = 1000;

absl::Status PageError(const std::string& field, const std::string& what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "PAGE_INVALID", what,
                   {{field, what}});
}

}  // namespace

absl::StatusOr<PageRange> PageOf(int32_t page_size, const std::string& token,
                                 size_t count) {
  if (page_size < 0) return PageError("page_size", "must not be negative");
  uint64_t begin = 0;
  if (!token.empty() && !absl::SimpleAtoi(token, &begin)) {
    return PageError("page_token", "is not one of ours");
  }
  PageRange out;
  out.begin = std::min<uint64_t>(begin, count);
  out.end = std::min(
      count,
      out.begin + static_cast<size_t>(std::min(
                      page_size == 0 ? kDefaultPage : page_size, kMaxPage)));
  if (out.end < count) out.next_token = absl::StrCat(out.end);
  return out;
}

}  // namespace sallyport::signaling_edge
