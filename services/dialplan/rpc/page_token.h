// Tokens of the next page.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_PAGE_TOKEN_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_PAGE_TOKEN_H_

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

namespace sallyport::dialplan {

// A token names the last resource that was returned, so that pages neither
// repeat nor skip what was there all along, whatever else comes and goes; and
// it is bound to its list by a tag, so that it cannot be made up or moved to
// another list. It holds across restarts. Immutable, so thread-safe.
class PageTokens {
 public:
  // `key` is the store's own.
  explicit PageTokens(std::string key) : key_(std::move(key)) {}

  // `list` identifies the list: method, parent and filter.
  std::string Make(std::string_view list, std::string_view last) const;
  // The name in the token; empty for an empty token. INVALID_ARGUMENT, reason
  // PAGE_TOKEN_INVALID, for one that Make did not return for this list.
  absl::StatusOr<std::string> Read(std::string_view list,
                                   std::string_view token) const;

 private:
  std::string Tag(std::string_view list, std::string_view last) const;

  std::string key_;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_PAGE_TOKEN_H_
