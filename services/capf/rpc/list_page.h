// What list and create requests have in common.

#ifndef SALLYPORT_SERVICES_CAPF_RPC_LIST_PAGE_H_
#define SALLYPORT_SERVICES_CAPF_RPC_LIST_PAGE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/capf/io/enrollment_store.h"

namespace sallyport::capf {

// What a page of a listing asks the store for: of one tenant, or of all for
// "tenants/-". INVALID_ARGUMENT NAME_INVALID or PAGE_INVALID; UNIMPLEMENTED
// for a filter.
absl::StatusOr<Page> ReadPage(const std::string& parent, int32_t page_size,
                              const std::string& token,
                              const std::string& filter);

// The token of the page after the one that ends with `last`.
std::string PageToken(std::string_view last);

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
