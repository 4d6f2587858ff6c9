// Data indications, which tell a client what comes from a peer without a
// channel, and what became of a datagram to one: RFC 8656 sections 11.4, 11.5.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_DATA_INDICATION_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_DATA_INDICATION_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "services/common/random/random_source.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/icmp_error.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {

// Writes the indication around the payload, in place; false when it does not
// fit.
bool WrapInDataIndication(const Endpoint& peer, RandomSource& random,
                          Packet& packet);

// One with an ICMP attribute and no data, about a datagram to `peer`; empty
// when it does not fit.
absl::Span<const uint8_t> WriteIcmpIndication(const Endpoint& peer,
                                              const IcmpError& error,
                                              RandomSource& random,
                                              absl::Span<uint8_t> reply);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_DATA_INDICATION_H_
