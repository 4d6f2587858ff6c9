// REGISTER requests of users who have proven who they are, answered (RFC 3261
// section 10.3).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REGISTRATION_DESK_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REGISTRATION_DESK_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/party.h"
#include "services/signaling_edge/core/registrar.h"
#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

struct RegisterOutcome {
  SipMessage response;
  Registrar::Changes changes;
  absl::Status refusal;  // OK when it was done
};

// Reads `request`, changes `registrar`, and makes the response: 200 with every
// contact of the user, or what SipStatusOf() says of the refusal.
// `max_contacts` is the user's own, 0 for none.
RegisterOutcome Register(const SipMessage& request, const Party& user,
                         const Flow& flow, size_t max_contacts,
                         std::string_view to_tag, Registrar& registrar,
                         MonoTime now);

// As the API spells it: "LSC_AND_DIGEST_MD5".
std::string_view AuthenticationName(Authentication authentication);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REGISTRATION_DESK_H_
