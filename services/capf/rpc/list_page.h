// What list and create requests have in common.

#ifndef SALLYPORT_SERVICES_CAPF_RPC_LIST_PAGE_H_
#define SALLYPORT_SERVICES_CAPF_RPC_LIST_PAGE_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/repeated_field.h"
#include "services/capf/io/enrollment_store.h"
#include "services/common/rpc/list_filter.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {

// What a page of a listing asks the store for: of one tenant, or of all for
// "tenants/-". INVALID_ARGUMENT NAME_INVALID or PAGE_INVALID.
absl::StatusOr<Page> ReadPage(const std::string& parent, int32_t page_size,
                              const std::string& token);

// The token of the page after the one that ends with `last`.
std::string PageToken(std::string_view last);

// How many rows one request with a filter looks at: what it found by then is
// its page, and the token goes on from there.
inline constexpr size_t kMaxRowsLookedAt = 20000;

// Fills one page of a list. `read(page)` gives, in order, at most `page.limit`
// rows after `page.after`; `key(row)` is what the rows after it begin after;
// `convert(row)` is an absl::StatusOr<Item>. An empty `next_token` ends the
// list. INVALID_ARGUMENT FILTER_INVALID, or what the three return.
template <typename Item, typename Read, typename Key, typename Convert>
absl::Status FillPage(Page page, const std::string& filter, Read read, Key key,
                      Convert convert,
                      google::protobuf::RepeatedPtrField<Item>* items,
                      std::string* next_token) {
  SP_ASSIGN_OR_RETURN(const ListFilter keep,
                      ListFilter::Parse(filter, *Item::descriptor()));
  const auto wanted = static_cast<int>(page.limit);
  if (!keep.empty()) page.limit = 1000;
  for (size_t looked_at = 0;; looked_at += page.limit) {
    ++page.limit;  // one more tells whether there is more
    SP_ASSIGN_OR_RETURN(auto rows, read(page));
    const bool more = rows.size() == page.limit;
    --page.limit;
    if (more) rows.pop_back();
    for (auto& row : rows) {
      page.after = key(row);
      SP_ASSIGN_OR_RETURN(Item item, convert(row));
      if (!keep.Matches(item)) continue;
      *items->Add() = std::move(item);
      if (items->size() < wanted) continue;
      if (more || &row != &rows.back()) *next_token = PageToken(page.after);
      return absl::OkStatus();
    }
    if (!more) return absl::OkStatus();
    if (looked_at + page.limit >= kMaxRowsLookedAt) {
      *next_token = PageToken(page.after);
      return absl::OkStatus();
    }
  }
}

// The `read` of a FillPage over `rows`, which are all that there are.
template <typename Row, typename Key>
auto ReadSorted(std::vector<Row> rows, Key key) {
  std::sort(rows.begin(), rows.end(),
            [&key](const Row& a, const Row& b) { return key(a) < key(b); });
  return [rows = std::move(rows), key](const Page& page) {
    std::vector<Row> out;
    for (const Row& row : rows) {
      if (out.size() == page.limit) break;
      if (page.after.empty() || key(row) > page.after) out.push_back(row);
    }
    return absl::StatusOr<std::vector<Row>>(std::move(out));
  };
}

// The tenant a list is about, as access goes: all of them is what belongs to
// none.
std::string_view TenantOfList(std::string_view parent);

// What a request id is stored as; empty for none. INVALID_ARGUMENT
// REQUEST_ID_INVALID if it is over 64 characters.
absl::StatusOr<std::string> RequestKey(const std::string& tenant,
                                       const std::string& request_id);

// The version in an etag; 0 for none. INVALID_ARGUMENT ETAG_INVALID.
absl::StatusOr<int64_t> ReadEtag(const std::string& etag);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_RPC_LIST_PAGE_H_
