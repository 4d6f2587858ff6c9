// How it came to a refusal, for operators: the checks that were made, in order,
// each as "check: outcome". The last one refused, and mostly says the reason:
//
//   chain: ok                     sender: PEER_CERTIFICATE
//   usage: ok                     loop: none
//   identity: 0 of 2 names match  route: ROUTE_NOT_FOUND
//
// The words are stable. Numbers that were dialled, addresses and keys are not
// among them; names are those of resources.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REFUSAL_STEPS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REFUSAL_STEPS_H_

#include <string>
#include <string_view>
#include <vector>

#include "services/signaling_edge/core/attempt.h"
#include "services/signaling_edge/core/call_record.h"
#include "services/signaling_edge/core/media_session.h"
#include "services/signaling_edge/core/overload_gate.h"
#include "services/signaling_edge/core/party.h"
#include "services/signaling_edge/core/tls_facts.h"

namespace sallyport::signaling_edge {

// All functions are pure.
using RefusalSteps = std::vector<std::string>;

// The check that refuses for `reason`, or `otherwise` where several may.
std::string_view CheckOf(std::string_view reason, std::string_view otherwise);

// Which of a connection's checks were under way.
enum class ConnectionStage {
  kHandshake,  // TLS, with the chain
  kIdentity,   // whose certificate it is, by the plan
  kLive,       // it was good before
};
// `tls` may be null: nothing was seen of a certificate.
// `address` is what is to be said of the far side's before the last step: that
// nobody is expected there. Empty: nothing.
RefusalSteps ConnectionSteps(std::string_view reason, ConnectionStage stage,
                             const TlsFacts* tls,
                             std::string_view address = {});

// A request, of a source of this class, that is nobody's call.
RefusalSteps RequestSteps(LoadClass source, std::string_view reason,
                          std::string_view otherwise,
                          std::string_view address = {});
// A request of somebody who has proven to be that; with no party, of a source
// that is known to be proven otherwise.
RefusalSteps PartySteps(const Party& sender, std::string_view reason,
                        std::string_view otherwise);
// A call on its way to where it may be answered.
RefusalSteps AttemptSteps(const Attempt& attempt, std::string_view reason);
// A call with two legs, for what came on one of them.
RefusalSteps CallSteps(const CallRecord& call, LegSide offender,
                       std::string_view reason,
                       std::string_view otherwise = "media");

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REFUSAL_STEPS_H_
