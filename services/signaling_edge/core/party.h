// Who is at the other end of a leg, as proven.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PARTY_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PARTY_H_

#include <cstdint>
#include <string>

#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport::signaling_edge {

// How a party proved who it is; as the API names it.
enum class Authentication : uint8_t {
  kNone,
  kDigestMd5,
  kDigestSha256,
  kPeerCertificate,
  kLscAndDigestMd5,
  kLscAndDigestSha256,
  kLsc,
  kSourceAddress,
};

// A peer or a user of the plan. Names, not pointers, as snapshots are replaced
// under live calls.
struct Party {
  enum class Kind : uint8_t {
    kPeer,
    kUser,
    kNobody,  // the other side of a call that waits in a queue
  };
  Kind kind = Kind::kUser;
  std::string resource;  // tenants/{t}/peers/{p} or tenants/{t}/users/{u}
  std::string tenant;    // tenants/{t}
  std::string phone;     // tenants/{t}/phones/{p} when a certificate named one
  std::string port;      // device name of a voicemail port, then kPeer
  std::string identity;  // what was verified: a certified name or a user name
  std::string dial_plan;
  SecurityMode mode = SecurityMode::kSecured;
  Authentication authentication = Authentication::kNone;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PARTY_H_
