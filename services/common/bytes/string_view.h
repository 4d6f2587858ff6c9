// Debian builds Abseil with a string_view of its own, which converts neither
// to nor from std::string_view. We speak std::string_view and convert at calls
// into Abseil.

#ifndef SALLYPORT_SERVICES_COMMON_BYTES_STRING_VIEW_H_
#define SALLYPORT_SERVICES_COMMON_BYTES_STRING_VIEW_H_

#include <string_view>

#include "absl/strings/string_view.h"

namespace sallyport {

// For arguments of Abseil's functions: absl::StrCat(AbslView(name)).
inline absl::string_view AbslView(std::string_view text) {
  return absl::string_view(text.data(), text.size());
}

// For what Abseil's functions return: StdView(status.message()).
inline std::string_view StdView(absl::string_view text) {
  return std::string_view(text.data(), text.size());
}

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_BYTES_STRING_VIEW_H_
