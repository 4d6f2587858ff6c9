// What a REGISTER makes of the bindings of its user: RFC 3261 section 10.3
// steps 6 and 7, with flows (RFC 5626 section 6) and bulk contacts (RFC 6140).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_BINDING_RULES_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_BINDING_RULES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/binding.h"
#include "services/signaling_edge/core/flow.h"

namespace sallyport::signaling_edge {

struct RegisterContact {
  std::string uri;
  std::optional<uint32_t> expires;  // seconds, of the contact or the request
  std::string instance;
  uint32_t reg_id = 0;  // with an instance, and by outbound rules; else 0
  bool bulk = false;
};

// An authenticated REGISTER. No contact and not `all`: a question.
struct RegisterRequest {
  std::string user;
  bool all = false;  // Contact: *
  std::vector<RegisterContact> contacts;
  std::vector<std::string> path;
  Flow flow;
  std::string call_id;
  uint32_t cseq = 0;
  size_t max_contacts = 0;     // 0: as the limits say
  uint32_t max_of_tenant = 0;  // of all its users here; 0: any number
  std::string user_agent;
  std::string authentication;
  std::string phone;
};

struct RegisterLimits {
  absl::Duration min_expires = absl::Seconds(60);
  absl::Duration max_expires = absl::Hours(1);
  absl::Duration default_expires = absl::Hours(1);
  size_t max_contacts = 8;  // of a user whose record does not say
};

// Flows that one instance may have at once.
inline constexpr size_t kMaxFlowsOfInstance = 4;

// The bindings after the request; `have` are those before it, all of one user.
// New ones have id 0. All of it is done, or on an error none:
// EXPIRES_TOO_BRIEF, CSEQ_OUT_OF_ORDER for an older request of the same
// Call-ID, CONTACT_LIMIT. Flows of one instance count as one contact.
absl::StatusOr<std::vector<Binding>> ApplyRegister(
    const std::vector<Binding>& have, const RegisterRequest& request,
    const RegisterLimits& limits, MonoTime now);

// The same contact of the same user, as a REGISTER would find it.
bool SameContact(const Binding& a, const Binding& b);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_BINDING_RULES_H_
