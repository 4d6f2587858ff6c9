// One contact of one user, as registered (RFC 3261 section 10.3), and by which
// way it is reached.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_BINDING_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_BINDING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/remote_flow.h"

namespace sallyport::signaling_edge {

struct Binding {
  uint64_t id = 0;      // stays while the contact is refreshed; 0: none yet
  std::string user;     // tenants/{t}/users/{u}
  std::string contact;  // URI as registered
  Flow flow;
  // In a registry that several edges share: who holds that flow. Of a contact
  // of another edge `flow` is empty until it is used.
  std::optional<RemoteFlow> owner;
  std::string call_id;
  uint32_t cseq = 0;
  std::string instance;  // +sip.instance, if any
  // Which of the flows of that instance (RFC 5626); 0: not by outbound rules.
  uint32_t reg_id = 0;
  // Route values from here to the contact, nearest first (RFC 3327).
  std::vector<std::string> path;
  bool bulk = false;  // for all numbers of the user (RFC 6140)
  std::string user_agent;
  std::string authentication;  // how it was proven, for the operator
  std::string phone;           // tenants/{t}/phones/{p}, by certificate
  MonoTime registered;
  MonoTime refreshed;
  MonoTime expires;
  // On UDP: without a sign of life until then the flow has failed.
  MonoTime silent_until = MonoTime::InfiniteFuture();

  // Held by another edge, or another loop of this one.
  bool foreign = false;

  bool is_outbound() const { return reg_id != 0; }
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_BINDING_H_
