// What the plan would have taken in the place of a certificate or device name
// that was refused. For operators only: strangers are told nothing of it.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EXPECTED_NAMES_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EXPECTED_NAMES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "services/common/crypto/x509_name.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/net/socket_address.h"
#include "services/signaling_edge/core/edge_event.h"
#include "services/signaling_edge/core/party.h"
#include "services/signaling_edge/core/sccp_ports.h"

namespace sallyport::signaling_edge {

// Of one refusal; what is beyond is not told.
inline constexpr size_t kMaxExpectedNames = 16;

// What is known of the far side of a connection whose certificate, or device
// name, was refused.
struct FarSide {
  std::string_view dialled;  // the peer that was dialled, or empty
  // The peer or phone that it had proven to be before, or empty.
  std::string_view proven;
  SocketAddress remote;
  uint32_t incoming_port = 0;                    // that it came to
  bool is_port = false;                          // one of voicemail ports
  const PeerEntry* at_address = nullptr;         // that is said to be there
  const CertificateInfo* certificate = nullptr;  // that it showed
};

// The names that it might have had, in this order: as the peer that was
// dialled, and nobody else; else as whom it had proven to be, and nobody else;
// else as the peer, or the voicemail servers, at its address, and as whom its
// certificate says to be (of which only the first few names are looked at, as
// anybody may send it). A phone's and a voicemail port's is its device name.
// Empty where the plan expects nobody. Pure; its cost does not grow with the
// plan, but for voicemail servers.
std::vector<std::string> ExpectedNames(const FarSide& far,
                                       const PlanIndex& plan,
                                       const SccpPorts& ports);

// Of a user whose password was right and whose device was not: what it has
// shown, and the device names of the phones that are the user's. Does nothing
// where `reason` is about something else.
void NameDevices(const Party& user, std::string_view reason,
                 const Resolver& plan, Refusal& refusal);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EXPECTED_NAMES_H_
