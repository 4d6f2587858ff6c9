// Every kind of link of a tenant, and the method that protects it (UM-21).

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_LINKS_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_LINKS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport::dialplan {

// Numbered as the API.
enum class LinkMethod : uint8_t {
  kNotUsed,
  kNone,
  kMutualTls,
  kTlsAndDigest,
  kIpsec,
  kSrtp,
};

struct LinkRow {
  std::string_view kind;  // "IP gateway"
  std::string component;  // a resource name, or "signaling_edge to capf"
  LinkMethod signalling = LinkMethod::kNotUsed;
  LinkMethod media = LinkMethod::kNotUsed;
  std::string_view scenario;  // empty: not said
  std::string detail;

  bool operator==(const LinkRow&) const = default;
};

// Why mutual TLS comes before IPsec (UM-17, UM-20).
std::string_view LinkPreference();

// Of each peer in use, of the users of each dial plan that has any, and
// between services, in this order. A link that is held to mutual TLS is told as
// that, whatever IPsec policy lies below it. `tenant` has its defaults resolved
// (ResolveDefaults). Pure.
std::vector<LinkRow> LinksOf(const PlanSnapshot& tenant);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_LINKS_H_
