// REGISTER requests of users who have proven who they are, answered (RFC 3261
// section 10.3).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REGISTRATION_DESK_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REGISTRATION_DESK_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/binding.h"
#include "services/signaling_edge/core/binding_rules.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/gruu.h"
#include "services/signaling_edge/core/party.h"
#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// What the plan and the configuration say of a user's registrations.
struct RegisterPolicy {
  size_t max_contacts = 0;     // 0: as the registrar says
  uint32_t max_of_tenant = 0;  // contacts of all its users; 0: any number
  bool may_be_bulk = false;    // an IP PBX by RFC 6140
  std::string_view username;   // and domain of the user
  std::string_view domain;
  absl::Duration flow_timer;  // told to those with flows; zero: not
  std::string service_route;  // URI (RFC 3608); empty: none is told
  // Outlives the answer. Null: there are no temporary GRUUs.
  TemporaryGruus* gruus = nullptr;
};

// A REGISTER as read.
struct Registration {
  RegisterRequest change;
  bool outbound = false;  // a contact of it is kept by its flow (RFC 5626)
  bool gruu = false;      // GRUUs are wanted (RFC 5627, RFC 6140)
};

// SIP_HEADER_MALFORMED; PATH_NOT_SUPPORTED when a proxy wants to stay in the
// path of a client that knows nothing of that (RFC 3327 section 5.3);
// FIRST_HOP_LACKS_OUTBOUND (RFC 5626 section 6); BULK_NOT_ALLOWED.
absl::StatusOr<Registration> ReadRegister(const SipMessage& request,
                                          const Party& user, const Flow& flow,
                                          const RegisterPolicy& policy);

// The 200, with every contact of the user.
SipMessage RegisterAnswer(const SipMessage& request,
                          const Registration& registration,
                          const std::vector<const Binding*>& bindings,
                          const RegisterPolicy& policy, std::string_view to_tag,
                          MonoTime now);

// What SipStatusOf() says of the refusal.
SipMessage RegisterRefusal(const SipMessage& request,
                           const absl::Status& refusal,
                           absl::Duration min_expires, std::string_view to_tag);

// The Request-URI for a number of a bulk contact (RFC 6140 section 5.3); `sg`
// is the parameter of a GRUU that was called, or empty.
std::string BulkTarget(std::string_view contact, std::string_view number,
                       std::string_view sg);

// As the API spells it: "LSC_AND_DIGEST_MD5".
std::string_view AuthenticationName(Authentication authentication);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REGISTRATION_DESK_H_
