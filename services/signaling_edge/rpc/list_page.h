// Pages and filters of List methods.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_LIST_PAGE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_LIST_PAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/repeated_field.h"
#include "services/common/rpc/list_filter.h"

namespace sallyport::signaling_edge {

// One page of `count` items: from which, how many. The token is the number of
// items before, so that a page may repeat or miss what changed in between.
struct PageRange {
  size_t begin = 0;
  size_t end = 0;
  std::string next_token;  // empty on the last page
};
// INVALID_ARGUMENT (PAGE_INVALID) for a negative size or a foreign token.
absl::StatusOr<PageRange> PageOf(int32_t page_size, const std::string& token,
                                 size_t count);

// Fills one page of `items`, which are in order.
template <typename Request, typename Item, typename Response>
absl::Status FillPage(const Request& request, std::vector<Item> items,
                      google::protobuf::RepeatedPtrField<Item>& out,
                      Response& response) {
  auto filter = ListFilter::Parse(request.filter(), *Item::descriptor());
  if (!filter.ok()) return filter.status();
  std::erase_if(items,
                [&](const Item& item) { return !filter->Matches(item); });
  const auto page =
      PageOf(request.page_size(), request.page_token(), items.size());
  if (!page.ok()) return page.status();
  for (size_t i = page->begin; i < page->end; ++i) {
    *out.Add() = std::move(items[i]);
  }
  response.set_next_page_token(page->next_token);
  return absl::OkStatus();
}

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_LIST_PAGE_H_
