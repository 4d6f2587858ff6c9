// UMRecyclerConfig.xml, of which one setting is read: StartSecured, the start
// mode of an edge that follows RTM and serves no dial plan (UM-103).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_UM_RECYCLER_CONFIG_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_UM_RECYCLER_CONFIG_H_

#include <cstddef>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"

namespace sallyport::signaling_edge {

inline constexpr size_t kMaxUmRecyclerConfig = 64 * 1024;

// StartSecured of a file of at most kMaxUmRecyclerConfig octets: 1 is true;
// nullopt if it has none. It is an element (`<StartSecured>1</StartSecured>`),
// an attribute (`StartSecured="1"`), or a setting by key
// (`<add key="StartSecured" value="1"/>`), anywhere; all else is passed over.
//
// INVALID_ARGUMENT: UM_RECYCLER_CONFIG_INVALID if it is no XML, has a document
// type (and so entities of its own) or is nested too deep;
// START_SECURED_INVALID if the value is neither 0 nor 1, or there are two.
absl::StatusOr<std::optional<bool>> ParseStartSecured(std::string_view file);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_UM_RECYCLER_CONFIG_H_
